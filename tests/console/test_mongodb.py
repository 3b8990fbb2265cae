"""The page of MongoDB databases: documents are found, changed and deleted, and no value changes its type on the way."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from playwright.async_api import Page, expect

from tests.console.conftest import Open
from tests.support.local_system import LocalSystem

DATABASE = "walks"
EXACT = (
    '{"_id":{"$numberInt":"1"},"10":null,"9":{"$numberDouble":"5.0"},"long":{"$numberLong":"9007199254740993"},'
    '"decimal":{"$numberDecimal":"1.10"},"date":{"$date":{"$numberLong":"-1"}},'
    '"bytes":{"$binary":{"base64":"AP+A","subType":"00"}}}'
)

Call = Callable[[str, str, str], Awaitable[str]]


@pytest.fixture
async def mongodb(system: LocalSystem, database_ids: dict[str, str]) -> AsyncIterator[Call]:
    """Sends a body to a route of the sample server as it is; its answer as it is."""
    async with system.client("owner") as client:
        base = f"/api/platform/mongodb/{database_ids['mongodb']}"

        async def call(method: str, route: str, body: str) -> str:
            answer = await client.request(
                method, f"{base}/{route}", content=body, headers={"content-type": "application/json"}
            )
            assert answer.is_success, answer.text
            return answer.text

        yield call
        await client.delete(f"{base}/databases?databaseName={DATABASE}&confirm={DATABASE}")


def body(collection: str, **fields: str) -> str:
    """A body whose further fields are Extended JSON texts."""
    given = "".join(f",{json.dumps(name)}:{text}" for name, text in fields.items())
    return f'{{"databaseName":"{DATABASE}","collection":"{collection}","ejson":"canonical"{given}}}'


async def opened(visit: Open, database_ids: dict[str, str], collection: str, query: str = "") -> Page:
    path = f"/databases/{database_ids['mongodb']}/mongodb?db={DATABASE}&collection={collection}{query}"
    page = await visit(path)
    await expect(page.get_by_role("article").first).to_be_visible()
    return page


async def test_an_edit_changes_one_value_and_no_type(
    visit: Open, database_ids: dict[str, str], mongodb: Call
) -> None:
    await mongodb("POST", "documents", body("exact", documents=f"[{EXACT}]"))
    page = await opened(visit, database_ids, "exact")
    document = page.get_by_role("article", name="Document 1")
    await document.hover()
    await document.get_by_role("button", name="Edit long").click()
    await document.get_by_label("long", exact=True).fill("9007199254740995")
    await page.keyboard.press("Enter")
    await document.get_by_role("button", name="Review and save").click()
    changes = page.get_by_label("Changes")
    await expect(changes).to_contain_text('9007199254740993" },')
    await expect(changes).to_contain_text('9007199254740995" },')
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.get_by_text("The document is saved.")).to_be_visible()
    found = await mongodb("POST", "documents/find", body("exact"))
    assert EXACT.replace("0993", "0995") in found


async def test_a_change_that_came_in_between_is_shown_and_not_lost(
    visit: Open, database_ids: dict[str, str], mongodb: Call
) -> None:
    await mongodb("POST", "documents", body("conflicts", documents='[{"_id":1,"mine":1,"theirs":1}]'))
    page = await opened(visit, database_ids, "conflicts")
    document = page.get_by_role("article", name="Document 1")
    await document.hover()
    await document.get_by_role("button", name="Edit mine").click()
    await document.get_by_label("mine", exact=True).fill("2")
    await page.keyboard.press("Enter")
    await mongodb("PATCH", "documents", body("conflicts", id="1", update='{"$set":{"theirs":2}}'))
    await document.get_by_role("button", name="Review and save").click()
    save = page.get_by_role("button", name="Save", exact=True)
    await save.click()
    conflict = page.get_by_role("region", name="Conflict")
    await expect(conflict).to_contain_text('"theirs": 2')
    await expect(save).to_be_disabled()
    await conflict.get_by_role("button", name="Compare mine with it").click()
    await save.click()
    await expect(page.get_by_text("The document is saved.")).to_be_visible()
    found = await mongodb("POST", "documents/find", body("conflicts"))
    assert '"mine":{"$numberInt":"2"},"theirs":{"$numberInt":"1"}' in found


async def test_deleting_every_document_shows_them_first_and_asks_for_the_name(
    visit: Open, database_ids: dict[str, str], mongodb: Call
) -> None:
    await mongodb("POST", "documents", body("many", documents='[{"n":1},{"n":2},{"n":3}]'))
    page = await opened(visit, database_ids, "many")
    await page.get_by_role("button", name="Delete…", exact=True).click()
    await page.get_by_role("button", name="Preview").click()
    await expect(page.get_by_role("region", name="Preview")).to_contain_text("3 documents would be deleted")
    assert (await mongodb("POST", "documents/find", body("many"))).count('"n":') == 3
    await page.get_by_role("button", name="Delete 3 documents…").click()
    delete = page.get_by_role("button", name="Delete", exact=True)
    await expect(delete).to_be_disabled()
    await page.get_by_label(re.compile("to confirm")).fill(f"{DATABASE}.many")
    await delete.click()
    await expect(page.get_by_text("This collection has no documents.")).to_be_visible()


async def test_a_query_in_the_shells_words_is_in_the_address(
    visit: Open, database_ids: dict[str, str], mongodb: Call
) -> None:
    await mongodb("POST", "documents", body("queries", documents=f"[{EXACT},{{}}]"))
    page = await opened(visit, database_ids, "queries")
    await page.get_by_role("textbox", name="Filter").click()
    await page.keyboard.insert_text("{long: NumberLong('9007199254740993'), date: {$lt: new Date(0)}}")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("article")).to_have_count(1)
    await page.reload()
    await expect(page.get_by_role("article")).to_have_count(1)
    await page.get_by_role("button", name="Table").click()
    await expect(page.get_by_role("row").nth(1)).to_contain_text("9007199254740993")


async def test_who_may_only_read_sees_nothing_that_changes(visit: Open, database_ids: dict[str, str]) -> None:
    page = await visit(
        f"/databases/{database_ids['mongodb']}/mongodb?db=shop&collection=types", role="read_only"
    )
    await expect(page.get_by_role("article").first).to_be_visible()
    for name in ("Insert", "Update…", "Delete…", "Edit value", "Delete document", "Create a database"):
        await expect(page.get_by_role("button", name=name)).to_have_count(0)
    await page.get_by_role("treeitem", name="orders", exact=False).first.click(button="right")
    await expect(page.get_by_role("menuitem")).to_have_text(["Copy name"])
