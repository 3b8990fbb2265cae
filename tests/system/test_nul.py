"""PostgreSQL stores no NUL in a text: whoever sends one reads which field it is in."""

from __future__ import annotations

import pytest

from tests.support.local_system import LocalSystem

API = "/api/platform"
NUL = "a\0b"


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/audit-log", "actor"),
        ("/audit-log", "project"),
        ("/audit-log", "request_id"),
        ("/audit-log/export", "target"),
        ("/audit-log/export", "database"),
        ("/databases/{id}/audit-log", "target"),
        ("/databases", "search"),
        ("/databases", "project_ref"),
        ("/databases/stats", "project_ref"),
    ],
)
async def test_a_filter_holds_no_nul(system: LocalSystem, path: str, field: str) -> None:
    async with system.client("owner") as http:
        known = (await http.get(f"{API}/databases")).json()[0]["id"]
        answer = await http.get(f"{API}{path.format(id=known)}", params={field: NUL})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_ARGUMENT"), answer.text
    assert field in answer.json()["message"]


@pytest.mark.parametrize("given", [{"name": NUL}, {"name": "a", "project_refs": [NUL]}])
async def test_an_api_key_has_no_nul_in_its_name(system: LocalSystem, given: dict[str, object]) -> None:
    async with system.client("owner") as http:
        answer = await http.post(f"{API}/api-keys", json={"role": "none", **given})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_ARGUMENT"), answer.text
