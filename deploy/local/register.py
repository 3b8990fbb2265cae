"""Registers the sample Redis in the way every user does: through the gateway's REST API."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx

from deploy.local.options import LocalError

NAME = "sample-redis"
PROJECT_REF = "default"
DESCRIPTION = "Sample data of the local system"
TIMEOUT_S = 30.0


def register_redis(gateway_url: str, token: str, connection_string: str) -> None:
    """Makes sure that the database `sample-redis` exists and leads to `connection_string`.

    Raises:
        LocalError: the gateway refused it, with its reason.
    """
    body = {
        "projectRef": PROJECT_REF,
        "name": NAME,
        "type": "redis",
        "connectionString": connection_string,
        "description": DESCRIPTION,
    }
    with httpx.Client(
        base_url=f"{gateway_url}/api/platform",
        headers={"authorization": f"Bearer {token}"},
        timeout=TIMEOUT_S,
        trust_env=False,
    ) as client:
        created = client.post("/databases", json=body)
        if created.status_code == httpx.codes.CREATED:
            return
        if created.status_code != httpx.codes.CONFLICT:
            raise LocalError(f"could not register {NAME}: {_reason(created)}")
        existing = _find(client)
        wanted = urlsplit(connection_string)
        if (wanted.hostname, wanted.port) == (existing["host"], existing["port"]):
            return
        # Its port was taken when this run began, so it listens on another one.
        changed = client.patch(f"/databases/{existing['id']}", json={"connectionString": connection_string})
        if not changed.is_success:
            raise LocalError(f"{NAME} leads to an old address and could not be changed: {_reason(changed)}")


def _find(client: httpx.Client) -> dict[str, Any]:
    listed = client.get("/databases", params={"projectRef": PROJECT_REF, "search": NAME})
    if listed.is_success:
        for database in listed.json():
            if database["name"] == NAME:
                found: dict[str, Any] = database
                return found
    raise LocalError(f"{NAME} is taken, but not listed: {_reason(listed)}")


def _reason(answer: httpx.Response) -> str:
    try:
        return f"{answer.json()['message']} ({answer.status_code})"
    except (ValueError, KeyError, TypeError):
        return f"{answer.status_code} {answer.text[:200]}"
