"""The TypeScript client as others get it: packed, installed, used without the pages."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.environment import inherited
from deploy.local.options import ROOT
from tests.support.local_system import LocalSystem

CLIENT = ROOT / "clients" / "typescript"
BIN = Path(sys.executable).parent
MODULES = ROOT / "node_modules"
EXAMPLE = re.compile(r"^```(tsx?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PLAIN = ("openapi-fetch", "openapi-typescript-helpers")
"""All that the client needs at run time without its hooks."""
TYPES = (*PLAIN, "@types", "react", "@tanstack", "csstype", "undici-types")
SETTINGS = {
    "compilerOptions": {
        "target": "ES2022",
        "lib": ["ES2023", "DOM", "DOM.Iterable", "DOM.AsyncIterable"],
        "module": "NodeNext",
        "jsx": "react-jsx",
        "strict": True,
        "noEmit": True,
        "skipLibCheck": False,
        "types": ["node"],
    },
    "include": ["*.ts", "*.tsx"],
}
HOOKS = (
    *("useDatabases", "useDatabase", "useCreateDatabase", "useUpdateDatabase", "useDeleteDatabase"),
    *("useTestConnection", "useRedisKeys", "useRedisKey", "useMongoDatabases", "useMongoDocuments"),
    *("useBunRoutes", "usePgTables", "useAuditEvents", "useGrants", "useApiKeys", "useMay"),
)


def run(*command: str | Path, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env=inherited(os.environ) | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked package."""
    folder = tmp_path_factory.mktemp("package")
    run(BIN / "npm", "pack", "--silent", "--pack-destination", folder, folder=CLIENT)
    (archive,) = folder.glob("*.tgz")
    run("tar", "-xzf", archive, folder=folder)
    return folder / "package"


def project(folder: Path, package: Path, modules: tuple[str, ...]) -> None:
    """A project of somebody else's that has installed the package and these modules."""
    (folder / "package.json").write_text('{"type": "module"}')
    scope = folder / "node_modules" / "@studio-databases"
    scope.mkdir(parents=True)
    (scope / "client").symlink_to(package)
    # The package finds its dependencies beside itself, as npm would have laid them.
    for home in (folder / "node_modules", package / "node_modules"):
        home.mkdir(exist_ok=True)
        for name in modules:
            link = home / name
            if not link.exists() and (MODULES / name).exists():
                link.symlink_to(MODULES / name)


def examples(language: str) -> list[str]:
    found = EXAMPLE.findall((CLIENT / "README.md").read_text())
    return [text for kind, text in found if kind == language]


def test_the_package_is_modules_with_types_and_nothing_else(package: Path) -> None:
    files = {str(path.relative_to(package)) for path in package.rglob("*") if path.is_file()}
    assert {"package.json", "README.md", "dist/index.js", "dist/react/index.d.ts"} <= files
    rest = {name for name in files if not re.fullmatch(r"dist/[\w/.-]+\.(d\.ts|js)", name)}
    assert rest == {"package.json", "README.md"}
    assert not [name for name in files if ".test." in name]


def test_plain_typescript_calls_a_gateway_without_react(
    package: Path, system: LocalSystem, tmp_path: Path
) -> None:
    project(tmp_path, package, PLAIN)
    said = []
    for number, text in enumerate(examples("ts")):
        script = tmp_path / f"example{number}.ts"
        script.write_text(text)
        environment = {"GATEWAY_URL": system.url, "TOKEN": system.token("owner")}
        said.append(run(BIN / "node", script, folder=tmp_path, **environment))
    calls, stream = said
    assert "sample-redis active" in calls
    assert "DB_NOT_FOUND" in calls
    assert re.search(r"^\d{4} true$", stream, re.MULTILINE)


def test_every_example_has_the_types_of_the_package(package: Path, tmp_path: Path) -> None:
    project(tmp_path, package, TYPES)
    for language in ("ts", "tsx"):
        for number, text in enumerate(examples(language)):
            (tmp_path / f"example{number}.{language}").write_text(text)
    names = ", ".join(HOOKS)
    (tmp_path / "hooks.ts").write_text(
        f'import {{ {names} }} from "@studio-databases/client/react";\nexport const hooks = [{names}];\n'
    )
    (tmp_path / "tsconfig.json").write_text(json.dumps(SETTINGS))
    run(BIN / "node", MODULES / "typescript" / "bin" / "tsc", "-p", ".", folder=tmp_path)
