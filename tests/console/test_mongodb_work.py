"""What there is to do with MongoDB beside its documents: pipelines, plans and indexes, files, changes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import Decimal128, Int64
from playwright.async_api import Error, Page, Route, expect

from tests.console.conftest import Engine, Open
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
    plan = work.get_by_role("region", name="Plan")
    await expect(plan.get_by_role("listitem")).to_contain_text(re.compile("COLLSCAN.*gives 29.*city"))
    await page.get_by_role("button", name="Build it…").click()
    await page.get_by_role("button", name="Build", exact=True).click()
    await expect(page.get_by_text("city_1 is built.")).to_be_visible()
    await page.get_by_label("Filter", exact=True).click()
    await page.keyboard.press("Control+Enter")
    await expect(work.get_by_role("region", name="Verdict")).to_contain_text("city_1")
    inner = plan.get_by_role("listitem").get_by_role("listitem")
    await expect(inner).to_contain_text(re.compile("IXSCAN.*city_1"))


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
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Save the list").click()
    saved = (await (await download.value).path()).read_text()
    assert [json.loads(line)["text"] for line in saved.splitlines()] == ['{"broken":', '{"_id":1}']
    assert LARGE in await mongodb("documents/find", "rows", '"filter":{"_id":1}')
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Export", exact=True).click()
    saved = (await (await download.value).path()).read_text()
    assert [json.loads(line)["_id"] for line in saved.splitlines()] == [
        {"$numberInt": "1"},
        {"$numberInt": "2"},
    ]


async def test_a_pipeline_is_reordered_kept_as_a_view_and_writes_only_when_told(
    visit: Open, database_ids: dict[str, str], engine: Engine
) -> None:
    database = engine[DATABASE]
    await database["pipes"].insert_many([{"_id": 1, "n": 1}, {"_id": 2, "n": 2}])
    await database["sums"].insert_one({"_id": "old"})
    page = await opened(visit, database_ids, "aggregation", "pipes")
    await page.get_by_label("How the pipeline is written").select_option("text")
    await page.get_by_role("textbox", name="Pipeline", exact=True).click()
    await page.keyboard.press("Control+a")
    await page.keyboard.insert_text("[{$limit: 1}, {$match: {n: 2}}]")
    await page.get_by_label("How the pipeline is written").select_option("stages")
    second = page.get_by_role("region", name="Stage 2", exact=True)
    await expect(second).to_contain_text("No documents come out of it.")
    await page.get_by_role("button", name="Move stage 2 up").click()
    await expect(second.get_by_role("listitem")).to_have_count(1)

    async def more(item: str) -> None:
        await page.get_by_role("button", name="More", exact=True).click()
        await page.get_by_role("menuitem", name=item).click()

    await more("Create a view")
    await page.get_by_label("Name", exact=True).fill("twos")
    await page.get_by_role("button", name="Create", exact=True).click()
    await expect(page.get_by_role("treeitem", name="twos")).to_be_visible()
    assert await database["twos"].find().to_list() == [{"_id": 2, "n": 2}]

    await page.get_by_role("button", name="Add a stage", exact=True).click()
    await page.get_by_label("Name of stage 3").fill("$out")
    await page.get_by_label("Value of stage 3").click()
    await page.keyboard.press("Control+a")
    await page.keyboard.insert_text('"sums"')
    await page.get_by_role("button", name="Run", exact=True).click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text(f"{DATABASE}.sums")
    await dialog.get_by_role("button", name="Cancel").click()
    assert await database["sums"].find().to_list() == [{"_id": "old"}]
    await page.get_by_role("button", name="Run", exact=True).click()
    await dialog.get_by_role("button", name="Run and write").click()
    await expect(page.get_by_text(f"Wrote into {DATABASE}.sums")).to_be_visible()
    assert await database["sums"].find().to_list() == [{"_id": 2, "n": 2}]


async def test_an_index_is_built_given_an_expiry_and_dropped(
    visit: Open, database_ids: dict[str, str], engine: Engine
) -> None:
    collection = engine[DATABASE]["expiring"]
    await collection.insert_one({"_id": 1})
    page = await opened(visit, database_ids, "indexes", "expiring")
    await page.get_by_role("button", name="Build an index").click()
    await page.get_by_label("Field 1", exact=True).fill("at")
    await page.get_by_role("button", name="Build", exact=True).click()
    row = page.get_by_role("grid", name="Indexes").get_by_role("row").filter(has_text="at_1")
    await expect(row).to_be_visible()

    async def act(item: str) -> None:
        await page.get_by_role("button", name="Actions for at_1").click()
        await page.get_by_role("menuitem", name=item).click()

    async def built() -> dict[str, Any]:
        found: dict[str, Any] = (await collection.index_information())["at_1"]
        return found

    for item, seconds, action in (
        ("Have documents expire", "3600", "Have them expire"),
        ("Change when they expire", "7200", "Change it"),
    ):
        await act(item)
        await page.get_by_label("Seconds after the time in the field").fill(seconds)
        await page.get_by_role("button", name=action).click()
        await expect(row).to_contain_text(f"expires after {int(seconds) // 3600} h")
        assert (await built())["expireAfterSeconds"] == int(seconds)
    await act("Hide from queries")
    if not (await built()).get("hidden"):
        # The sample's server says that it hides indexes, and does not: neither does the page say so.
        await expect(
            page.get_by_text("The server does not change whether an index is hidden")
        ).to_be_visible()
    await act("Drop")
    await page.get_by_role("dialog").get_by_role("button", name=re.compile("^Drop")).click()
    await expect(row).to_have_count(0)
    assert list(await collection.index_information()) == ["_id_"]


async def test_files_of_documents_come_back_as_they_were(
    visit: Open, database_ids: dict[str, str], engine: Engine, tmp_path: Path
) -> None:
    collection = engine[DATABASE]["exchange"]
    await collection.insert_one({"_id": 0, "n": Int64(9007199254740993), "d": Decimal128("1.10")})
    page = await opened(visit, database_ids, "transfer", "exchange")
    table = tmp_path / "people.csv"
    table.write_text('_id,name,age\n1,"Jane ""J"" Doe\nof Oslo",41\n2,,\n')
    await page.get_by_label("File").set_input_files(table)
    await page.get_by_role("button", name=re.compile(r"^Import \d")).click()
    await expect(page.get_by_text("Inserted").locator("..")).to_contain_text("2")
    await page.get_by_role("region", name="Export").get_by_label("Format").select_option("bson")
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Export", exact=True).click()
    saved = tmp_path / "exchange.bson"
    await (await download.value).save_as(saved)
    documents = bson.decode_all(saved.read_bytes())
    assert documents == await collection.find().sort("_id").to_list()
    assert [document.get("name") for document in documents] == [None, 'Jane "J" Doe\nof Oslo', None]
    assert documents[0] == {"_id": 0, "n": Int64(9007199254740993), "d": Decimal128("1.10")}
    await collection.drop()
    await page.get_by_label("File").set_input_files(saved)
    await page.get_by_role("button", name=re.compile(r"^Import \d")).click()
    await expect(page.get_by_text("Inserted").locator("..")).to_contain_text("3")
    assert await collection.find().sort("_id").to_list() == documents


async def test_an_import_that_was_cut_off_goes_on_behind_the_last_row(
    visit: Open, database_ids: dict[str, str], engine: Engine, system: LocalSystem, tmp_path: Path
) -> None:
    file = tmp_path / "rows.ndjson"
    lines = [f'{{"_id":{number}}}\n' for number in range(1, 6)]
    file.write_text("".join(lines))
    page = await opened(visit, database_ids, "transfer", "resumed")

    async def cut_off(route: Route) -> None:
        """Lets the server have the first two rows alone, as where the network breaks behind them."""
        async with system.client("owner") as client:
            url = route.request.url.removeprefix(system.url)
            answer = await client.post(
                url,
                content="".join(lines[:2]),
                headers={"content-type": "application/octet-stream"},
            )
        broken = {"error": {"message": "It broke.", "error_code": "DB_UNREACHABLE", "retryable": True}}
        body = f"{answer.text}data: {json.dumps(broken)}\n\n"
        await route.fulfill(body=body, content_type="text/event-stream")

    await page.route("**/import?*", cut_off, times=1)
    await page.get_by_label("File").set_input_files(file)
    await page.get_by_role("button", name=re.compile(r"^Import \d")).click()
    await expect(page.get_by_role("alert")).to_contain_text("It broke.")
    await page.get_by_role("button", name="Go on behind row 2").click()
    await expect(page.get_by_text("Inserted").locator("..")).to_contain_text("3")
    await expect(page.get_by_role("grid", name="Rows that failed")).to_have_count(0)
    found = await engine[DATABASE]["resumed"].find().sort("_id").to_list()
    assert found == [{"_id": number} for number in range(1, 6)]


async def test_an_analysis_ends_when_it_is_stopped_and_tells_types_when_it_is_not(
    visit: Open, database_ids: dict[str, str], engine: Engine
) -> None:
    await engine[DATABASE]["shapes"].insert_many([{"n": Int64(1)}, {"n": "one"}, {"n": Int64(3)}, {}])
    page = await opened(visit, database_ids, "schema", "shapes")
    held = asyncio.Event()

    async def hold(route: Route) -> None:
        """Holds the analysis, and not the sample that completes names."""
        if held.is_set() or (route.request.post_data_json or {}).get("sample_size") != 1000:
            await route.continue_()
            return
        await held.wait()
        with contextlib.suppress(Error):  # the page has given it up
            await route.abort()

    await page.route("**/schema/analyze", hold)
    async with page.expect_event("requestfailed") as given_up:
        await page.get_by_role("button", name="Analyse").click()
        await page.get_by_role("button", name="Stop").click()
    assert (await given_up.value).failure == "net::ERR_ABORTED"
    await expect(page.get_by_text("Stopped.")).to_be_visible()
    held.set()
    await page.get_by_role("button", name="Analyse").click()
    await page.get_by_label("Search fields").fill("n")
    field = page.get_by_role("region", name="Field", exact=True)
    await expect(field).to_contain_text(re.compile("long|Int64", re.IGNORECASE))
    await expect(field).to_contain_text("In 3 of 4 documents")


async def test_changes_made_while_nobody_listened_are_not_missed(
    visit: Open, database_ids: dict[str, str], mongodb: Call, engine: Engine
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
    await page.keyboard.press("Escape")
    await engine[DATABASE]["changes"].update_one({"_id": "seen"}, {"$set": {"n": Int64(5)}})
    await engine[DATABASE]["changes"].delete_one({"_id": "seen"})
    await expect(grid.get_by_role("row").nth(1)).to_contain_text("delete")
    await expect(grid.get_by_role("row").nth(2)).to_contain_text("update")
    await expect(grid.get_by_role("row")).to_have_count(5)
