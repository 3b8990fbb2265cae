"""What the page of Redis offers beside the browser: the console, live views, the server, files."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import expect
from redis.asyncio import Redis

from tests.console.conftest import Open
from tests.support.local_system import LocalSystem

BINARY = b"\x00\xff"


@pytest.fixture
async def slow_log(redis: Redis) -> AsyncIterator[None]:
    """The settings of the slow log are afterwards what they were."""
    before = await redis.config_get("slowlog-*")
    yield
    for name, value in before.items():
        await redis.config_set(str(name), str(value))


async def test_commands_are_completed_recalled_and_dangerous_ones_confirmed(
    visit: Open, browser_of: str, redis: Redis, key: str
) -> None:
    page = await visit(f"{browser_of}?view=console")
    line = page.get_by_role("combobox", name="Command")
    replies = page.get_by_role("region", name="Commands and replies").get_by_role("listitem")
    await line.press_sequentially("getr")
    await expect(page.get_by_role("option", name="GETRANGE")).to_be_visible()
    await line.press("Tab")
    await expect(line).to_have_value("GETRANGE ")
    await line.fill(f'SET {key} "a \\xff"')
    await line.press("Enter")
    await expect(replies.last).to_contain_text("OK")
    assert await redis.get(key) == b"a \xff"

    # What was typed comes back, and what was being typed, too.
    await line.fill("STRLEN")
    await line.press("ArrowUp")
    await expect(line).to_have_value(f'SET {key} "a \\xff"')
    await line.press("ArrowDown")
    await expect(line).to_have_value("STRLEN")

    # Several lines are one pipeline; an error of one is shown in its place.
    await line.fill(f"STRLEN {key}\nINCR {key}\nTTL {key}")
    await line.press("Enter")
    await expect(replies.last).to_contain_text("Pipeline of 3 commands")
    for text in ("(integer) 3", "not an integer", "(integer) -1"):
        await expect(replies.last).to_contain_text(text)

    sure = page.get_by_role("dialog", name="Dangerous")
    await line.fill(f"KEYS {key}*")
    await line.press("Enter")
    await sure.get_by_role("button", name="Cancel").click()
    await expect(replies.last).to_contain_text("Not confirmed: nothing was run.")
    await line.press("ArrowUp")
    await line.press("Enter")
    await sure.get_by_role("button", name="Run on").click()
    await expect(replies.last).to_contain_text(f'1) "{key}"')
    await line.fill("SUBSCRIBE news")
    await expect(page.get_by_text("Not run here")).to_be_visible()


async def test_commands_messages_and_events_are_watched(
    visit: Open, browser_of: str, redis: Redis, key: str
) -> None:
    page = await visit(f"{browser_of}?view=live")
    await page.get_by_label("Subscribe to").select_option("channels")
    await page.get_by_label("Names, separated by spaces").fill(key)
    await page.get_by_role("button", name="Subscribe").click()
    await expect(page.get_by_text("subscribed", exact=True)).to_be_visible()
    await redis.publish(key, BINARY)
    await expect(page.get_by_role("gridcell", name="\\x00\\xff")).to_be_visible()
    publish = page.get_by_role("form", name="Publish")
    await publish.get_by_label("Channel", exact=True).fill(key)
    await publish.get_by_label("Message", exact=True).fill("from the page")
    await publish.get_by_role("button", name="Publish").click()
    await expect(publish.get_by_role("status")).to_have_text("1 client received it")
    await page.get_by_role("gridcell", name="from the page").click()
    await expect(page.get_by_role("dialog", name="Messages")).to_contain_text(key)
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Stop").click()
    await expect(page.get_by_text("2 messages")).to_be_visible()

    await page.get_by_role("navigation", name="What to watch").get_by_role("button", name="Monitor").click()
    await page.get_by_label("Only commands that contain").fill(key)
    await page.get_by_role("main").get_by_role("button", name="Monitor").last.click()
    await expect(page.get_by_text("No command yet.")).to_be_visible()
    seen = page.get_by_role("gridcell", name=f"GET {key}")
    while not await seen.count():
        # The server begins to tell at a time of its own.
        await redis.get("something else")
        await redis.get(key)
    await expect(page.get_by_role("gridcell", name="something else")).to_have_count(0)
    await page.get_by_role("button", name="Stop").click()
    await expect(page.get_by_text("watching", exact=True)).to_have_count(0)


@pytest.mark.usefixtures("slow_log")
async def test_slow_commands_are_listed_by_the_settings_and_clients_closed(
    visit: Open, system: LocalSystem, browser_of: str, redis: Redis, key: str
) -> None:
    page = await visit(f"{browser_of}?view=slowlog")
    await page.get_by_role("button", name="Settings").click()
    settings = page.get_by_role("dialog", name="Slow log")
    await settings.get_by_label("Longer than, in milliseconds").fill("0")
    await settings.get_by_label("Entries to keep").fill("1000")
    await settings.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Every command is logged.").first).to_be_visible()
    await redis.set(key, "slow")
    await page.get_by_role("button", name="Read again").click()
    await page.get_by_role("gridcell", name=f"SET {key} slow").click()
    entry = page.get_by_role("dialog", name="A slow command")
    await expect(entry).to_contain_text(f"SET {key} slow")
    await page.keyboard.press("Escape")

    async with Redis.from_url(system.engines["redis"], single_connection_client=True) as victim:
        name = key.replace(":", "-")
        await victim.client_setname(name)
        number = await victim.client_id()
        await page.get_by_role("button", name="Clients", exact=True).click()
        await page.get_by_label("Filter the clients").fill(name)
        await expect(page.get_by_text("1 of ")).to_be_visible()
        await page.get_by_role("button", name="Close the connection of").click()
        sure = page.get_by_role("dialog", name="Close this connection?")
        await sure.get_by_role("button", name="Close the connection").click()
        await expect(page.get_by_text("No client matches.")).to_be_visible()
        assert number not in {int(each["id"]) for each in await redis.client_list()}


async def test_keys_go_to_a_file_and_come_back_as_they_were(
    visit: Open, browser_of: str, redis: Redis, key: str
) -> None:
    await redis.set(f"{key}:binary", BINARY, ex=3600)
    scores = {b"\xfe": 1.5, b"b": float("-inf")}
    await redis.zadd(f"{key}:scores", scores)
    page = await visit(f"{browser_of}?view=transfer&select={key}:*")
    exported = page.get_by_role("region", name="Export")
    await exported.get_by_label("Format").select_option("readable")
    async with page.expect_download() as download:
        await exported.get_by_role("button", name="Export").click()
    await expect(exported.get_by_role("status")).to_contain_text("Saved: 2 keys")
    path = await (await download.value).path()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert {each["key"] for each in lines if "key" in each} == {f"{key}:binary", f"{key}:scores"}

    await redis.delete(f"{key}:scores")
    await redis.set(f"{key}:binary", "stays")
    imported = page.get_by_role("region", name="Import")
    await imported.get_by_label("File").set_input_files(path)
    await imported.get_by_role("button", name=re.compile("^Import")).click()
    await expect(imported.get_by_role("status")).to_contain_text("1 key restored, 1 failed")
    assert await redis.get(f"{key}:binary") == b"stays"
    await imported.get_by_label("Replace keys that are there").check()
    await imported.get_by_role("button", name=re.compile("^Import")).click()
    await expect(imported.get_by_role("status")).to_contain_text("2 keys restored")
    assert await redis.get(f"{key}:binary") == BINARY
    assert 0 < await redis.ttl(f"{key}:binary") <= 3600
    assert [await redis.zscore(f"{key}:scores", member) for member in scores] == list(scores.values())
