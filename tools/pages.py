"""The web pages as a browser gets them: for tests, measurements and pictures, which share how it is started."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

from playwright.async_api import Browser, Playwright

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "console" / "dist"

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
"""The browser of the machine; empty where it has none."""
_ARGUMENTS = (
    "--no-sandbox",  # who runs tests may be root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


async def launch(playwright: Playwright) -> Browser:
    """Starts the machine's Chromium, which asks nobody but this system for anything."""
    return await playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)


def initial_script_bytes() -> int:
    """What the scripts that the first page needs come to, compressed as the gateway has them."""
    manifest = json.loads((DIST / ".vite" / "manifest.json").read_text())
    wanted = [next(name for name, each in manifest.items() if each.get("isEntry"))]
    scripts: set[str] = set()
    while wanted:
        entry = manifest[wanted.pop()]
        if entry["file"] not in scripts:
            scripts.add(entry["file"])
            wanted += entry.get("imports", [])
    return sum(len(gzip.compress((DIST / name).read_bytes(), 9)) for name in scripts)
