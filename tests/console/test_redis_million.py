"""A Redis with a million keys: the page lists them all, and scrolls through them at no cost that grows."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator

import pytest
from playwright.async_api import CDPSession, Locator, Page, expect

from tests.console.conftest import Open
from tests.support.local_system import LocalSystem
from tests.support.redis_process import RedisProcess, running

KEYS = 1_000_000
USERS = KEYS // 4
NAME = f"million-{secrets.token_hex(4)}"
STEP = 100_000
"""Keys that one script makes: fewer than hold the server for a second."""
FILL = """
for n = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  local key = string.format('%s:%07d', n % 4 == 0 and 'user' or 'session', n)
  if n % 2 == 0 then redis.call('SET', key, n, 'EX', 3600 + n % 86400) else redis.call('SET', key, n) end
end"""
MAX_ELEMENTS = 1_500
"""Of the whole page, however many keys it lists."""
MAX_GROWTH_BYTES = 2_000_000
"""Of the heap by scrolling again and again: two bytes a key."""
LISTED_MS = 180_000
"""For a million keys, on a busy machine."""

TOUR = """async (grid) => {
  const frame = () => new Promise(requestAnimationFrame);
  const counted = new Set();
  for (let at = 0; at <= 60; at += 1) {
    grid.scrollTop = ((at * 37) % 61) / 60 * (grid.scrollHeight - grid.clientHeight);
    await frame();
    counted.add(document.querySelectorAll("*").length);
  }
  return Math.max(...counted);
}"""
"""Jumps from place to place, up and down; returns how many elements the page had at most."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    """A Redis of its own, filled."""
    server = RedisProcess(tmp_path_factory.mktemp("million") / "valkey", {})
    with running(server):
        for first in range(0, KEYS, STEP):
            with server.client() as filler:
                filler.eval(FILL, 0, first, first + STEP - 1)
        yield server


@pytest.fixture(scope="module")
def path(system: LocalSystem, server: RedisProcess) -> Iterator[str]:
    """Where the system shows it."""
    headers, databases = system.headers("owner"), "/api/platform/databases"
    added = system.http.post(
        databases,
        headers=headers,
        json={
            "name": NAME,
            "type": "redis",
            "projectRef": "default",
            "connectionString": f"redis://{server.address}",
        },
    )
    assert added.status_code == 201, added.text
    database_id = added.json()["id"]
    yield f"/databases/{database_id}/redis"
    system.http.delete(f"{databases}/{database_id}", headers=headers)


async def heap_bytes(debugger: CDPSession) -> float:
    """What the page's scripts hold after what they have dropped is collected."""
    await debugger.send("HeapProfiler.collectGarbage")
    metrics = (await debugger.send("Performance.getMetrics"))["metrics"]
    return float(next(each["value"] for each in metrics if each["name"] == "JSHeapUsedSize"))


async def listed(page: Page) -> int:
    """How many keys the list says it has."""
    text = await page.get_by_text(re.compile(r"^[\d,]+ keys?")).inner_text()
    return int(text.split()[0].replace(",", ""))


async def wheel(page: Page, grid: Locator) -> None:
    """Turns the wheel over the list, down and up again."""
    box = await grid.bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + 80, box["y"] + 200)
    for way in (400, -250):
        for _ in range(40):
            await page.mouse.wheel(0, way)


async def test_a_million_keys_are_listed_and_scrolled_through_with_a_flat_heap(
    visit: Open, path: str
) -> None:
    page = await visit(path)
    grid = page.get_by_role("grid", name="Keys")
    debugger = await page.context.new_cdp_session(page)
    await debugger.send("Performance.enable")

    # A few come by themselves; all only when asked, and no more once stopped.
    await page.get_by_role("button", name="Scan all").click()
    await expect(page.get_by_role("progressbar", name="Keys looked at")).to_be_visible()
    await expect(grid).not_to_have_attribute("aria-rowcount", re.compile(r"^\d{1,4}$"))
    await page.get_by_role("button", name="Stop").click()
    await expect(page.get_by_role("button", name="Scan all")).to_be_visible()
    assert 1_000 < await listed(page) < KEYS
    await page.get_by_role("button", name="Scan all").click()
    await expect(page.get_by_text(f"{KEYS:,} keys, all")).to_be_visible(timeout=LISTED_MS)

    await grid.evaluate(TOUR)
    early = await heap_bytes(debugger)
    for _ in range(2):
        assert await grid.evaluate(TOUR) < MAX_ELEMENTS
        await wheel(page, grid)
    assert await heap_bytes(debugger) - early < MAX_GROWTH_BYTES

    # The last one is reached as the first one is.
    await grid.focus()
    for key, row in (("End", KEYS + 1), ("Home", 2)):
        await page.keyboard.press(key)
        chosen = grid.locator("[aria-selected=true]")
        await expect(chosen).to_have_attribute("aria-rowindex", str(row))
        await expect(chosen).to_be_in_viewport()
    await expect(page.get_by_role("textbox", name="Value")).to_be_visible()


async def test_an_analysis_shows_what_it_has_and_stops(visit: Open, path: str) -> None:
    page = await visit(f"{path}?view=analysis")
    await page.get_by_role("button", name="Analyze").click()
    await expect(page.get_by_text("so far", exact=True)).to_be_visible()
    await expect(page.get_by_text("session:*")).to_be_visible()
    await page.get_by_role("button", name="Stop").click()
    await expect(page.get_by_text("stopped: a part of the keys")).to_be_visible()
    await expect(page.get_by_role("button", name="Analyze again")).to_be_visible()


async def test_many_keys_are_previewed_and_deleted_in_parts(
    visit: Open, path: str, server: RedisProcess
) -> None:
    page = await visit(f"{path}?view=bulk&select=user:*")
    preview = page.get_by_role("region", name="Preview")
    await page.get_by_role("button", name="Preview").click()
    await preview.get_by_role("button", name="Stop").click()
    await expect(preview.get_by_text("stopped", exact=True)).to_be_visible()
    # Of a preview that did not see all keys nobody learns how many they are.
    await expect(page.get_by_role("button", name=re.compile("^Delete at least"))).to_be_visible()
    await page.get_by_role("button", name="Preview again").click()
    await page.get_by_role("button", name=f"Delete {USERS:,} keys…").click(timeout=LISTED_MS)
    sure = page.get_by_role("dialog", name=f"Delete {USERS:,} keys?")
    await expect(sure.get_by_role("button", name="Delete", exact=True)).to_be_disabled()
    await sure.get_by_role("textbox").fill(NAME)
    await sure.get_by_role("button", name="Delete", exact=True).click()

    deleting = page.get_by_role("region", name="Deleting")
    await deleting.get_by_role("button", name="Stop").click()
    await expect(deleting.get_by_text("stopped", exact=True)).to_be_visible()
    with server.client() as client:
        assert KEYS - USERS < int(client.dbsize()) <= KEYS
        await deleting.get_by_role("button", name="Go on").click()
        await expect(deleting.get_by_text("done", exact=True)).to_be_visible(timeout=LISTED_MS)
        assert int(client.dbsize()) == KEYS - USERS
        assert not client.exists("user:0000000")
