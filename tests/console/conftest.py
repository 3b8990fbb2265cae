"""Walks the pages in a real browser, against the whole system: Playwright drives the Chromium of the machine.

Each page's messages are kept: what a page must never do, such as break its Content-Security-Policy, fails its test.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

from tests.support.local_system import LocalSystem

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
ARGUMENTS = [
    "--no-sandbox",  # tests run as root, too
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TIMEOUT_MS = 30_000
"""For what takes a moment on a quiet machine."""
expect.set_options(timeout=TIMEOUT_MS)
EXPECTED = ("the server responded with a status of",)
"""What the browser itself says of every answer that is an error."""

Role = Literal["owner", "administrator", "developer", "read_only"]
Open = Callable[..., Awaitable[Page]]


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    if not CHROMIUM:
        pytest.skip("there is no Chromium on this machine")
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        await opened.close()


@pytest.fixture
async def visit(
    system: LocalSystem, browser: Browser, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Open]:
    """Opens a path of the pages, as a visitor without a session or as one who signed in with a role."""
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not any(each in message.text for each in EXPECTED):
            complaints.append(message.text)

    async with contextlib.AsyncExitStack() as stack:
        pages: list[Page] = []

        async def opened(path: str, role: Role | None = "owner", theme: str = "dark") -> Page:
            context = await stack.enter_async_context(
                await browser.new_context(
                    base_url=system.url,
                    viewport={"width": 1280, "height": 800},
                    color_scheme="light" if theme == "light" else "dark",
                    reduced_motion="reduce",
                )
            )
            context.set_default_timeout(TIMEOUT_MS)
            page = await context.new_page()
            pages.append(page)
            page.on("console", listen)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            if role is not None:
                answer = await context.request.post(
                    "/api/platform/session", headers=system.headers(role), data={}
                )
                assert answer.ok, await answer.text()
            await page.goto(path)
            return page

        yield opened
        failed = getattr(request.node, "failed_in_call", False)
        for number, page in enumerate(pages):
            if failed:
                await page.screenshot(path=tmp_path / f"page-{number}.png")
    assert complaints == []


@pytest.fixture
async def database_ids(system: LocalSystem) -> dict[str, str]:
    """The samples' ids by their type."""
    async with system.client("owner") as client:
        listed = (await client.get("/api/platform/databases?search=sample")).json()
    return {each["type"]: each["id"] for each in listed}
