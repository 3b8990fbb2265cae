"""What there is to do with MongoDB beside its documents: pipelines, plans and indexes, files, changes."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.console.conftest import Open
from tests.support.local_system import LocalSystem

DATABASE = "work"
LARGE = '{"$numberLong":"9007199254740993"}'

Call = Callable[[str, str, str], Awaitable[str]]


@pytest.fixture
async def mongodb(system: LocalSystem, database_ids: dict[str, str]) -> AsyncIterator[Call]:
    """Sends Extended JSON fields about a collection to a route of the sample server; its answer as it is."""
    async with system.client("owner") as client:
        base = f"/api/platform/mongodb/{database_ids['mongodb']}"

        async def call(route: str, collection: str, fields: str) -> str:
            body = f'{{"databaseName":"{DATABASE}","collection":"{collection}","ejson":"canonical",{fields}}}'
            answer = await client.post(
                f"{base}/{route}", content=body, headers={"content-type": "application/json"}
            )
            assert answer.is_success, answer.text
            return answer.text

        yield call
        await client.delete(f"{base}/databases?databaseName={DATABASE}&confirm={DATABASE}")


async def opened(visit: Open, database_ids: dict[str, str], view: str, collection: str) -> Page:
    return await visit(
        f"/databases/{database_ids['mongodb']}/mongodb?view={view}&db={DATABASE}&collection={collection}"
    )


async def test_each_stage_shows_what_comes_out_of_it_exactly(
    visit: Open, database_ids: dict[str, str], mongodb: Call
) -> None:
    await mongodb("documents", "stages", f'"documents":[{{"_id":1,"n":{LARGE}}},{{"_id":2,"n":3}}]')
    page = await opened(visit, database_ids, "aggregation", "stages")
    await page.get_by_label("Value of stage 1").click()
    await page.keyboard.press("Control+a")
    await page.keyboard.type('{ n: NumberLong("9007199254740993")')
    await expect(page.get_by_label("Documents after stage 1").get_by_role("listitem")).to_have_count(1)
    await page.get_by_role("button", name="Add a stage", exact=True).click()
    await page.get_by_label("Name of stage 2").fill("$count")
    await expect(page.get_by_label("Documents after stage 2")).to_contain_text('"count": 1')
    await page.get_by_label("Stage 1 is on").uncheck()
    await expect(page.get_by_label("Documents after stage 2")).to_contain_text('"count": 2')
    await page.get_by_label("Name of stage 2").fill("$wrong")
    await expect(page.get_by_label("Stage 2", exact=True).get_by_role("alert")).to_contain_text(
        "does not have"
    )


async def test_a_plan_leads_to_the_index_that_it_lacks(
    visit: Open, database_ids: dict[str, str], mongodb: Call
) -> None:
    documents = ",".join(f'{{"city":"c{number % 7}"}}' for number in range(200))
    await mongodb("documents", "plans", f'"documents":[{documents}]')
    page = await opened(visit, database_ids, "explain", "plans")
    work = page.get_by_role("main")
    await page.get_by_label("Filter", exact=True).click()
    await page.keyboard.type('{ city: "c1"')
    await page.keyboard.press("Control+Enter")
    await expect(work.get_by_role("region", name="Verdict")).to_contain_text("No index serves the filter")
    await page.get_by_role("button", name="Build it…").click()
    await page.get_by_role("button", name="Build", exact=True).click()
    await expect(page.get_by_text("city_1 is built.")).to_be_visible()
    await page.get_by_label("Filter", exact=True).click()
    await page.keyboard.press("Control+Enter")
    await expect(work.get_by_role("region", name="Verdict")).to_contain_text("city_1")


async def test_rows_that_fail_are_listed_and_the_others_are_there(
    visit: Open, database_ids: dict[str, str], mongodb: Call, tmp_path: Path
) -> None:
    file = tmp_path / "rows.ndjson"
    file.write_text(f'{{"_id":1,"n":{LARGE}}}\n{{"broken":\n{{"_id":1}}\n{{"_id":2}}\n')
    page = await opened(visit, database_ids, "transfer", "rows")
    await page.get_by_label("File").set_input_files(file)
    await page.get_by_role("button", name=re.compile(r"^Import \d")).click()
    failed = page.get_by_role("grid", name="Rows that failed")
    await expect(failed.get_by_role("row")).to_have_count(3)
    assert LARGE in await mongodb("documents/find", "rows", '"filter":{"_id":1}')
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Export", exact=True).click()
    saved = (await (await download.value).path()).read_text()
    assert [json.loads(line)["_id"] for line in saved.splitlines()] == [
        {"$numberInt": "1"},
        {"$numberInt": "2"},
    ]


async def test_changes_made_while_nobody_listened_are_not_missed(
    visit: Open, database_ids: dict[str, str], mongodb: Call
) -> None:
    await mongodb("documents", "changes", '"documents":[{"_id":0}]')
    page = await opened(visit, database_ids, "changes", "changes")
    await page.get_by_role("button", name="Watch from now on").click()
    await expect(page.get_by_text("live", exact=True)).to_be_visible()
    await mongodb("documents", "changes", f'"documents":[{{"_id":"seen","n":{LARGE}}}]')
    grid = page.get_by_role("grid", name="Changes")
    await expect(grid.get_by_text("seen", exact=True)).to_be_visible()
    await page.get_by_role("button", name="Stop").click()
    await mongodb("documents", "changes", '"documents":[{"_id":"while away"}]')
    await page.get_by_role("button", name="Go on where it stopped").click()
    await expect(grid.get_by_text("while away", exact=True)).to_be_visible()
    await grid.get_by_text("seen", exact=True).click()
    await expect(page.get_by_role("dialog")).to_contain_text('"9007199254740993"')
    await expect(grid.get_by_role("row")).to_have_count(3)
