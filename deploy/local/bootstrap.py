"""Sets the project up: virtual environment, locked packages, import path, generated code.

    python3 deploy/local/bootstrap.py [--node] [--console]

With `--node` also the packages of Node.js that the local system and the tests run, with `--console` also the web pages.

Needs Python and nothing else. Each step remembers what it was done for (the lock file, the contract), so a
second run does nothing and needs no network. Runs at the same time wait for each other.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
VENV = ROOT / ".venv"
CACHE = ROOT / ".cache"
LOCK = ROOT / "requirements.lock"
PYTHON = VENV / "bin" / "python"
NODE = ROOT / "deploy" / "local" / "node"
NPM_SETTINGS = ("/usr/local/etc/npmrc", "/etc/npmrc", "/usr/etc/npmrc")
NODE_FILES = ("package.json", "package-lock.json")
NODE_MODULES = CACHE / "node" / "node_modules"
CONSOLE_FILES = (
    "package.json",
    "package-lock.json",
    "console/package.json",
    "clients/typescript/package.json",
)
CONSOLE_MODULES = ROOT / "node_modules"
CONSOLE_SOURCES = ("console", "clients/typescript")
MADE = frozenset({"dist", "generated", "node_modules"})
"""Folders among the sources that are derived from them."""
OLDEST = (3, 11)


class SetupError(Exception):
    """A step failed; the text is a sentence for the user."""


def say(text: str) -> None:
    """Tells the user what goes on, on stderr: `make -s token` prints a token and nothing else."""
    print(text, file=sys.stderr, flush=True)


def digest(*paths: Path) -> str:
    """A hash of the files' names and contents."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(f"{path.relative_to(ROOT)}\0".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


@contextlib.contextmanager
def step(stamp: Path, fingerprint: str) -> Iterator[bool]:
    """Yields whether a step has to be done; remembers in the file `stamp` that it was when the block ends well.

    The stamp lies in the folder that the step makes, so that whoever deletes the one deletes the other.
    """
    if stamp.exists() and stamp.read_text() == fingerprint:
        yield False
        return
    stamp.unlink(missing_ok=True)
    yield True
    stamp.write_text(fingerprint)


def run(*command: str | Path, doing: str) -> None:
    """Runs a command with its output on stderr.

    Raises:
        SetupError: it failed.
    """
    done = subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=False)
    if done.returncode != 0:
        raise SetupError(f"{doing} failed (exit code {done.returncode}); the reason stands above")


def pip() -> Sequence[str | Path]:
    """Creates the virtual environment; returns the command of a pip that installs into it."""
    if importlib.util.find_spec("ensurepip") is not None:
        run(sys.executable, "-m", "venv", VENV, doing="creating the virtual environment")
        return (PYTHON, "-m", "pip")
    # Debian's python3 comes without ensurepip, but perhaps with a pip that can serve our environment.
    if importlib.util.find_spec("pip") is None:
        raise SetupError(
            "this Python can't create virtual environments; install what it lacks "
            "(on Debian and Ubuntu: apt-get install python3-venv)"
        )
    run(sys.executable, "-m", "venv", "--without-pip", VENV, doing="creating the virtual environment")
    return (sys.executable, "-m", "pip", "--python", PYTHON)


def install() -> None:
    """Installs exactly what the lock file lists, and puts the project's own code on the import path."""
    say(f"setting up {VENV.name}/ with the packages of {LOCK.name} (once; some minutes at most) …")
    run(
        *pip(),
        "install",
        "-qq",  # a warning about a mirror or a cache is of no use here; errors still show
        "--disable-pip-version-check",
        "--no-deps",
        "--require-hashes",
        "--requirement",
        LOCK,
        doing="installing the packages",
    )
    found = subprocess.run(
        [PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    )
    (Path(found.stdout.strip()) / "studio-databases.pth").write_text(f"{ROOT}\n{ROOT / 'generated'}\n")


def generate() -> None:
    """Derives the stubs and descriptors from the contract."""
    say("generating code from protos/ …")
    run(PYTHON, ROOT / "tools" / "protos.py", "generate", doing="generating code")


def _system_settings() -> Sequence[str]:
    """Lets npm read what the machine's administrator has set: that of a virtual environment looks elsewhere."""
    if any(name.lower() == "npm_config_globalconfig" for name in os.environ):
        return ()
    return next((("--globalconfig", each) for each in NPM_SETTINGS if Path(each).exists()), ())


def install_node_packages() -> None:
    """Installs exactly what package-lock.json lists, by the npm of the virtual environment; runs no scripts."""
    say("installing pg-meta with npm (once) …")
    home = NODE_MODULES.parent
    home.mkdir(parents=True, exist_ok=True)
    for name in NODE_FILES:
        shutil.copyfile(NODE / name, home / name)
    npm(
        "ci",
        "--prefix",
        home,
        "--ignore-scripts",
        "--omit=dev",
        doing="installing the packages of Node.js",
    )


def npm(*arguments: str | Path, doing: str) -> None:
    """Runs the npm of the virtual environment.

    Raises:
        SetupError: it failed.
    """
    quiet = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
    run(VENV / "bin" / "npm", *arguments, *quiet, *_system_settings(), doing=doing)


def console_sources() -> Sequence[Path]:
    """What the web pages are made of."""
    found = [ROOT / name for name in CONSOLE_FILES]
    for folder in CONSOLE_SOURCES:
        files = (path for path in sorted((ROOT / folder).rglob("*")) if path.is_file())
        found += [path for path in files if not MADE & set(path.relative_to(ROOT).parts)]
    return found


def build_console(packages: str, contract: str) -> None:
    """Builds the web pages and what they are made with, where anything has changed."""
    with step(
        CONSOLE_MODULES / ".stamp", f"{packages} {digest(*(ROOT / name for name in CONSOLE_FILES))}"
    ) as needed:
        if needed:
            say("installing the packages of the web pages with npm (once) …")
            npm("ci", "--ignore-scripts", doing="installing the packages of the web pages")
    with step(ROOT / "console" / "dist" / ".stamp", f"{contract} {digest(*console_sources())}") as needed:
        if needed:
            say("building the web pages …")
            run(
                PYTHON,
                ROOT / "tools" / "typescript.py",
                doing="deriving the client's types from the contract",
            )
            npm("run", "build", "--workspace=console", doing="building the web pages")


def set_up(*, node: bool, console: bool) -> None:
    """Does what is missing."""
    if sys.version_info < OLDEST:
        raise SetupError(f"Python {'.'.join(map(str, OLDEST))} or later is needed; this is {sys.version}")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    # A virtual environment holds absolute paths: one that was moved is made anew.
    packages = f"{version} {VENV} {digest(LOCK)}"
    with step(VENV / ".stamp", packages) as needed:
        if needed:
            install()
    contract = digest(ROOT / "tools" / "protos.py", *(ROOT / "protos").rglob("*.proto"))
    with step(ROOT / "generated" / ".stamp", f"{packages} {contract}") as needed:
        if needed:
            generate()
    if node:
        with step(NODE_MODULES.parent / ".stamp", digest(*(NODE / name for name in NODE_FILES))) as needed:
            if needed:
                install_node_packages()
    if console:
        build_console(packages, contract)


def main() -> int:
    """Sets up, one run at a time; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--node", action="store_true", help="also what runs on Node.js")
    parser.add_argument("--console", action="store_true", help="also the web pages")
    options = parser.parse_args()
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "setup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another setup of this clone …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            set_up(node=options.node, console=options.console)
        except SetupError as error:
            say(f"error: {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
