"""A Bun API: requests from its routes, answers as they come, the calls that were made."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.console.conftest import Open


async def choose(page: Page, summary: str) -> None:
    await (
        page.get_by_role("complementary", name="Routes")
        .get_by_role("button")
        .filter(has_text=summary)
        .first.click()
    )


async def test_a_route_fills_the_request_and_its_answer_is_laid_out(
    visit: Open, database_ids: dict[str, str]
) -> None:
    page = await visit(f"/databases/{database_ids['bun_api']}/bun")
    await choose(page, "One book")
    await page.get_by_label("id").fill("2")
    await expect(page.get_by_label("Path and query")).to_have_value("/books/2")
    await page.get_by_label("Path and query").press("Enter")
    answer = page.get_by_role("region", name="Answer")
    await expect(answer).to_contain_text("200 OK")
    await expect(answer).to_contain_text("to the headers")
    await expect(answer.get_by_label("Body of the answer")).to_contain_text("Solaris")
    await answer.get_by_role("tab", name="Headers").click()
    await expect(answer).to_contain_text("content-type")

    await page.get_by_label("Path and query").fill("/books/404")
    await page.get_by_role("button", name="Send").click()
    await expect(answer).to_contain_text("404")
    await page.get_by_role("button", name="Recent calls").click()
    await expect(page.get_by_role("grid", name="Recent calls").get_by_text("/books/404")).to_be_visible()


async def test_a_chosen_route_is_in_the_address(visit: Open, database_ids: dict[str, str]) -> None:
    page = await visit(f"/databases/{database_ids['bun_api']}/bun")
    path = page.get_by_label("Path and query")
    await choose(page, "One book")
    await page.get_by_label("id").fill("2")
    await expect(path).to_have_value("/books/2")
    await choose(page, "A stream of events")
    await expect(path).to_have_value("/ticks")
    await page.reload()
    await expect(path).to_have_value("/ticks")
    await page.go_back()
    await expect(page.get_by_label("id")).to_be_visible()
    await page.get_by_role("button", name="Health", exact=True).click()
    await page.get_by_role("button", name="Requests", exact=True).click()
    await expect(page.get_by_label("id")).to_be_visible()


async def test_a_stream_shows_while_it_comes_and_is_stopped(
    visit: Open, database_ids: dict[str, str]
) -> None:
    page = await visit(f"/databases/{database_ids['bun_api']}/bun")
    await choose(page, "A stream of events")
    await page.get_by_label("Path and query").fill("/ticks?n=100000&interval_ms=50")
    await page.get_by_role("button", name="Send").click()
    answer = page.get_by_role("region", name="Answer")
    await expect(answer).to_contain_text("still coming")
    await expect(answer.get_by_label("Body of the answer")).to_contain_text("data")
    await page.get_by_role("button", name="Stop").click()
    await expect(answer).not_to_contain_text("still coming")
    await expect(page.get_by_role("button", name="Send")).to_be_visible()
