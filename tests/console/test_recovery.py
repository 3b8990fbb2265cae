"""A service is killed in the middle of work: the page says so, and comes back by itself."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.console.conftest import Open
from tests.support.local_system import LocalSystem

RECOVERY_MS = 60_000
"""The page asks again every few seconds; breakers and health checks take theirs."""


@pytest.mark.parametrize(
    ("service", "path", "shown"),
    [
        ("registry", "/databases", "sample-redis"),
        ("redis_svc", "/databases/{redis}/redis?view=server", "valkey"),
        ("redis_svc", "/databases/{redis}/redis?key=user:1", "user1@example.com"),
        ("mongo_svc", "/databases/{mongodb}/mongodb?db=shop&collection=orders", "placed_at"),
    ],
)
async def test_a_service_that_dies_shows_and_comes_back(
    visit: Open, system: LocalSystem, database_ids: dict[str, str], service: str, path: str, shown: str
) -> None:
    page = await visit(path.format(**database_ids))
    content = page.locator("main").get_by_text(shown).first
    await expect(content).to_be_visible()
    system.crash(service)
    try:
        await page.reload()
        await expect(page.get_by_role("alert").first).to_be_visible()
    finally:
        system.start(service)
        system.wait_reached()
    await expect(content).to_be_visible(timeout=RECOVERY_MS)
    await expect(page.get_by_role("alert")).to_have_count(0)


async def test_a_form_survives_the_registry(visit: Open, system: LocalSystem) -> None:
    page = await visit("/databases")
    await page.get_by_role("button", name="Add database").first.click()
    panel = page.get_by_role("dialog", name="Add a database")
    await panel.get_by_label("Name", exact=True).fill("survives")
    await panel.get_by_label("Connection string").fill("redis://127.0.0.1:1")
    system.crash("registry")
    try:
        await panel.get_by_role("button", name="Test connection").click()
        await expect(panel.get_by_role("alert")).to_be_visible()
    finally:
        system.start("registry")
        system.wait_reached()
    await expect(panel.get_by_label("Name", exact=True)).to_have_value("survives")
    await panel.get_by_role("button", name="Test connection").click()
    await expect(panel.get_by_role("region", name="Result of the test")).to_contain_text(
        "The connection fails"
    )
