"""Pictures of the pages for `docs/`: walks them in Chromium, dark or light, and writes `docs/images/<page>.png`.

    python -m tools.screenshots [--url URL --token TOKEN] [--only NAME …] [--into FOLDER]

Without a URL it starts a system of its own, with the samples. A picture that differs from the one before by no more
than times, ports and ids is left as it is, so that a run changes the files of those pages alone that have changed.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

from benchmarks.stack import running
from tools.pages import ROOT, launch

IMAGES = ROOT / "docs" / "images"
WIDTH, HEIGHT = 1280, 800
TIMEOUT_MS = 30_000
SETTLE_MS = 600
"""After the last request: what is drawn a frame or two later, such as charts."""
SAME = 0.005
"""The part of the pixels that may differ without the page having changed."""
READINGS_MS = 4_000
"""Until a page that asks a server again and again has something to draw, or work on some documents is done."""
CHECKED = {"HEALTH_INTERVAL_S": "2", "HEALTH_IDLE_INTERVAL_S": "2"}
"""For a system of its own, so that there is soon a history to be drawn."""
CHECKS = 15
"""Of that history at least; waited for no longer than `HISTORY_S`."""
HISTORY_S = 120.0

Act = Callable[[Page], Awaitable[object]]


@dataclass(frozen=True)
class Shot:
    """One picture."""

    name: str
    """Of the file."""
    path: str
    """Of the page; `{redis}` and so on are the samples' ids."""
    theme: str = "dark"
    act: Act | None = None
    """What to do before it is taken."""
    signed_in: bool = True


async def _add(page: Page) -> None:
    await page.get_by_role("button", name="Add database").first.click()
    panel = page.get_by_role("dialog")
    await panel.get_by_label("Name", exact=True).fill("orders-cache")
    await panel.get_by_label("Connection string").fill("redis://app:secret@127.0.0.1:1/0")
    await panel.get_by_role("button", name="Hide the password").first.click()
    await panel.get_by_role("button", name="Test connection").click()
    await panel.get_by_text("The connection fails").scroll_into_view_if_needed()


async def _console(page: Page) -> None:
    for line in (
        "HGETALL user:1",
        "ZREVRANGE leaderboard:chess:week-001 0 4 WITHSCORES",
        "TTL session:00001",
    ):
        await page.get_by_label("Command", exact=True).fill(line)
        await page.get_by_label("Command", exact=True).press("Enter")
        await page.wait_for_load_state("networkidle")


async def _request(page: Page) -> None:
    await page.get_by_role("complementary", name="Routes").get_by_text("All books").click()
    await page.get_by_role("button", name="Send").click()
    await page.get_by_role("region", name="Answer").wait_for()


async def _table(page: Page) -> None:
    await page.get_by_role("complementary", name="Tables").get_by_text("orders").click()
    await page.get_by_role("grid", name="Rows of orders").wait_for()


async def _sql(page: Page) -> None:
    await page.get_by_label("SQL").click()
    await page.keyboard.insert_text(
        "SELECT status, count(*) AS orders, sum(total) AS revenue\nFROM orders\nGROUP BY status\nORDER BY revenue DESC"
    )
    await page.keyboard.press("Escape")  # what it would complete
    await page.keyboard.press("Control+Enter")
    await page.get_by_role("grid", name="Rows").wait_for()


async def _bulk(page: Page) -> None:
    await page.get_by_label("Pattern", exact=True).fill("session:*")
    await page.get_by_role("button", name="Preview").click()
    await page.get_by_text("session:").first.wait_for()


async def _explain(page: Page) -> None:
    await page.locator(".cm-content").first.click()
    await page.keyboard.insert_text("{ status: 'paid' }")
    await page.keyboard.press("Escape")
    await page.locator("main").get_by_role("button", name="Explain", exact=True).last.click()
    await page.wait_for_timeout(READINGS_MS)


