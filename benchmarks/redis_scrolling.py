"""What a million keys cost the page: how fast it lists them, what it holds, and how smoothly it scrolls.

In Chromium, by the frames that it draws: a frame that takes longer than 16.7 ms is one that a display of 60 Hz misses.
Frames of the same page at rest stand beside them: what those take longer is the machine's other work.
"""

from __future__ import annotations

import shutil
import time
from collections import defaultdict
from collections.abc import AsyncIterator

from playwright.async_api import Browser, CDPSession, Page, async_playwright, expect

from benchmarks.bare_redis import BareRedis
from benchmarks.stack import Stack
from benchmarks.table import Figure

KEYS = 1_000_000
NUMBER = 1
"""Of the server's database that holds them: the samples and other measurements are in 0."""
LISTED_MS = 300_000
FRAMES = """async ([grid, seconds, scrolls]) => {
  const frames = [];
  const frame = () => new Promise(requestAnimationFrame);
  let last = await frame();
  const end = last + seconds * 1000;
  const most = grid.scrollHeight - grid.clientHeight;
  let rows = 0;
  for (let at = 0; last < end; at += 1) {
    // As a wheel does, and every half second to another place.
    if (scrolls) grid.scrollTop = at % 30 === 0 ? ((at * 79) % 121) / 120 * most : grid.scrollTop + 120;
    const now = await frame();
    frames.push(now - last);
    last = now;
    rows = Math.max(rows, grid.querySelectorAll("[role=row]").length);
  }
  return [frames, rows];
}"""
"""Scrolls in each frame, where it is to; returns the frames' milliseconds, and how many rows the page had at most."""


async def measure(stack: Stack, rounds: int, seconds: float) -> AsyncIterator[Figure]:
    """Listing, the page's heap, and frames while it scrolls."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("! no Chromium on this machine: scrolling is not measured")
        return
    bare = BareRedis(stack.engines["redis"])
    bare.ask([("SELECT", NUMBER)])
    bare.fill(KEYS)
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            samples = await _samples(browser, stack, rounds, seconds)
            await browser.close()
    finally:
        bare.ask([("FLUSHDB",)])
        bare.close()
    yield Figure(f"page: {KEYS:,} keys listed", samples["listing"], "keys/s")
    yield Figure(f"page: heap with {KEYS:,} keys", samples["heap"], "MB")
    yield Figure("page: growth of the heap by scrolling", samples["growth"], "MB", "flat")
    yield Figure("page: p95 of a frame at rest", samples["rest"], "ms")
    yield Figure("page: p95 of a frame while scrolling them", samples["p95"], "ms", "<= 20")
    yield Figure("page: p99 of a frame while scrolling them", samples["p99"], "ms")
    yield Figure("page: rows in the document", samples["rows"], "rows")


async def _samples(browser: Browser, stack: Stack, rounds: int, seconds: float) -> dict[str, list[float]]:
    samples: dict[str, list[float]] = defaultdict(list)
    target = stack.target
    context = await browser.new_context(base_url=f"http://{target.host}:{target.port}")
    headers = {"authorization": f"Bearer {target.token}"}
    added = await context.request.post(
        "/api/platform/databases",
        headers=headers,
        data={
            "name": "bench-scrolling",
            "type": "redis",
            "projectRef": "default",
            "connectionString": f"{stack.engines['redis']}/{NUMBER}",
        },
    )
    database_id = (await added.json())["id"]
    await context.request.post("/api/platform/session", headers=headers, data={})
    page = await context.new_page()
    debugger = await context.new_cdp_session(page)
    await debugger.send("Performance.enable")
    await page.goto(f"/databases/{database_id}/redis")
    await page.get_by_role("button", name="Scan all").wait_for()
    started = time.perf_counter()
    await page.get_by_role("button", name="Scan all").click()
    await expect(page.get_by_text(f"{KEYS:,} keys, all")).to_be_visible(timeout=LISTED_MS)
    samples["listing"].append(KEYS / (time.perf_counter() - started))
    await _scroll(page, seconds)
    samples["heap"].append(before := await _heap_mb(debugger))
    for _ in range(rounds):
        frames, _rows = await _scroll(page, seconds, scrolls=False)
        samples["rest"].append(frames[int(len(frames) * 0.95)])
        frames, rows = await _scroll(page, seconds)
        samples["p95"].append(frames[int(len(frames) * 0.95)])
        samples["p99"].append(frames[int(len(frames) * 0.99)])
        samples["rows"].append(rows)
        samples["growth"].append(await _heap_mb(debugger) - before)
    await context.request.delete(f"/api/platform/databases/{database_id}", headers=headers)
    await context.close()
    return samples


async def _scroll(page: Page, seconds: float, *, scrolls: bool = True) -> tuple[list[float], int]:
    grid = await page.get_by_role("grid", name="Keys").element_handle()
    frames, rows = await page.evaluate(FRAMES, [grid, seconds, scrolls])
    return sorted(frames), rows


async def _heap_mb(debugger: CDPSession) -> float:
    await debugger.send("HeapProfiler.collectGarbage")
    metrics = (await debugger.send("Performance.getMetrics"))["metrics"]
    return float(next(each["value"] for each in metrics if each["name"] == "JSHeapUsedSize")) / 1e6
