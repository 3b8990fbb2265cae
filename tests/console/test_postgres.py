"""PostgreSQL: tables and their rows page by page, SQL and where it is wrong."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.console.conftest import Open


async def test_a_table_is_looked_through(visit: Open, database_ids: dict[str, str]) -> None:
    page = await visit(f"/databases/{database_ids['postgres']}/postgres")
    tables = page.get_by_role("complementary", name="Tables")
    await tables.get_by_role("button").filter(has_text="orders").click()
    rows = page.get_by_role("grid", name="Rows of orders")
    first = await rows.get_by_role("gridcell").first.inner_text()
    await expect(page.get_by_text("as PostgreSQL estimates")).to_be_visible()
    await page.get_by_role("button", name="Next page").click()
    await expect(page.get_by_text("Page 2")).to_be_visible()
    await expect(rows.get_by_role("gridcell").first).not_to_have_text(first)
    # By keyboard: to a row, into all of it, and back.
    await rows.focus()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    row = page.get_by_role("dialog", name="A row of orders")
    await expect(row).to_contain_text("placed_at")
    await page.keyboard.press("Escape")
    await expect(rows).to_be_focused()


async def write(page: Page, sql: str) -> None:
    await page.get_by_label("SQL").click()
    await page.keyboard.press("Control+A")
    # Over what is selected the browser itself would insert with an inline style.
    await page.keyboard.press("Delete")
    await page.keyboard.insert_text(sql)
    await page.keyboard.press("Control+Enter")


async def test_sql_shows_its_rows_or_where_it_is_wrong(visit: Open, database_ids: dict[str, str]) -> None:
    page = await visit(f"/databases/{database_ids['postgres']}/postgres?view=sql")
    await write(page, "SELECT 9007199254740993::int8 AS big")
    await expect(page.get_by_role("grid", name="Rows")).to_contain_text("9007199254740993")
    await write(page, "SELECT 1;\nSELECT * FROM no_such_table")
    await expect(page.get_by_role("alert")).to_contain_text("no_such_table")
    await expect(page.get_by_text("line 2:")).to_be_visible()
    await page.get_by_role("button", name="History").click()
    await page.get_by_role("menuitem", name="9007199254740993").click()
    await expect(page.get_by_label("SQL")).to_contain_text("9007199254740993")


async def test_a_statement_that_takes_long_is_stopped(visit: Open, database_ids: dict[str, str]) -> None:
    page = await visit(f"/databases/{database_ids['postgres']}/postgres?view=sql")
    await write(page, "SELECT pg_sleep(600)")
    await page.get_by_role("button", name="Stop waiting").click()
    await expect(page.get_by_role("button", name="Run")).to_be_enabled()
    await expect(page.get_by_role("alert")).to_have_count(0)
