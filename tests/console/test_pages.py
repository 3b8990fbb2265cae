"""What holds for every page: it is accessible, it breaks no rule of its own policy, it starts small."""

from __future__ import annotations

import gzip
import json

import pytest
from playwright.async_api import Page, expect

from deploy.local.options import ROOT
from tests.console.conftest import Open, Role

DIST = ROOT / "console" / "dist"
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
MAX_INITIAL_BYTES = 250_000
"""Of the scripts that the first page needs, compressed."""

PAGES = {
    "databases": "/databases",
    "database": "/databases/{redis}",
    "settings": "/databases/{redis}?tab=settings",
    "access": "/databases/{redis}?tab=access",
    "audit of one": "/databases/{redis}?tab=audit",
    "audit": "/audit",
    "api keys": "/api-keys",
    "redis": "/databases/{redis}/redis",
    "mongodb": "/databases/{mongodb}/mongodb",
    "documents": "/databases/{mongodb}/mongodb?db=shop&collection=types",
    "table of documents": "/databases/{mongodb}/mongodb?db=shop&collection=orders&layout=table",
    "mongodb aggregation": "/databases/{mongodb}/mongodb?view=aggregation&db=shop&collection=orders",
    "mongodb explain": "/databases/{mongodb}/mongodb?view=explain&db=shop&collection=orders",
    "mongodb indexes": "/databases/{mongodb}/mongodb?view=indexes&db=shop&collection=orders",
    "mongodb schema": "/databases/{mongodb}/mongodb?view=schema&db=shop&collection=orders",
    "mongodb validation": "/databases/{mongodb}/mongodb?view=validation&db=shop&collection=orders",
    "mongodb transfer": "/databases/{mongodb}/mongodb?view=transfer&db=shop&collection=orders",
    "mongodb changes": "/databases/{mongodb}/mongodb?view=changes&db=shop&collection=orders",
    "mongodb operations": "/databases/{mongodb}/mongodb?view=operations",
    "mongodb server": "/databases/{mongodb}/mongodb?view=server",
    "bun": "/databases/{bun_api}/bun",
    "bun calls": "/databases/{bun_api}/bun?view=calls",
    "bun health": "/databases/{bun_api}/bun?view=health",
    "tables": "/databases/{postgres}/postgres",
    "sql": "/databases/{postgres}/postgres?view=sql",
}


async def faults(page: Page) -> list[str]:
    """What axe (https://github.com/dequelabs/axe-core) calls serious or critical."""
    # By the debugger's way, past the page's policy, which lets no other script in.
    await page.evaluate(f"(() => {{ {AXE.read_text()} }})()")
    result = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['id']}: {node['target']} {node['html'][:200]}"
        for each in result["violations"]
        if each["impact"] in {"serious", "critical"}
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("name", PAGES)
async def test_a_page_is_accessible(visit: Open, database_ids: dict[str, str], name: str, theme: str) -> None:
    page = await visit(PAGES[name].format(**database_ids), theme=theme)
    await expect(page.locator("main")).to_be_visible()
    await page.wait_for_load_state("networkidle")
    assert await faults(page) == []


async def test_who_may_only_read_is_offered_nothing_else(visit: Open, database_ids: dict[str, str]) -> None:
    async def offered(path: str, role: Role) -> set[str]:
        page = await visit(path.format(**database_ids), role=role)
        await page.wait_for_load_state("networkidle")
        buttons = page.get_by_role("button").or_(page.get_by_role("tab")).or_(page.get_by_role("link"))
        return {text.strip() for text in await buttons.all_inner_texts()} - {""}

    more = await offered("/databases", "owner") - await offered("/databases", "read_only")
    assert more == {"Add database", "Audit log", "API keys"}
    more = await offered("/databases/{redis}", "owner") - await offered("/databases/{redis}", "read_only")
    assert more == {"Settings", "Access", "Audit", "Test connection", "Audit log", "API keys"}


def test_the_first_page_needs_little() -> None:
    manifest = json.loads((DIST / ".vite" / "manifest.json").read_text())
    wanted = [next(name for name, each in manifest.items() if each.get("isEntry"))]
    scripts: set[str] = set()
    while wanted:
        entry = manifest[wanted.pop()]
        if entry["file"] not in scripts:
            scripts.add(entry["file"])
            wanted += entry.get("imports", [])
    assert sum(len(gzip.compress((DIST / name).read_bytes(), 9)) for name in scripts) <= MAX_INITIAL_BYTES