async def _schema(page: Page) -> None:
    await page.get_by_role("button", name="Analyse").click()
    await page.get_by_role("button", name="Stop").wait_for(state="detached")


async def _readings(page: Page) -> None:
    await page.wait_for_timeout(READINGS_MS * 3)


async def _cell(page: Page) -> None:
    row = page.get_by_role("grid", name="Documents").get_by_role("row").nth(6)
    await row.get_by_role("gridcell").nth(2).locator("span").first.dblclick()
    await page.get_by_role("dialog").wait_for()


_MONGO = "/databases/{mongodb}/mongodb"
_ORDERS = "db=shop&collection=orders"
SHOTS: Sequence[Shot] = (
    Shot("sign-in", "/", signed_in=False),
    Shot("settings", "/databases/{redis}?tab=settings"),
    Shot("access", "/databases/{redis}?tab=access"),
    Shot("audit-log", "/audit?effect=changes", "light"),
    Shot("api-keys", "/api-keys"),
    Shot("redis-keys-dark", "/databases/{redis}/redis?key=user:1"),
    Shot("redis-keys-light", "/databases/{redis}/redis?key=user:1", "light"),
    Shot("redis-stream", "/databases/{redis}/redis?key=events:orders"),
    Shot("redis-console", "/databases/{redis}/redis?view=console", act=_console),
    Shot("redis-bulk", "/databases/{redis}/redis?view=bulk", "light", _bulk),
    Shot("redis-slow-log", "/databases/{redis}/redis?view=slowlog"),
    Shot("redis-server", "/databases/{redis}/redis?view=server", "light", _readings),
    Shot("mongodb-documents-dark", f"{_MONGO}?{_ORDERS}"),
    Shot("mongodb-documents-light", f"{_MONGO}?{_ORDERS}", "light"),
    Shot("mongodb-table", f"{_MONGO}?{_ORDERS}&layout=table", act=_cell),
    Shot("mongodb-aggregation", f"{_MONGO}?view=aggregation&{_ORDERS}", "light"),
    Shot("mongodb-explain", f"{_MONGO}?view=explain&{_ORDERS}", act=_explain),
    Shot("mongodb-indexes", f"{_MONGO}?view=indexes&{_ORDERS}", "light"),
    Shot("mongodb-schema", f"{_MONGO}?view=schema&{_ORDERS}", act=_schema),
    Shot("mongodb-server", f"{_MONGO}?view=server", "light", _readings),
    Shot("mongodb-server-top", f"{_MONGO}?view=server&part=top"),
    Shot("mongodb-server-log", f"{_MONGO}?view=server&part=log", "light"),
    Shot("bun-requests", "/databases/{bun_api}/bun", act=_request),
    Shot("bun-calls", "/databases/{bun_api}/bun?view=calls", "light"),
    Shot("bun-health", "/databases/{bun_api}/bun?view=health"),
    Shot("postgres-tables", "/databases/{postgres}/postgres", "light", _table),
    Shot("postgres-sql", "/databases/{postgres}/postgres?view=sql", act=_sql),
    Shot("databases-dark", "/databases"),
    Shot("databases-light", "/databases", "light"),
    Shot("add-database", "/databases", "light", _add),
    Shot("database-dark", "/databases/{redis}"),
    Shot("database-light", "/databases/{redis}", "light"),
)

_DIFFERENCE = """
async ([before, now]) => {
  const pixels = async (data) => {
    const image = new Image();
    image.src = `data:image/png;base64,${data}`;
    await image.decode();
    const context = new OffscreenCanvas(image.width, image.height).getContext('2d');
    context.drawImage(image, 0, 0);
    return context.getImageData(0, 0, image.width, image.height).data;
  };
  const [a, b] = [await pixels(before), await pixels(now)];
  if (a.length !== b.length) return 1;
  let differing = 0;
  for (let at = 0; at < a.length; at += 4) {
    if (a[at] !== b[at] || a[at + 1] !== b[at + 1] || a[at + 2] !== b[at + 2]) differing += 1;
  }
  return differing / (a.length / 4);
}
"""


