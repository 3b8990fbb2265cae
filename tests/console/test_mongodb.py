"""The page of MongoDB databases: documents are found, changed and deleted, and no value changes its type on the way."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import bson
import pytest
from bson import Binary, DatetimeMS, Decimal128, Int64, Regex, Timestamp
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from playwright.async_api import Page, expect

from tests.console.conftest import Engine, Open
from tests.support.local_system import LocalSystem

DATABASE = "walks"
RAW = CodecOptions(document_class=RawBSONDocument)
EXACT: dict[str, Any] = {
    "_id": 1,
    "10": None,
    "9": 5.0,
    "long": Int64(9007199254740993),
    "decimal": Decimal128("1.10"),
    "nested": {"dates": [DatetimeMS(-1)], "zero": -0.0, "small": Int64(1)},
    "bytes": Binary(b"\xff\x00\x80", 128),
    "regex": Regex("^a", "i"),
    "at": Timestamp(1, 2),
}
"""What JavaScript's numbers and dates would change, and names that are numbers, which its objects would move."""

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


async def test_edits_change_their_values_and_no_type_or_other_byte(
    visit: Open, database_ids: dict[str, str], engine: Engine
) -> None:
    await engine[DATABASE]["exact"].insert_one(EXACT)
    page = await opened(visit, database_ids, "exact")
    document = page.get_by_role("article", name="Document 1")

    async def edit(name: str, value: str) -> None:
        await document.hover()
        await document.get_by_role("button", name=f"Edit {name}", exact=True).click()
        await document.get_by_label(name, exact=True).fill(value)
        await page.keyboard.press("Enter")

    await edit("long", "9007199254740995")
    await edit("decimal", "1.100")
    await document.get_by_role("button", name="Open nested").click()
    await document.get_by_role("button", name="Open dates").click()
    await edit("0", "1969-12-31T23:59:59.998Z")
    await document.get_by_role("button", name="Review and save").click()
    changes = page.get_by_label("Changes")
    await expect(changes).to_contain_text('9007199254740993" },')
    await expect(changes).to_contain_text('9007199254740995" },')
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.get_by_text("The document is saved.")).to_be_visible()
    saved = await engine[DATABASE].with_options(codec_options=RAW)["exact"].find_one()
    assert saved is not None
    nested = {**EXACT["nested"], "dates": [DatetimeMS(-2)]}
    edited = {
        **EXACT,
        "long": Int64(9007199254740995),
        "decimal": Decimal128("1.100"),
        "nested": nested,
    }
    assert saved.raw == bson.encode(edited)


async def test_a_value_is_edited_in_its_cell_of_the_table_and_reviewed_before_it_is_saved(
    visit: Open, database_ids: dict[str, str], engine: Engine
) -> None:
    await engine[DATABASE]["cells"].insert_one(EXACT)
    path = f"/databases/{database_ids['mongodb']}/mongodb?db={DATABASE}&collection=cells&layout=table"
    page = await visit(path)
    row = page.get_by_role("grid", name="Documents").get_by_role("row").nth(1)
    await row.get_by_text("9007199254740993").dblclick()
    await page.get_by_label("long", exact=True).fill("9007199254740995")
    await page.keyboard.press("Escape")
    await expect(page.get_by_label("long", exact=True)).to_have_count(0)
    await row.get_by_text("9007199254740993").dblclick()
    await page.get_by_label("long", exact=True).fill("none")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_be_visible()
    await page.get_by_label("long", exact=True).fill("9007199254740995")
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Changes")).to_contain_text('9007199254740995" },')
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.get_by_text("The document is saved.")).to_be_visible()
    await expect(row).to_contain_text("9007199254740995")
    saved = await engine[DATABASE].with_options(codec_options=RAW)["cells"].find_one()
    assert saved is not None
    assert saved.raw == bson.encode({**EXACT, "long": Int64(9007199254740995)})


async def test_the_second_of_two_editors_sees_what_the_first_did_and_can_keep_both(
    visit: Open, database_ids: dict[str, str], engine: Engine
) -> None:
    await engine[DATABASE]["conflicts"].insert_one({"_id": 1, "first": 1, "second": 1})

    async def edited(name: str, value: str) -> Page:
        page = await opened(visit, database_ids, "conflicts")
        document = page.get_by_role("article", name="Document 1")
        await document.hover()
        await document.get_by_role("button", name=f"Edit {name}").click()
        await document.get_by_label(name, exact=True).fill(value)
        await page.keyboard.press("Enter")
        await document.get_by_role("button", name="Review and save").click()
        return page

    one, other = await edited("first", "2"), await edited("second", "3")
    await one.get_by_role("button", name="Save", exact=True).click()
    await expect(one.get_by_text("The document is saved.")).to_be_visible()
    save = other.get_by_role("button", name="Save", exact=True)
    await save.click()
    conflict = other.get_by_role("region", name="Conflict")
    await expect(conflict).to_contain_text('"first": 2')
    await expect(save).to_be_disabled()
    await conflict.get_by_role("button", name="Put my changes on top of it").click()
    await expect(other.get_by_label("Changes")).to_contain_text('+ "second": 3')
    await save.click()
    await expect(other.get_by_text("The document is saved.")).to_be_visible()
    assert await engine[DATABASE]["conflicts"].find_one() == {"_id": 1, "first": 2, "second": 3}


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


async def test_a_query_in_the_shells_words_is_in_the_address_and_among_the_recent_ones(
    visit: Open, database_ids: dict[str, str], engine: Engine
) -> None:
    await engine[DATABASE]["queries"].insert_many([EXACT, {}])
    page = await opened(visit, database_ids, "queries")
    await page.get_by_role("textbox", name="Filter").click()
    await page.keyboard.insert_text(
        "{long: NumberLong('9007199254740993'), 'nested.dates': {$lt: new Date(0)}}"
    )
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("article")).to_have_count(1)
    await page.reload()
    await expect(page.get_by_role("article")).to_have_count(1)
    await page.get_by_role("button", name="Table").click()
    await expect(page.get_by_role("row").nth(1)).to_contain_text("9007199254740993")
    await page.get_by_role("button", name="Reset").click()
    await expect(page.get_by_role("row")).to_have_count(3)
    await page.get_by_role("button", name="Recent queries").click()
    await page.get_by_role("menuitem", name="NumberLong").click()
    await expect(page.get_by_role("row")).to_have_count(2)
    assert "NumberLong" in await page.evaluate("JSON.stringify(sessionStorage)")


async def test_who_may_only_read_sees_nothing_that_changes(visit: Open, database_ids: dict[str, str]) -> None:
    page = await visit(
        f"/databases/{database_ids['mongodb']}/mongodb?db=shop&collection=types", role="read_only"
    )
    await expect(page.get_by_role("article").first).to_be_visible()
    for name in (
        "Users",
        "Insert",
        "Update…",
        "Delete…",
        "Edit value",
        "Delete document",
        "Create a database",
    ):
        await expect(page.get_by_role("button", name=name)).to_have_count(0)
    await page.get_by_role("treeitem", name="orders", exact=False).first.click(button="right")
    await expect(page.get_by_role("menuitem")).to_have_text(["Copy name"])
