"""Who may do what, and what was done: grants, API keys, the audit log."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from playwright.async_api import expect

from tests.console.conftest import Open
from tests.support.local_system import LocalSystem


async def test_a_grant_is_given_and_taken_back(visit: Open, database_ids: dict[str, str]) -> None:
    subject = f"walker-{secrets.token_hex(4)}"
    page = await visit(f"/databases/{database_ids['redis']}?tab=access")
    await page.get_by_label("Subject").fill(subject)
    await page.get_by_label("Right").select_option("write")
    await page.get_by_label("Subject").press("Enter")
    row = page.get_by_role("row", name=subject)
    await expect(row).to_contain_text("write")
    await expect(page.get_by_label("Subject")).to_have_value("")

    await row.get_by_role("button", name=f"Take back the grant of {subject}").click()
    sure = page.get_by_role("dialog", name="Take the grant back?")
    await expect(sure).to_contain_text(subject)
    await page.keyboard.press("Escape")
    await expect(sure).to_have_count(0)
    await row.get_by_role("button").click()
    await sure.get_by_role("button", name="Take back").click()
    await expect(row).to_have_count(0)


async def test_a_key_is_shown_once_signs_in_and_is_revoked(visit: Open, system: LocalSystem) -> None:
    name = f"walk {secrets.token_hex(4)}"
    page = await visit("/api-keys")
    await page.get_by_role("button", name="Issue a key").first.click()
    form = page.get_by_role("dialog", name="Issue an API key")
    await form.get_by_label("Name").fill(name)
    await form.get_by_label("Role").select_option("read_only")
    await form.get_by_role("button", name="Issue").click()
    issued = page.get_by_role("dialog", name=f"{name} is issued")
    key = (await issued.locator("code").inner_text()).strip()
    system.credentials.add(key)
    await issued.get_by_role("button", name="Done").click()
    row = page.get_by_role("row", name=name)
    await expect(row).to_contain_text("valid")
    assert key not in await page.content()

    holder = await visit("/databases", role=None)
    await holder.get_by_label("Token or API key").fill(key)
    await holder.get_by_label("Token or API key").press("Enter")
    await expect(holder.get_by_role("grid", name="Databases")).to_be_visible()
    await expect(holder.get_by_role("button", name="Add database")).to_have_count(0)

    await row.get_by_role("button", name="Revoke").click()
    await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    await expect(row).to_contain_text("revoked")
    await expect(row.get_by_role("button", name="Revoke")).to_have_count(0)
    # What was signed in by it is signed out at its next call.
    await holder.get_by_label("Type").select_option("redis")
    await expect(holder.get_by_label("Token or API key")).to_be_visible()


async def test_the_audit_log_is_narrowed_looked_at_and_exported(
    visit: Open, system: LocalSystem, database_ids: dict[str, str], tmp_path: Path
) -> None:
    key = f"walk:{secrets.token_hex(6)}"
    async with system.client("developer") as client:
        path = f"/api/platform/redis/{database_ids['redis']}/set"
        assert (await client.post(path, json={"key": key, "value": "1"})).is_success
    page = await visit("/audit")
    await page.get_by_label("Target").fill(key)
    await page.get_by_label("Effect").select_option("changes")
    await page.get_by_label("Time").select_option("1 hour")
    log = page.get_by_role("grid", name="Audit log")
    await expect(log.get_by_role("row", name=key)).to_have_count(1)
    # A link says what is looked for.
    await page.reload()
    await expect(page.get_by_label("Target")).to_have_value(key)
    await expect(page.get_by_label("Time")).to_have_value("1 hour")
    await expect(log.get_by_role("row", name=key)).to_have_count(1)

    await log.focus()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    details = page.get_by_role("dialog")
    await expect(details).to_contain_text("developer@local")
    await page.keyboard.press("Escape")
    await expect(log).to_be_focused()

    async with page.expect_download() as saving:
        await page.get_by_role("button", name="Export").click()
    saved = tmp_path / "events.ndjson"
    await (await saving.value).save_as(saved)
    events = [json.loads(line) for line in saved.read_text().splitlines()]
    assert [each["target"]["key"] for each in events] == [key]

    await page.get_by_label("Outcome").select_option("denied")
    await expect(page.get_by_text("No event matches.")).to_be_visible()
