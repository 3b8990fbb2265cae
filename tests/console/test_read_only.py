"""A viewer with the Read-only role is offered nothing that changes anything: such controls are not in the page."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.console.conftest import Open
from tests.support.failures import until

CONTROLS = "main :is(button, input, select, textarea, [role=tab], [role=switch]), nav[aria-label=Product] a"
AREAS = {
    "databases": ("/databases", r"^(Add database|Audit log|API keys)$"),
    "database": ("/databases/{redis}", r"^(Settings|Access|Test connection)$"),
    "settings": (
        "/databases/{redis}?tab=settings",
        r"^(Save|Delete|Take out of use|Production.*|Read-only.*)$",
    ),
    "access": ("/databases/{redis}?tab=access", r"^(Subject|Right|Grant)$"),
    "api keys": ("/api-keys", r"^(Issue a key|Revoke)$"),
    "redis keys": ("/databases/{redis}/redis", r"^Add key$"),
    "redis key": (
        "/databases/{redis}/redis?key=user:1",
        r"^(Add field|What to do with the key|never expires)$",
    ),
    "redis transfer": ("/databases/{redis}/redis?view=transfer", r"^(Import|File|Replace keys.*)$"),
    "mongodb": ("/databases/{mongodb}/mongodb", r"^Create a database$"),
    "documents": (
        "/databases/{mongodb}/mongodb?db=shop&collection=orders",
        r"^(Insert|(Edit|Delete|Clone) document|(Edit|Remove) \w+|Update…|Delete…)$",
    ),
    "indexes": (
        "/databases/{mongodb}/mongodb?view=indexes&db=shop&collection=orders",
        r"^(Build an index|Actions for .*)$",
    ),
    "validation": (
        "/databases/{mongodb}/mongodb?view=validation&db=shop&collection=orders",
        r"^Set the rules…$",
    ),
    "mongodb transfer": (
        "/databases/{mongodb}/mongodb?view=transfer&db=shop&collection=orders",
        r"^(Import|File|Stop at the first.*|Write what.*)$",
    ),
}
"""A path, and the names of the controls there that change something."""


async def named(page: Page, names: str) -> set[str]:
    """The controls of the page with such names, as assistive technology knows them."""
    found: list[str] = await page.locator(CONTROLS).evaluate_all(
        "all => all.map(each => each.getAttribute('aria-label')"
        " || each.labels?.[0]?.innerText || each.innerText || '')"
    )
    return {name.strip() for name in found if re.match(names, name.strip())}


@pytest.mark.parametrize("area", AREAS)
async def test_what_changes_something_is_absent(visit: Open, database_ids: dict[str, str], area: str) -> None:
    path, names = AREAS[area]
    path = path.format(**database_ids)
    owner = await visit(path)

    async def offered() -> bool:
        return bool(await named(owner, names))

    # The names above are those of the page, once it is complete.
    await until(offered)
    viewer = await visit(path, role="read_only")
    await viewer.wait_for_load_state("networkidle")
    await expect(viewer.locator("main").get_by_role("status").filter(has_text="Loading")).to_have_count(0)
    assert await named(viewer, names) == set()


async def test_requests_that_change_an_api_can_be_read_about_but_not_sent(
    visit: Open, database_ids: dict[str, str]
) -> None:
    page = await visit(f"/databases/{database_ids['bun_api']}/bun", role="read_only")
    routes = page.get_by_role("complementary", name="Routes")
    await routes.get_by_role("button", name="All books").click()
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("region", name="Answer")).to_contain_text("200")
    await routes.get_by_role("button", name="Adds a book").click()
    await expect(page.get_by_text("You may only read from this API.")).to_be_visible()
    await expect(page.get_by_role("button", name="Send")).to_have_count(0)


async def test_sql_of_a_viewer_only_reads(visit: Open, database_ids: dict[str, str]) -> None:
    page = await visit(f"/databases/{database_ids['postgres']}/postgres?view=sql", role="read_only")
    await page.get_by_label("SQL").click()
    await page.keyboard.type("CREATE TABLE seen (id int)")
    await page.keyboard.press("Control+Enter")
    await expect(page.get_by_role("alert")).to_be_visible()
    await page.get_by_label("SQL").click()
    await page.keyboard.press("Control+A")
    # Over what is selected the browser itself would insert with an inline style.
    await page.keyboard.press("Delete")
    await page.keyboard.type("SELECT 6 * 7 AS answer")
    await page.keyboard.press("Control+Enter")
    await expect(page.get_by_role("grid", name="Rows").get_by_role("gridcell", name="42")).to_be_visible()
