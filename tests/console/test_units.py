"""The unit tests of the pages and of the TypeScript client."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from deploy.local.options import ROOT


def test_the_pages_and_the_client_keep_their_unit_tests() -> None:
    node = Path(sys.executable).parent / "node"
    vitest = ROOT / "node_modules" / "vitest" / "vitest.mjs"
    done = subprocess.run(
        [node, vitest, "run", "--config", "console/vitest.config.ts", "--no-color"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
