"""What there is to do with a MongoDB server as a whole: users, files, what it records and what it does."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from gridfs import AsyncGridFSBucket
from playwright.async_api import expect
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

from tests.console.conftest import Engine, Open
from tests.support.local_system import LocalSystem

DATABASE = "served"


@pytest.fixture(autouse=True)
async def _clean(engine: Engine) -> AsyncIterator[None]:
    yield
    await engine.drop_database(DATABASE)


async def may_log_in(system: LocalSystem, user: str, password: str) -> bool:
    async with AsyncMongoClient[dict[str, Any]](
        system.engines["mongodb"], username=user, password=password, authSource=DATABASE
    ) as client:
        try:
            await client[DATABASE].command("ping")
        except OperationFailure:
            return False
        return True


async def test_a_role_and_a_user_are_made_changed_and_dropped(
    visit: Open, database_ids: dict[str, str], engine: Engine, system: LocalSystem
) -> None:
    await engine[DATABASE]["things"].insert_one({})
    page = await visit(f"/databases/{database_ids['mongodb']}/mongodb?view=users&part=roles&db={DATABASE}")
    await page.get_by_role("button", name="New role").first.click()
    await page.get_by_label("Name", exact=True).fill("reporter")
    await page.get_by_role("button", name="Add a privilege").click()
    await page.get_by_label("Collection of privilege 1").fill("things")
    await page.get_by_label("Actions of privilege 1").fill("find, collStats")
    await page.get_by_role("button", name="Create", exact=True).click()
    await expect(page.get_by_text("reporter is created.")).to_be_visible()
    told = await engine[DATABASE].command("rolesInfo", "reporter", showPrivileges=True)
    [privilege] = told["roles"][0]["privileges"]
    assert privilege["resource"] == {"db": DATABASE, "collection": "things"}
    assert sorted(privilege["actions"]) == ["collStats", "find"]

    await page.get_by_role("button", name="Users", exact=True).last.click()
    await page.get_by_label("Database", exact=True).select_option(DATABASE)
    await page.get_by_role("button", name="New user").first.click()
    await page.get_by_label("Name", exact=True).fill("jane")
    await page.get_by_label("Password", exact=True).fill("canary-first")
    await page.get_by_label("Role 1", exact=True).fill("reporter")
    await page.get_by_role("button", name="Create", exact=True).click()
    row = page.get_by_role("grid", name="Users").get_by_role("row").filter(has_text="jane")
    await expect(row).to_contain_text("reporter")
    assert await may_log_in(system, "jane", "canary-first")
    assert not await may_log_in(system, "jane", "canary-second")

    await row.click()
    await page.get_by_label("New password").fill("canary-second")
    await page.get_by_role("button", name="Add a role").click()
    await page.get_by_label("Role 2", exact=True).fill("read")
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(row).to_contain_text("read")
    assert await may_log_in(system, "jane", "canary-second")
    assert not await may_log_in(system, "jane", "canary-first")
    assert "canary" not in await page.content()

    await row.click()
    await page.get_by_role("button", name="Drop…").click()
    await page.get_by_label(re.compile("to confirm")).fill("jane")
    await page.get_by_role("button", name="Drop it").click()
    await expect(row).to_have_count(0)
    assert (await engine[DATABASE].command("usersInfo", "jane"))["users"] == []


async def test_files_are_uploaded_saved_renamed_and_deleted(
    visit: Open, database_ids: dict[str, str], engine: Engine, tmp_path: Path
) -> None:
    await engine[DATABASE]["things"].insert_one({})
    bucket = AsyncGridFSBucket(engine[DATABASE])
    content = bytes(range(256)) * 4000
    (tmp_path / "photo ä.jpg").write_bytes(content)
    (tmp_path / "empty.txt").write_bytes(b"")
    page = await visit(f"/databases/{database_ids['mongodb']}/mongodb?view=files&db={DATABASE}")
    await page.get_by_role("button", name="Upload files").first.click()
    await page.get_by_label("Files", exact=True).last.set_input_files(
        [tmp_path / "photo ä.jpg", tmp_path / "empty.txt"]
    )
    await page.get_by_role("button", name="Upload", exact=True).click()
    await expect(page.get_by_text("2 files are stored.")).to_be_visible()
    stored = await bucket.open_download_stream_by_name("photo ä.jpg")
    assert await stored.read() == content
    assert (stored.metadata or {}).get("contentType") == "image/jpeg"

    async with page.expect_download() as download:
        await page.get_by_role("button", name="Download photo ä.jpg").click()
    assert (await (await download.value).path()).read_bytes() == content
    rows = page.get_by_role("grid", name="Files").get_by_role("row")
    await rows.filter(has_text="empty.txt").click()
    panel = page.get_by_role("dialog")
    await panel.get_by_label("Name", exact=True).fill("nothing.txt")
    await panel.get_by_role("button", name="Rename").click()
    await rows.filter(has_text="nothing.txt").click()
    await panel.get_by_role("button", name="Delete…").click()
    await page.get_by_role("button", name="Delete it").click()
    await expect(rows).to_have_count(2)
    assert [each.filename async for each in bucket.find({})] == ["photo ä.jpg"]


async def test_the_profiler_is_switched_on_and_shows_what_it_recorded(
    visit: Open, database_ids: dict[str, str], engine: Engine
) -> None:
    await engine[DATABASE]["slow"].insert_many([{"n": number} for number in range(50)])
    page = await visit(f"/databases/{database_ids['mongodb']}/mongodb?view=profiler&db={DATABASE}")
    await expect(page.get_by_text("Nothing is recorded.")).to_be_visible()
    await page.get_by_role("button", name="What is recorded").click()
    await page.get_by_label("Record", exact=True).select_option("Every operation")
    await page.get_by_role("button", name="Set", exact=True).click()
    await expect(page.get_by_text("Every operation is recorded.")).to_be_visible()
    await engine[DATABASE]["slow"].find({"n": 7}).to_list()
    await page.get_by_label("Kind of operation").select_option("query")
    grid = page.get_by_role("grid", name="Recorded operations")
    entry = grid.get_by_role("row").filter(has_text='"n":7')
    await expect(entry).to_contain_text(f"{DATABASE}.slow")
    await entry.click()
    await expect(page.get_by_role("dialog")).to_contain_text("Documents read")
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="What is recorded").click()
    await page.get_by_label("Record", exact=True).select_option("Nothing")
    await page.get_by_role("button", name="Set", exact=True).click()
    await expect(page.get_by_text("Nothing is recorded.")).to_be_visible()
    assert (await engine[DATABASE].command("profile", -1))["was"] == 0


async def test_an_operation_that_waits_is_ended(
    visit: Open, database_ids: dict[str, str], engine: Engine
) -> None:
    await engine[DATABASE]["watched"].insert_one({})
    async with await engine[DATABASE]["watched"].watch(max_await_time_ms=600_000) as stream:
        waiting = asyncio.create_task(stream.try_next())
        page = await visit(f"/databases/{database_ids['mongodb']}/mongodb?view=operations")
        await page.get_by_label("Database or collection").fill(f"{DATABASE}.watched")
        row = page.get_by_role("grid", name="Operations").get_by_role("row").filter(has_text="getMore")
        await row.click()
        await page.get_by_role("button", name="End the operation…").click()
        await page.get_by_role("button", name="End it", exact=True).click()
        await expect(page.get_by_text("The server was asked to end it")).to_be_visible()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await page.get_by_role("button", name="Sessions").click()
        await expect(page.get_by_role("grid", name="Sessions")).to_be_visible()


async def test_a_server_tells_where_its_time_goes_and_what_its_log_says(
    visit: Open, database_ids: dict[str, str], engine: Engine
) -> None:
    await engine[DATABASE]["busy"].insert_many([{"n": n} for n in range(50)])
    page = await visit(f"/databases/{database_ids['mongodb']}/mongodb?view=server")
    await page.get_by_role("button", name="Collections", exact=True).click()
    row = page.get_by_role("grid", name="Time by collection").get_by_role("row").filter(has_text="busy")
    await expect(row).to_contain_text(f"{DATABASE}.busy")
    await page.get_by_role("button", name="Log", exact=True).click()
    lines = page.get_by_role("grid", name="Log").get_by_role("row")
    await expect(lines.nth(1)).to_be_visible()
    await page.get_by_label("Lines that contain").fill("no line says this")
    await expect(page.get_by_text("No line contains this.")).to_be_visible()
    await page.get_by_label("Lines that contain").fill("connection")
    await expect(lines.nth(2)).to_contain_text("connection accepted")
    await lines.nth(2).click()
    await expect(page.get_by_role("dialog")).to_contain_text("NETWORK")
