"""The first page in a browser: from the navigation until the list of databases is painted, beside an empty page.

Each round is a browser without a cache, signed in. The empty page is the same document without its script and style.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator

from playwright.async_api import Browser, async_playwright

from benchmarks.stack import Stack
from benchmarks.table import Figure, ratio
from tools.pages import CHROMIUM, initial_script_bytes, launch

TIMEOUT_MS = 30_000
_PAINTED = "() => window.paintedAt"
# A task after a frame begins when that frame was painted; the clock starts with the navigation.
_MARK = "requestAnimationFrame(() => setTimeout(() => { window.paintedAt = performance.now(); }))"
_WHEN_LISTED = f"""
const look = () => document.querySelector('[role=rowgroup] [role=row]') ? {_MARK} : requestAnimationFrame(look);
look();
"""
_WHEN_LOADED = f"addEventListener('load', () => {_MARK});"


async def measure(stack: Stack, rounds: int, _seconds: float) -> AsyncIterator[Figure]:
    """The figures; none where the machine has no Chromium."""
    size = Figure("script of the first page, compressed", [initial_script_bytes() / 1000], "kB", "<= 250")
    if not CHROMIUM:
        yield size
        return
    samples: dict[str, list[float]] = defaultdict(list)
    async with async_playwright() as playwright:
        browser = await launch(playwright)
        await _painted(browser, stack, _WHEN_LISTED)  # the browser's own first page
        for _ in range(rounds):
            samples["first"].append(await _painted(browser, stack, _WHEN_LISTED))
            samples["empty"].append(await _painted(browser, stack, _WHEN_LOADED, empty=True))
        await browser.close()
    first = Figure("first page: the list of databases, no cache", samples["first"], "ms", "<= 1500")
    empty = Figure("an empty page of the same gateway", samples["empty"], "ms")
    yield first
    yield empty
    yield ratio("  first page / empty page", first, empty)
    yield size


async def _painted(browser: Browser, stack: Stack, script: str, *, empty: bool = False) -> float:
    """Milliseconds from the navigation to what the script waits for."""
    context = await browser.new_context(base_url=stack.system.url, viewport={"width": 1280, "height": 800})
    context.set_default_timeout(TIMEOUT_MS)
    headers = {"authorization": f"Bearer {stack.system.token('owner')}"}
    answer = await context.request.post("/api/platform/session", headers=headers, data={})
    if not answer.ok:
        raise RuntimeError(f"no session: {await answer.text()}")
    if empty:
        await context.route("**/databases-console/**", lambda route: route.abort())
    page = await context.new_page()
    await page.add_init_script(script)
    await page.goto("/databases", wait_until="commit")
    painted = await page.wait_for_function(_PAINTED)
    milliseconds = float(await painted.json_value())
    await context.close()
    return milliseconds
