"""Derives the TypeScript client's types from the contract: `clients/typescript/src/generated/schema.ts`.

    python tools/typescript.py

By way of the OpenAPI document, which says the REST form of each rpc, and openapi-typescript, which reads it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = ROOT / "clients" / "typescript" / "src" / "generated" / "schema.ts"
OPENAPI_TYPESCRIPT = ROOT / "node_modules" / "openapi-typescript" / "bin" / "cli.js"
NODE = Path(sys.executable).parent / "node"


def main() -> int:
    """Writes the file; returns the exit code."""
    SCHEMA.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="studio-openapi-") as folder:
        document = Path(folder) / "openapi.json"
        printed = subprocess.run(
            [sys.executable, "-m", "services.registry", "openapi"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            check=True,
            # It opens nothing and needs no setting of a service.
            env=os.environ,
        )
        document.write_bytes(printed.stdout)
        new = Path(folder) / "schema.ts"
        subprocess.run(
            [NODE, OPENAPI_TYPESCRIPT, document, "--output", new, "--default-non-nullable", "false"],
            cwd=ROOT,
            stdout=sys.stderr,
            check=True,
        )
        SCHEMA.write_bytes(new.read_bytes())
    return 0


if __name__ == "__main__":
    sys.exit(main())
