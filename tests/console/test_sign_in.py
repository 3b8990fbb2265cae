"""Who gets to see the pages, and for how long."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.console.conftest import Open
from tests.support.local_system import LocalSystem

LABEL = "Token or API key"


async def signed_in(page: Page) -> None:
    await expect(page.get_by_role("grid", name="Databases")).to_be_visible()


async def test_a_token_signs_in_and_out_again(visit: Open, system: LocalSystem) -> None:
    page = await visit("/", role=None)
    await page.get_by_label(LABEL).fill(system.token("developer"))
    await page.get_by_role("button", name="Sign in").click()
    await signed_in(page)
    # Nothing that a script can read tells who is signed in by what.
    assert await page.evaluate("document.cookie") == ""
    assert system.token("developer")[:20] not in await page.evaluate(
        "JSON.stringify([{...localStorage}, {...sessionStorage}])"
    )
    await page.get_by_role("button", name="Signed in as developer@local").click()
    await page.get_by_role("menuitem", name="Sign out").click()
    await expect(page.get_by_label(LABEL)).to_be_visible()
    await page.reload()
    await expect(page.get_by_label(LABEL)).to_be_visible()


async def test_a_wrong_token_says_what_is_wrong(visit: Open) -> None:
    page = await visit("/databases", role=None)
    await page.get_by_label(LABEL).fill("nonsense")
    await page.get_by_label(LABEL).press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("is not accepted")
    await expect(page.get_by_label(LABEL)).to_be_focused()


async def test_a_link_signs_in_once(visit: Open, system: LocalSystem) -> None:
    link = system.sign_in_link()
    page = await visit(link, role=None)
    await signed_in(page)
    assert "#" not in page.url
    again = await visit(link, role=None)
    await expect(again.get_by_role("alert")).to_contain_text("ended")
    token = link.partition("sign-in=")[2]
    answer = await again.request.get("/api/platform/databases", headers={"authorization": f"Bearer {token}"})
    assert answer.status == 401


async def test_a_session_that_ends_elsewhere_asks_to_sign_in_again(visit: Open) -> None:
    page = await visit("/databases")
    await signed_in(page)
    session = await (await page.request.get("/api/platform/session")).json()
    await page.request.delete("/api/platform/session", headers={"x-csrf-token": session["csrf_token"]})
    await page.get_by_label("Type").select_option("redis")
    await expect(page.get_by_label(LABEL)).to_be_visible()


async def test_what_was_typed_is_kept_while_one_signs_in_again(visit: Open, system: LocalSystem) -> None:
    page = await visit("/databases")
    await page.get_by_role("button", name="Add database").first.click()
    panel = page.get_by_role("dialog", name="Add a database")
    await panel.get_by_label("Name", exact=True).fill("half-written")
    await panel.get_by_label("Connection string").fill("redis://127.0.0.1:1")
    await page.context.clear_cookies()
    await panel.get_by_role("button", name="Test connection").click()
    again = page.get_by_role("dialog", name="Sign in again")
    await expect(again).to_contain_text("Your session has ended")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    await again.get_by_label(LABEL).fill(system.token("owner"))
    await again.get_by_label(LABEL).press("Enter")
    await expect(again).to_have_count(0)
    await expect(panel.get_by_label("Name", exact=True)).to_have_value("half-written")
    await panel.get_by_role("button", name="Test connection").click()
    await expect(panel.get_by_role("region", name="Result of the test")).to_be_visible()


async def test_somebody_else_sees_nothing_of_the_session_before(visit: Open, system: LocalSystem) -> None:
    page = await visit("/databases")
    await signed_in(page)
    await page.context.clear_cookies()
    await page.get_by_label("Type").select_option("redis")
    await page.get_by_label(LABEL).fill(system.token("read_only"))
    await page.get_by_label(LABEL).press("Enter")
    await signed_in(page)
    await expect(page.get_by_role("button", name="Signed in as read_only@local")).to_be_visible()
    await expect(page.get_by_role("button", name="Add database")).to_have_count(0)


async def test_the_address_is_kept_while_one_signs_in(visit: Open, system: LocalSystem) -> None:
    page = await visit("/project/default/databases?type=redis", role=None)
    await page.get_by_label(LABEL).fill(system.token("read_only"))
    await page.get_by_label(LABEL).press("Enter")
    await signed_in(page)
    await expect(page.get_by_label("Type")).to_have_value("redis")
    await expect(page.get_by_role("row", name="sample-redis")).to_be_visible()
    await expect(page.get_by_role("row", name="sample-mongodb")).to_have_count(0)
