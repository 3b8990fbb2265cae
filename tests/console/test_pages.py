"""What holds for every page: it is accessible, it breaks no rule of its own policy, it starts small."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from deploy.local.options import ROOT
from tests.console.conftest import Open
from tools.pages import initial_script_bytes

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
    "redis console": "/databases/{redis}/redis?view=console",
    "redis bulk": "/databases/{redis}/redis?view=bulk",
    "redis transfer": "/databases/{redis}/redis?view=transfer",
    "redis analysis": "/databases/{redis}/redis?view=analysis",
    "redis live": "/databases/{redis}/redis?view=live",
    "redis slowlog": "/databases/{redis}/redis?view=slowlog",
    "redis latency": "/databases/{redis}/redis?view=latency",
    "redis clients": "/databases/{redis}/redis?view=clients",
    "redis server": "/databases/{redis}/redis?view=server",
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
    "mongodb files": "/databases/{mongodb}/mongodb?view=files&db=shop",
    "mongodb profiler": "/databases/{mongodb}/mongodb?view=profiler&db=shop",
    "mongodb sessions": "/databases/{mongodb}/mongodb?view=operations&part=sessions",
    "mongodb users": "/databases/{mongodb}/mongodb?view=users",
    "mongodb roles": "/databases/{mongodb}/mongodb?view=users&part=roles&db=shop",
    "mongodb operations": "/databases/{mongodb}/mongodb?view=operations",
    "mongodb server": "/databases/{mongodb}/mongodb?view=server",
    "mongodb top": "/databases/{mongodb}/mongodb?view=server&part=top",
    "mongodb log": "/databases/{mongodb}/mongodb?view=server&part=log",
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


def test_the_first_page_needs_little() -> None:
    assert initial_script_bytes() <= MAX_INITIAL_BYTES
