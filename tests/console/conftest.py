"""Walks the pages in a real browser, against the whole system: Playwright drives the Chromium of the machine.

Each page's messages are kept: what a page must never do, such as break its Content-Security-Policy, fails its test.
A test that fails leaves a picture of each of its pages, and what the browser said there, in its `tmp_path`.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Browser, ConsoleMessage, Error, Page, async_playwright, expect
from pymongo import AsyncMongoClient
from redis.asyncio import Redis

from tests.support.local_system import LocalSystem
from tools.pages import CHROMIUM, launch

TIMEOUT_MS = 30_000
"""For what takes a moment on a quiet machine."""
expect.set_options(timeout=TIMEOUT_MS)
EXPECTED = ("the server responded with a status of",)
"""What the browser itself says of every answer that is an error."""

Role = Literal["owner", "administrator", "developer", "read_only"]
Open = Callable[..., Awaitable[Page]]
Engine = AsyncMongoClient[dict[str, Any]]
FAILED = pytest.StashKey[bool]()
"""Whether the test itself failed, for its fixtures."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remembers a failure until the fixtures end."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    if not CHROMIUM:
        pytest.skip("there is no Chromium on this machine")
    async with async_playwright() as playwright:
        opened = await launch(playwright)
        yield opened
        await opened.close()


@pytest.fixture
async def visit(
    system: LocalSystem, browser: Browser, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Open]:
    """Opens a path of the pages, as a visitor without a session or as one who signed in with a role."""
    complaints: list[str] = []
    opened: list[tuple[Page, list[str]]] = []

    async with contextlib.AsyncExitStack() as stack:

        async def open_page(path: str, role: Role | None = "owner", theme: str = "dark") -> Page:
            context = await stack.enter_async_context(
                await browser.new_context(
                    base_url=system.url,
                    viewport={"width": 1280, "height": 800},
                    color_scheme="light" if theme == "light" else "dark",
                    reduced_motion="reduce",
                )
            )
            context.set_default_timeout(TIMEOUT_MS)
            # Nobody is there to choose a file: downloads go the other way, by memory.
            await context.add_init_script("delete window.showSaveFilePicker")
            page = await context.new_page()
            said: list[str] = []
            opened.append((page, said))

            def listen(message: ConsoleMessage) -> None:
                said.append(f"{message.type}: {message.text}")
                if message.type in {"error", "warning"} and not any(
                    each in message.text for each in EXPECTED
                ):
                    complaints.append(message.text)

            def broken(error: Error) -> None:
                said.append(f"exception: {error}")
                complaints.append(str(error))

            page.on("console", listen)
            page.on("pageerror", broken)
            if role is not None:
                answer = await context.request.post(
                    "/api/platform/session", headers=system.headers(role), data={}
                )
                assert answer.ok, await answer.text()
            await page.goto(path)
            return page

        yield open_page
        if complaints or request.node.stash.get(FAILED, False):
            for number, (page, said) in enumerate(opened):
                kept = await keep(page, said, tmp_path / f"page-{number}")
                request.node.add_report_section("teardown", "page", kept)
    assert complaints == []


async def keep(page: Page, said: list[str], path: Path) -> str:
    """Leaves a picture of the page, and what the browser said there; returns where, and what."""
    lines = [page.url, *said]
    try:
        await page.screenshot(path=path.with_suffix(".png"))
    except Error as error:  # the page itself may be what has died
        lines.append(f"no picture: {error}")
    text = "\n".join(lines)
    path.with_suffix(".txt").write_text(f"{text}\n")
    return f"{path}.png, {path.name}.txt:\n{text}"


@pytest.fixture
async def database_ids(system: LocalSystem) -> dict[str, str]:
    """The samples' ids by their type."""
    async with system.client("owner") as client:
        listed = (await client.get("/api/platform/databases?search=sample")).json()
    return {each["type"]: each["id"] for each in listed}


@pytest.fixture
async def redis(system: LocalSystem) -> AsyncIterator[Redis]:
    """A client of the sample Redis."""
    async with Redis.from_url(system.engines["redis"]) as client:
        yield client


@pytest.fixture
def key() -> str:
    """A key's name of its own for each test."""
    return f"walk:{secrets.token_hex(6)}"


@pytest.fixture
def browser_of(database_ids: dict[str, str]) -> str:
    """The path of the sample Redis's page."""
    return f"/databases/{database_ids['redis']}/redis"


@pytest.fixture
async def engine(system: LocalSystem) -> AsyncIterator[Engine]:
    """The sample MongoDB without anything between, to see what is really in it."""
    async with AsyncMongoClient[dict[str, Any]](system.engines["mongodb"]) as client:
        yield client
