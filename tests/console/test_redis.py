"""The browser of Redis: keys listed without limit, values looked at and edited without touching their other bytes."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

from playwright.async_api import Page, expect
from redis.asyncio import Redis

from tests.console.conftest import Open
from tests.console.test_pages import faults

MANY = 60_000
ROWS_IN_SIGHT = 60
FIELD = b"\x00\xff"
ENTRY = "7-0"

VIEWS = {
    "?key=session:00001": "Value",
    "?key=user:1": "Fields",
    "?key=large:list": "Items",
    "?key=large:zset": "Members",
    "?key=events:orders": "Entries",
    "?layout=tree": "Namespaces",
}
"""Of the sample data: what each shows, by its label."""

FIRST_VALUES = {
    "string": {"Value": "v"},
    "hash": {"Field": "f", "Value": "v"},
    "list": {"Item": "v"},
    "set": {"Member": "v"},
    "zset": {"Score": "-inf", "Member": "v"},
    "stream": {"Field": "f", "Value": "v"},
}
"""What is filled in, by type."""


def at(path: str, key: str) -> str:
    """The address of a key; a text that reads as JSON stands in quotes there."""
    return f"{path}?key={quote(json.dumps(key))}"


async def rewrite(page: Page, label: str, text: str) -> None:
    """Puts a text in the place of all that an editor holds, and saves it."""
    await page.get_by_role("textbox", name=label).click()
    await page.keyboard.press("Control+A")
    await page.keyboard.insert_text(text)
    await page.keyboard.press("Control+Enter")


async def test_every_kind_of_value_is_shown_accessibly(visit: Open, browser_of: str) -> None:
    page = await visit(browser_of, theme="light")
    for query, shown in VIEWS.items():
        await page.goto(browser_of + query)
        await expect(page.get_by_label(shown, exact=True).last).to_be_visible()
        await page.wait_for_load_state("networkidle")
        assert await faults(page) == [], query


async def test_very_many_keys_are_listed_by_a_few_rows(
    visit: Open, browser_of: str, redis: Redis, key: str
) -> None:
    names = [f"{key}:{number:06d}" for number in range(MANY)]
    try:
        await redis.mset(dict.fromkeys(names, "x"))
        page = await visit(f"{browser_of}?pattern={quote(key)}:*")
        grid = page.get_by_role("grid", name="Keys")
        await page.get_by_role("button", name="Scan all").click()
        await expect(page.get_by_text(f"{MANY:,} keys, all")).to_be_visible(timeout=60_000)
        await grid.focus()
        await page.keyboard.press("End")
        chosen = grid.locator("[aria-selected=true]")
        await expect(chosen).to_have_attribute("aria-rowindex", str(MANY + 1))
        await expect(chosen).to_be_in_viewport()
        assert await grid.get_by_role("row").count() < ROWS_IN_SIGHT
    finally:
        await redis.unlink(*names)


async def test_a_scan_stops_and_goes_on(visit: Open, browser_of: str) -> None:
    page = await visit(browser_of)
    # A page that does not come, so that there is something to stop.
    await page.route(re.compile("/keys[?].*cursor=[^&]"), lambda _: None)
    await page.get_by_label("List the keys anew").click()
    await page.get_by_role("button", name="Stop").click()
    await page.unroute_all()
    await page.get_by_role("button", name="Scan all").click()
    await expect(page.get_by_text("keys, all")).to_be_visible()


async def test_json_keeps_its_layout_its_numbers_and_its_expiry(
    visit: Open, browser_of: str, redis: Redis, key: str
) -> None:
    await redis.set(key, '{"id": 12345678901234567890, "price": 1.10}', ex=3600)
    page = await visit(at(browser_of, key))
    await rewrite(page, "Value", '{"id":12345678901234567891,\n"price":1.10}')
    await expect(page.get_by_text("Saved.")).to_be_visible()
    assert await redis.get(key) == b'{"id": 12345678901234567891, "price": 1.10}'
    assert await redis.ttl(key) > 0


async def test_a_change_of_somebody_else_is_not_overwritten_unasked(
    visit: Open, browser_of: str, redis: Redis, key: str
) -> None:
    await redis.set(key, "seen")
    page = await visit(at(browser_of, key))
    await expect(page.get_by_role("textbox", name="Value")).to_have_text("seen")
    await redis.set(key, "theirs")
    await rewrite(page, "Value", "mine")
    await expect(page.get_by_text("It was changed meanwhile")).to_be_visible()
    assert await redis.get(key) == b"theirs"
    await page.get_by_role("button", name="Drop mine").click()
    await expect(page.get_by_role("textbox", name="Value")).to_have_text("theirs")


async def test_bytes_are_edited_as_hex_and_a_field_keeps_its_expiry(
    visit: Open, browser_of: str, redis: Redis, key: str
) -> None:
    await redis.hset(key, mapping={FIELD: b"\x80\x81", b"other": b"\xfe"})
    await redis.hpexpire(key, 3_600_000, FIELD)
    page = await visit(at(browser_of, key))
    await page.get_by_role("gridcell", name="\\x00\\xff").click()
    await rewrite(page, "Value", "ff 0")
    await expect(page.get_by_text("A digit is missing")).to_be_visible()
    await rewrite(page, "Value", "ff 00")
    await expect(page.get_by_text("Saved.")).to_be_visible()
    assert await redis.hgetall(key) == {FIELD: b"\xff\x00", b"other": b"\xfe"}
    assert (await redis.hpttl(key, FIELD))[0] > 0


async def test_what_was_edited_is_not_dropped_unasked(
    visit: Open, browser_of: str, redis: Redis, key: str
) -> None:
    await redis.set(key, "before")
    page = await visit(at(browser_of, key))
    await page.get_by_role("textbox", name="Value").click()
    await page.keyboard.insert_text("edited ")
    await page.get_by_role("grid", name="Keys").get_by_role("row").nth(1).click()
    sure = page.get_by_role("dialog", name="Drop what you edited?")
    await sure.get_by_role("button", name="Go on editing").click()
    await expect(page.get_by_text("not saved", exact=True)).to_be_visible()
    await expect(page.get_by_role("heading", name=key)).to_be_visible()


async def test_keys_of_each_type_are_added_and_expire(
    visit: Open, browser_of: str, redis: Redis, key: str
) -> None:
    page = await visit(browser_of)
    panel = page.get_by_role("dialog", name="Add a key")
    for kind, fields in FIRST_VALUES.items():
        name = f"{key}:{kind}"
        await page.get_by_role("button", name="Add key").click()
        await panel.get_by_label("Name", exact=True).fill(name)
        await panel.get_by_label("Type", exact=True).select_option(kind)
        await panel.get_by_label("Expires in", exact=True).fill("600")
        for label, text in fields.items():
            await panel.get_by_label(label, exact=True).fill(text)
        await panel.get_by_role("button", name="Add", exact=True).click()
        await expect(page.get_by_role("heading", name=name)).to_be_visible()
        assert await redis.type(name) == kind.encode()
        assert 0 < await redis.ttl(name) <= 600


async def test_pending_entries_are_claimed_and_acknowledged(
    visit: Open, browser_of: str, redis: Redis, key: str
) -> None:
    await redis.xgroup_create(key, "workers", id="0", mkstream=True)
    await redis.xadd(key, {"order": "1"}, id=ENTRY)
    await redis.xreadgroup("workers", "gone", {key: ">"})
    page = await visit(at(browser_of, key))
    await page.get_by_role("tab", name="Consumer groups").click()
    await page.get_by_role("gridcell", name="workers").click()
    await page.get_by_label(f"Mark {ENTRY}").check()
    await page.get_by_role("button", name="Claim").click()
    panel = page.get_by_role("dialog", name="Claim pending entries")
    await panel.get_by_label("Consumer", exact=True).fill("here")
    await panel.get_by_role("button", name="Claim", exact=True).click()
    await expect(page.get_by_role("gridcell", name="here")).to_be_visible()
    assert [each["consumer"] for each in await redis.xpending_range(key, "workers", "-", "+", 9)] == [b"here"]
    await page.get_by_label(f"Mark {ENTRY}").check()
    await page.get_by_role("button", name="Acknowledge").click()
    await expect(page.get_by_text("Everything that was delivered is acknowledged.")).to_be_visible()
    assert (await redis.xpending(key, "workers"))["pending"] == 0


async def test_a_key_is_renamed_never_over_another_unasked_and_deleted(
    visit: Open, browser_of: str, redis: Redis, key: str
) -> None:
    await redis.mset({key: "moved", f"{key}:taken": "kept"})
    page = await visit(at(browser_of, key))
    await page.get_by_role("button", name="What to do with the key").click()
    await page.get_by_role("menuitem", name="Rename").click()
    dialog = page.get_by_role("dialog", name="Rename the key")
    await dialog.get_by_label("New name", exact=True).fill(f"{key}:taken")
    await dialog.get_by_role("button", name="Rename").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("There is a key of this name")
    await dialog.get_by_label("New name", exact=True).fill(f"{key}:new")
    await dialog.get_by_role("button", name="Rename").click()
    await expect(page.get_by_role("heading", name=f"{key}:new")).to_be_visible()
    assert await redis.mget(f"{key}:new", f"{key}:taken", key) == [b"moved", b"kept", None]
    await page.get_by_role("button", name="What to do with the key").click()
    await page.get_by_role("menuitem", name="Delete").click()
    sure = page.get_by_role("dialog", name="Delete this key?")
    await sure.get_by_role("button", name="Delete").click()
    await expect(page.get_by_text("The key is deleted.")).to_be_visible()
    assert await redis.exists(f"{key}:new") == 0


async def test_who_may_only_read_changes_nothing(visit: Open, browser_of: str) -> None:
    page = await visit(f"{browser_of}?key=user:1", role="read_only")
    await page.get_by_role("gridcell", name="email", exact=True).click()
    await expect(page.get_by_role("textbox", name="Value")).to_have_attribute("contenteditable", "false")
    await page.wait_for_load_state("networkidle")
    for name in ("Add key", "Add field", "Save", "What to do with the key", "Delete the field"):
        await expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)
