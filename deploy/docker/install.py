"""What the images hold, and how it gets there. The Dockerfile runs this, and so do the tests.

    python deploy/docker/install.py packages TARGET ROOT   ROOT/venv, with the locked packages of that target
    python deploy/docker/install.py code TARGET ROOT       ROOT/app, with the code of that target

Needs Python with pip, and for `code` what the contract and the pages were built to; `packages build` installs what
builds those.
"""

from __future__ import annotations

import argparse
import compileall
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from py_compile import PycInvalidationMode

SOURCE = Path(__file__).resolve().parent.parent.parent
REQUIREMENTS = Path(__file__).resolve().parent / "requirements"

SHARED = ("LICENSE", "generated", "services/__init__.py", "services/runtime")
CODE: dict[str, tuple[str, ...]] = {
    "registry": (*SHARED, "services/registry", "deploy/sql"),
    "redis_svc": (*SHARED, "services/redis_svc"),
    "mongo_svc": (*SHARED, "services/mongo_svc"),
    "bun_proxy": (*SHARED, "services/bun_proxy"),
    "gateway": (*SHARED, "gateway", "console/dist"),
}
"""Files and folders of the sources, by target."""
NOT_NEEDED = shutil.ignore_patterns("__pycache__", "*.pyi", ".stamp")


def make_environment(root: Path) -> Path:
    """Makes ROOT/venv, without pip; returns its Python."""
    venv = root / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)  # noqa: S603
    return venv / "bin" / "python"


def site_packages(root: Path) -> Path:
    """Where packages lie in ROOT/venv."""
    places = {"base": str(root / "venv"), "platbase": str(root / "venv")}
    return Path(sysconfig.get_path("purelib", "venv", places))


def install_packages(target: str, root: Path) -> None:
    """Installs exactly the wheels that the target's lock file names; nothing is compiled on the way."""
    python = make_environment(root)
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    lock = REQUIREMENTS / f"{target}.txt"
    exactly = ["--require-hashes", "--no-deps", "--only-binary=:all:", "--no-compile"]
    subprocess.run([*pip, "install", "--quiet", *exactly, "--requirement", str(lock)], check=True)  # noqa: S603
    precompile(site_packages(root))


def install_code(target: str, root: Path) -> None:
    """Copies the target's code to ROOT/app, and puts it on the import path of ROOT/venv."""
    app = root / "app"
    for name in CODE[target]:
        source, to = SOURCE / name, app / name
        to.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, to, ignore=NOT_NEEDED)
        else:
            shutil.copyfile(source, to)
    site_packages(root).joinpath("studio-databases.pth").write_text(f"{app}\n{app / 'generated'}\n")
    if not precompile(app):
        raise SystemExit(f"the code of {target} does not compile")


def precompile(directory: Path) -> bool:
    """Compiles all modules there, since nothing can be written later; returns whether all of them could be.

    The result holds no time, so that the same sources make the same image. Some packages carry templates of code that
    are no Python yet.
    """
    never_checked = PycInvalidationMode.UNCHECKED_HASH
    return bool(compileall.compile_dir(str(directory), quiet=2, invalidation_mode=never_checked))


def main() -> None:
    """Does what the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("packages", "code"))
    parser.add_argument("target", choices=(*CODE, "build"))
    parser.add_argument("root", type=Path)
    arguments = parser.parse_args()
    root = arguments.root.absolute()
    if arguments.step == "packages":
        install_packages(arguments.target, root)
    elif arguments.target in CODE:
        install_code(arguments.target, root)
    else:
        parser.error("`build` has packages only")


if __name__ == "__main__":
    main()