class Walk:
    """A walk through a running system's pages."""

    def __init__(self, browser: Browser, url: str, token: str, into: Path) -> None:
        self._browser = browser
        self._url = url
        self._headers = {"authorization": f"Bearer {token}"}
        self._into = into
        self._ids: dict[str, str] = {}

    async def prepare(self, checks: int) -> None:
        """Finds the samples, and waits until the health of each was checked so often."""
        context = await self._browser.new_context(base_url=self._url, extra_http_headers=self._headers)
        answer = await context.request.get("/api/platform/databases?search=sample")
        self._ids = {each["type"]: each["id"] for each in await answer.json()}
        async with asyncio.timeout(HISTORY_S):
            for id_ in self._ids.values():
                while True:
                    answer = await context.request.get(f"/api/platform/databases/{id_}/health")
                    if (await answer.json()).get("checks", 0) >= checks:
                        break
                    await asyncio.sleep(1)
        await context.close()

    async def take(self, shot: Shot) -> str:
        """Takes a picture; returns what became of it."""
        context = await self._browser.new_context(
            base_url=self._url,
            viewport={"width": WIDTH, "height": HEIGHT},
            color_scheme="light" if shot.theme == "light" else "dark",
            reduced_motion="reduce",
            locale="en-GB",
            timezone_id="UTC",
        )
        context.set_default_timeout(TIMEOUT_MS)
        if shot.signed_in:
            await context.request.post("/api/platform/session", headers=self._headers, data={})
        page = await context.new_page()
        await page.goto(shot.path.format(**self._ids))
        # Some pages ask again and again: those are looked at after the time that the others take to be quiet.
        await page.locator("main").wait_for()
        if shot.act:
            await shot.act(page)
        await self._quiet(page)
        picture = await page.screenshot(animations="disabled", caret="hide")
        path = self._into / f"{shot.name}.png"
        same = path.exists() and await self._difference(path.read_bytes(), picture) <= SAME
        await context.close()
        if same:
            return "as before"
        path.write_bytes(picture)
        return f"{len(picture) / 1000:.0f} kB"

    async def _quiet(self, page: Page) -> None:
        await page.wait_for_function("() => !document.querySelector('main [role=status] svg.animate-spin')")
        await page.wait_for_timeout(SETTLE_MS)

    async def _difference(self, before: bytes, now: bytes) -> float:
        """The part of the pixels in which two pictures differ."""
        page = await self._browser.new_page()
        pictures = [base64.b64encode(each).decode() for each in (before, now)]
        part = float(await page.evaluate(_DIFFERENCE, pictures))
        await page.close()
        return part


async def walk(url: str, token: str, into: Path, only: Sequence[str], *, checks: int = 0) -> None:
    """Takes the pictures, once there is some history."""
    async with async_playwright() as playwright:
        browser = await launch(playwright)
        tour = Walk(browser, url, token, into)
        await tour.prepare(checks)
        for shot in SHOTS:
            if not only or shot.name in only:
                print(f"{shot.name:<28} {await tour.take(shot)}", flush=True)
        await browser.close()


def main() -> None:
    """Takes pictures of a running system, or of one of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", help="a running system; without it, one is started")
    parser.add_argument("--token", default="", help="an owner's token for it")
    parser.add_argument("--only", action="append", default=[], choices=[shot.name for shot in SHOTS])
    parser.add_argument("--into", type=Path, default=IMAGES)
    options = parser.parse_args()
    options.into.mkdir(parents=True, exist_ok=True)
    if options.url:
        asyncio.run(walk(options.url, options.token, options.into, options.only))
        return
    os.environ.update(CHECKED)
    with running() as stack:
        token = stack.system.token("owner")
        asyncio.run(walk(stack.system.url, token, options.into, options.only, checks=CHECKS))


if __name__ == "__main__":
    main()
