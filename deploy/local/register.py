"""Registers the sample engines in the way every user does: through the gateway's REST API."""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import urlsplit

import httpx

from deploy.local.options import LocalError

PROJECT_REF = "default"
DESCRIPTION = "Sample data of the local system"
TIMEOUT_S = 30.0


def name_of(type_: str) -> str:
    """The name under which the engine of a type is registered: `sample-redis`, `sample-bun`."""
    return f"sample-{type_.removesuffix('_api')}"


def register(
    gateway_url: str,
    token: str,
    *,
    type_: str,
    connection_string: str,
    context: ssl.SSLContext | None = None,
) -> None:
    """Makes sure that the database `sample-<type>` exists and leads to `connection_string`.

    An engine that the user has switched off is no obstacle: nothing of it is registered then.

    With https, `context` says what is trusted.

    Raises:
        LocalError: the gateway refused it, with its reason.
    """
    name = name_of(type_)
    body = {
        "projectRef": PROJECT_REF,
        "name": name,
        "type": type_,
        "connectionString": connection_string,
        "description": DESCRIPTION,
    }
    with httpx.Client(
        base_url=f"{gateway_url}/api/platform",
        headers={"authorization": f"Bearer {token}"},
        timeout=TIMEOUT_S,
        trust_env=False,
        verify=context or True,
    ) as client:
        created = client.post("/databases", json=body)
        if created.status_code == httpx.codes.CREATED or _is_disabled(created):
            return
        if created.status_code != httpx.codes.CONFLICT:
            raise LocalError(f"could not register {name}: {_reason(created)}")
        existing = _find(client, name)
        if _first_host(connection_string) == (existing["host"], existing["port"]):
            return
        # Its port was taken when this run began, so it listens on another one.
        changed = client.patch(f"/databases/{existing['id']}", json={"connectionString": connection_string})
        if not changed.is_success:
            raise LocalError(f"{name} leads to an old address and could not be changed: {_reason(changed)}")


def _is_disabled(answer: httpx.Response) -> bool:
    return answer.status_code == httpx.codes.NOT_FOUND and "ENGINE_DISABLED" in answer.text


def _first_host(connection_string: str) -> tuple[str | None, int | None]:
    # urlsplit takes a list of hosts for one with a strange port.
    hosts = urlsplit(connection_string).netloc.rpartition("@")[2]
    first = urlsplit(f"//{hosts.partition(',')[0]}")
    return first.hostname, first.port


def _find(client: httpx.Client, name: str) -> dict[str, Any]:
    listed = client.get("/databases", params={"projectRef": PROJECT_REF, "search": name})
    if listed.is_success:
        for database in listed.json():
            if database["name"] == name:
                found: dict[str, Any] = database
                return found
    raise LocalError(f"{name} is taken, but not listed: {_reason(listed)}")


def _reason(answer: httpx.Response) -> str:
    try:
        return f"{answer.json()['message']} ({answer.status_code})"
    except (ValueError, KeyError, TypeError):
        return f"{answer.status_code} {answer.text[:200]}"
