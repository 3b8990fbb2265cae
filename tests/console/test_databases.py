"""Registering, looking at and removing databases, as a person does it."""

from __future__ import annotations

import secrets
from urllib.parse import quote

import pytest
from playwright.async_api import expect

from tests.console.conftest import Open
from tests.support.local_system import LocalSystem

ODD_PASSWORD = "p@ss:w/or#d%25?x"


async def test_a_redis_is_added_from_nothing_and_deleted_by_its_name(
    visit: Open, system: LocalSystem
) -> None:
    name = f"walk-{secrets.token_hex(4)}"
    page = await visit("/databases")
    await page.get_by_role("button", name="Add database").first.click()
    panel = page.get_by_role("dialog", name="Add a database")
    await panel.get_by_label("Name", exact=True).fill(name)
    await panel.get_by_label("Connection string").fill(system.engines["redis"])
    await expect(panel.get_by_label("Host")).to_have_value("127.0.0.1")
    await panel.get_by_role("button", name="Test connection").click()
    await expect(panel.get_by_role("region", name="Result of the test")).to_contain_text(
        "The connection works"
    )
    await panel.get_by_label("Production").check()
    await panel.get_by_role("button", name="Test and save").click()
    await expect(page.get_by_role("heading", name=name)).to_be_visible()
    await expect(page.get_by_text("This is a production database")).to_be_visible()

    await page.get_by_role("tab", name="Settings").click()
    await page.get_by_role("button", name="Delete").click()
    sure = page.get_by_role("dialog", name=f"Delete {name}?")
    await expect(sure.get_by_role("button", name="Delete")).to_be_disabled()
    await sure.get_by_label("Type").fill(name)
    await sure.get_by_role("button", name="Delete").click()
    # It is marked as production: the system asks, whoever it is.
    await (
        page.get_by_role("dialog", name="This is a production database")
        .get_by_role("button", name="Do it")
        .click()
    )
    await expect(page.get_by_role("grid", name="Databases")).to_be_visible()
    await expect(page.get_by_role("row", name=name)).to_have_count(0)


async def test_parts_and_string_stay_in_step(visit: Open) -> None:
    page = await visit("/databases")
    await page.get_by_role("button", name="Add database").first.click()
    panel = page.get_by_role("dialog", name="Add a database")
    await panel.get_by_label("Host").fill("db.example.com")
    await panel.get_by_label("User").fill("app")
    await panel.get_by_label("Password optional").fill(ODD_PASSWORD)
    await panel.get_by_label("Connect by TLS").check()
    await panel.get_by_label("Connection string").focus()
    text = f"rediss://app:{quote(ODD_PASSWORD, safe='')}@db.example.com"
    await expect(panel.get_by_label("Connection string")).to_have_value(text)
    await panel.get_by_label("Connection string").fill("mongodb://u:p@a:1,b:2/shop?replicaSet=rs0")
    await expect(panel.get_by_role("radio", name="MongoDB")).to_be_checked()
    await expect(panel.get_by_label("Host")).to_have_value("a:1,b:2")
    await panel.get_by_label("Connection string").fill("redis://u:p#x@host")
    await expect(panel.get_by_role("alert")).to_contain_text("%23")


@pytest.mark.parametrize(
    ("connection", "stage"),
    [("redis://127.0.0.1:1", "Connected"), ("redis://no.such.host.invalid", "Name resolved")],
)
async def test_a_test_shows_the_stage_that_failed(visit: Open, connection: str, stage: str) -> None:
    page = await visit("/databases")
    await page.get_by_role("button", name="Add database").first.click()
    panel = page.get_by_role("dialog", name="Add a database")
    await panel.get_by_label("Connection string").fill(connection)
    await panel.get_by_role("button", name="Test connection").click()
    result = panel.get_by_role("region", name="Result of the test")
    await expect(result).to_contain_text("The connection fails")
    await expect(result.get_by_role("listitem").filter(has_text=stage)).to_contain_text("failed")


