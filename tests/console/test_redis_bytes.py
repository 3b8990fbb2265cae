"""Values that are no short text: bytes, compressed values, and strings too long to be loaded as a whole."""

from __future__ import annotations

import json
import secrets
from urllib.parse import urlsplit

from playwright.async_api import expect
from redis.asyncio import Redis

from tests.console.conftest import Open
from tests.console.test_redis import at
from tests.support.local_system import LocalSystem

BINARY = bytes([0x80, 0x00, 0xFF, 0x0A])
NUMBER = 7
"""Of the server's databases: one that nothing else uses."""
UNPACKED = {"items": ["abc"] * 20}
BROTLI = bytes.fromhex("1b8200f81d09764c871b8f20b8f052646cafb7c2c4fa248b4e574a32496e75001fed9760c103")
"""That, in compact JSON, as Brotli writes it: nothing in it says so."""
RANGE = 64 << 10
LONG = b"\xc3\xa9" * RANGE + b"the end" + b"x" * (1 << 20)


async def test_a_redis_is_added_from_nothing_and_a_binary_value_edited_byte_by_byte(
    visit: Open, system: LocalSystem, key: str
) -> None:
    name, url = f"walk-{secrets.token_hex(4)}", f"{system.engines['redis']}/{NUMBER}"
    page = await visit("/databases")
    await page.get_by_role("button", name="Add database").first.click()
    panel = page.get_by_role("dialog", name="Add a database")
    await panel.get_by_label("Name", exact=True).fill(name)
    await panel.get_by_label("Connection string").fill(url)
    await panel.get_by_role("button", name="Test and save").click()
    await expect(page.get_by_role("heading", name=name)).to_be_visible()
    await page.get_by_role("link", name="Browse keys").click()
    await expect(page.get_by_text("This database has no keys.")).to_be_visible()

    await page.get_by_role("button", name="Add key").click()
    panel = page.get_by_role("dialog", name="Add a key")
    await panel.get_by_label("Name", exact=True).fill(key)
    await panel.get_by_label("Value: written as").select_option("hex")
    await panel.get_by_label("Value", exact=True).fill(BINARY.hex(" "))
    await panel.get_by_role("button", name="Add", exact=True).click()
    await expect(page.get_by_role("textbox", name="Value")).to_have_text(BINARY.hex(" "))
    async with Redis.from_url(url) as client:
        assert await client.get(key) == BINARY
        await page.get_by_role("textbox", name="Value").click()
        await page.keyboard.press("Control+Home")
        await page.keyboard.press("Shift+ArrowRight")
        await page.keyboard.type("9")
        await page.keyboard.press("Control+Enter")
        await expect(page.get_by_text("Saved.")).to_be_visible()
        assert await client.get(key) == b"\x90" + BINARY[1:]
        await client.delete(key)
    database_id = urlsplit(page.url).path.split("/")[-2]
    async with system.client("owner") as owner:
        (await owner.delete(f"/api/platform/databases/{database_id}")).raise_for_status()


async def test_a_compressed_value_is_read_and_its_bytes_stay(
    visit: Open, browser_of: str, redis: Redis, key: str
) -> None:
    await redis.set(key, BROTLI)
    page = await visit(at(browser_of, key))
    value = page.get_by_role("textbox", name="Value")
    await expect(page.get_by_text("View only: it is compressed")).to_be_visible()
    await expect(page.get_by_label("Unpacked by")).to_have_value("brotli")
    assert json.loads(await value.inner_text()) == UNPACKED
    await expect(value).to_have_attribute("contenteditable", "false")

    await page.get_by_label("Unpacked by").select_option("none")
    await expect(value).to_contain_text(BROTLI[:16].hex(" "))
    await expect(value).to_have_attribute("contenteditable", "true")
    await page.get_by_label("Unpacked by").select_option("zstd")
    await expect(page.get_by_role("alert")).to_contain_text("It is no zstd")
    assert await redis.get(key) == BROTLI


async def test_a_range_of_a_long_string_is_written_over_and_nothing_else(
    visit: Open, browser_of: str, redis: Redis, key: str
) -> None:
    await redis.set(key, LONG, ex=600)
    page = await visit(at(browser_of, key))
    value = page.get_by_role("textbox", name="Range of the value")
    await page.get_by_label("Byte", exact=True).fill(str(2 * RANGE))
    await page.get_by_label("Byte", exact=True).press("Enter")
    await expect(value).to_contain_text("the endxxx")
    await value.click()
    await page.keyboard.press("Control+Home")
    await page.keyboard.type("longer")
    await page.keyboard.press("Control+Enter")
    await expect(page.get_by_text("this is 6 bytes longer")).to_be_visible()
    for _ in range(6):
        await page.keyboard.press("Delete")
    await page.keyboard.press("Control+Enter")
    await expect(page.get_by_text("Saved.")).to_be_visible()
    assert await redis.get(key) == LONG.replace(b"the end", b"longerd")
    assert await redis.ttl(key) > 0

    # Somebody else's change of the same bytes is not overwritten unasked.
    await redis.setrange(key, 2 * RANGE, "theirs")
    await page.keyboard.type("mine")
    for _ in range(4):
        await page.keyboard.press("Delete")
    await page.keyboard.press("Control+Enter")
    await expect(page.get_by_text("It was changed meanwhile")).to_be_visible()
    assert await redis.getrange(key, 2 * RANGE, 2 * RANGE + 5) == b"theirs"