async def test_what_will_be_stored_is_shown_and_a_test_can_be_stopped(visit: Open) -> None:
    page = await visit("/databases")
    await page.get_by_role("button", name="Add database").first.click()
    panel = page.get_by_role("dialog", name="Add a database")
    await panel.get_by_label("Name", exact=True).fill("Not A Name")
    await expect(panel.get_by_role("alert")).to_contain_text("Lower-case letters")
    await panel.get_by_label("Connection string").fill(f"redis://app:{quote(ODD_PASSWORD, safe='')}@10.0.0.1")
    stored = panel.get_by_role("region", name="What will be stored")
    await expect(stored).to_contain_text("10.0.0.1, user app")
    await expect(stored).not_to_contain_text(ODD_PASSWORD)
    # Where no answer ever comes, as from an address that drops what is sent to it.
    await page.route("**/api/platform/databases/test", lambda _: None)
    await panel.get_by_role("button", name="Test connection").click()
    await panel.get_by_role("button", name="Stop testing").click()
    await expect(panel.get_by_role("button", name="Test connection")).to_be_enabled()
    await expect(panel.get_by_role("region", name="Result of the test")).to_have_count(0)


async def test_a_part_of_a_connection_is_changed_alone(visit: Open, system: LocalSystem) -> None:
    name = f"walk-{secrets.token_hex(4)}"
    body = {"project_ref": "default", "name": name, "type": "redis"}
    async with system.client("owner") as client:
        made = await client.post(
            "/api/platform/databases", json=body | {"connection_string": system.engines["redis"]}
        )
        path = f"/databases/{made.raise_for_status().json()['id']}"
        page = await visit(f"{path}?tab=settings")
        await page.get_by_label("Port").fill("1")
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.get_by_role("alert")).to_contain_text("refuses connections")
        await page.get_by_role("button", name="Save without the test").click()
        await expect(page.get_by_text("Saved.", exact=True)).to_be_visible()
        kept = (await client.get(f"/api/platform{path}")).json()
        assert (kept["host"], kept["port"]) == ("127.0.0.1", 1)
        # The stored password has stayed: with its old port it connects again.
        await page.get_by_label("Port").fill(str(made.json()["port"]))
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.get_by_role("button", name="Save", exact=True)).to_be_disabled()
        await client.delete(f"/api/platform{path}")


async def test_a_production_database_wears_a_warning(visit: Open, system: LocalSystem) -> None:
    name = f"walk-{secrets.token_hex(4)}"
    body = {"project_ref": "default", "name": name, "type": "redis", "config": {"production": True}}
    async with system.client("owner") as client:
        made = await client.post(
            "/api/platform/databases", json=body | {"connection_string": system.engines["redis"]}
        )
        made.raise_for_status()
        path = f"/databases/{made.json()['id']}"
        try:
            page = await visit(f"/databases?search={name}")
            await expect(page.get_by_role("row", name=name)).to_contain_text("production")
            await page.get_by_role("grid", name="Databases").focus()
            await page.keyboard.press("ArrowDown")
            await page.keyboard.press("Enter")
            await expect(page.get_by_text("This is a production database")).to_be_visible()
            await page.get_by_role("link", name="Browse keys").click()
            await expect(page.locator("main header").get_by_text("production")).to_be_visible()
        finally:
            answer = await client.delete(f"/api/platform{path}")
            token = answer.json()["details"][0]["metadata"]["confirmation"]
            await client.delete(f"/api/platform{path}", headers={"x-confirmation": token})


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        ("redis", ["valkey", "of 10,000"]),
        ("mongodb", ["replica set", "open"]),
        ("postgres", ["primary", "at work"]),
        ("bun_api", ["1.2.0", "at most"]),
    ],
)
async def test_a_database_tells_of_its_server_and_its_connections(
    visit: Open, database_ids: dict[str, str], kind: str, facts: list[str]
) -> None:
    page = await visit(f"/databases/{database_ids[kind]}", role="read_only")
    server = page.get_by_role("region", name="Server")
    for fact in facts:
        await expect(server).to_contain_text(fact)


async def test_a_service_that_dies_shows_and_comes_back(
    visit: Open, system: LocalSystem, database_ids: dict[str, str]
) -> None:
    page = await visit(f"/databases/{database_ids['bun_api']}/bun?view=health")
    await expect(page.get_by_text("healthy", exact=True)).to_be_visible()
    system.crash("bun_proxy")
    try:
        await page.reload()
        await expect(page.get_by_role("alert")).to_be_visible()
    finally:
        system.start("bun_proxy")
        system.wait_reached()
    # By itself: the page asks again every few seconds.
    await expect(page.get_by_text("healthy", exact=True)).to_be_visible(timeout=60_000)
