"""Asks an API how it is, and says what its answer means."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urljoin, urlsplit

from services.bun_proxy.client import ApiClient
from services.bun_proxy.probe import bounds
from services.bun_proxy.probe.ask import Answer, get
from services.bun_proxy.probe.places import HEALTH, Places
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

UNREACHED = frozenset(
    {
        e.ERROR_REASON_DB_ADDRESS_DENIED,
        e.ERROR_REASON_DB_CONNECTION_FAILED,
        e.ERROR_REASON_DB_PROTOCOL_ERROR,
        e.ERROR_REASON_DB_TIMEOUT,
        e.ERROR_REASON_DB_TLS_FAILED,
        e.ERROR_REASON_DB_UNAVAILABLE,
    }
)
"""Failures that say something of the API, not of the request."""

_REFUSED = frozenset({401, 403})
_MISSING = frozenset({404, 405, 501})
_BUSY = 429
_REDIRECTS = range(300, 400)
_FINE = range(200, 400)
_FAILED = 500


class Status(StrEnum):
    """How an API is."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    UNAUTHORIZED = "unauthorized"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer means."""

    status: Status
    message: str
    hint: str = ""
    reason: e.ErrorReason.ValueType = e.ERROR_REASON_UNSPECIFIED
    """Why it is not healthy."""


@dataclass(frozen=True, slots=True)
class Health:
    """How an API is, and what it answered."""

    verdict: Verdict
    answer: Answer | None


async def check(api: ApiClient, places: Places) -> Health:
    """How an API is; one that can't be reached is an answer.

    Raises:
        StudioError: RESOURCE_EXHAUSTED, and others that are not the API's.
    """
    try:
        answer = await look(api, places, within_s=bounds.HEALTH_S)
    except StudioError as error:
        if error.reason not in UNREACHED:
            raise
        return Health(Verdict(Status.UNREACHABLE, error.message, error.hint, error.reason), None)
    return Health(judge(api, answer, places), answer)


async def look(api: ApiClient, places: Places, *, within_s: float, with_key: bool = True) -> Answer:
    """The answer of the first health path that is there, or of the last one.

    Raises:
        StudioError: as `ask.get`.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + within_s
    for at, path in enumerate(places.health, 1):
        answer = await get(
            api,
            path,
            max_bytes=bounds.HEALTH_BODY_BYTES,
            within_s=max(0.001, end - loop.time()),
            with_key=with_key,
        )
        if answer.status not in _MISSING or at == len(places.health):
            return answer
    raise ValueError("no health path")


def judge(api: ApiClient, answer: Answer, places: Places) -> Verdict:
    """What the answer of a health path means."""
    asked = f"GET {answer.path} is answered with {answer.status}"
    if answer.status in _FINE:
        return Verdict(Status.HEALTHY, f"{asked}.", _redirect_hint(api, answer))
    if answer.status in _REFUSED:
        return _refused(api, answer, asked)
    if answer.status >= _FAILED or answer.status == _BUSY:
        return Verdict(
            Status.UNHEALTHY,
            f"{asked}.",
            "The API is there and fails; its own log may tell why.",
            e.ERROR_REASON_DB_UNAVAILABLE,
        )
    if places.health_is_configured:
        return Verdict(
            Status.UNHEALTHY,
            f"{asked}.",
            "`health_path` in the config of the database names the path that is asked.",
            e.ERROR_REASON_DB_QUERY_ERROR,
        )
    if answer.status in _MISSING:
        return Verdict(
            Status.HEALTHY,
            f"The API answers, and has none of the paths {', '.join(HEALTH)}.",
            "`health_path` in the config of the database names a better one.",
        )
    return Verdict(Status.HEALTHY, f"{asked}.")


def _refused(api: ApiClient, answer: Answer, asked: str) -> Verdict:
    options = api.options
    if options.auth_value is None:
        return Verdict(
            Status.UNAUTHORIZED,
            f"{asked}: the API asks for a key, and none is stored.",
            "Write it into the connection string, as https://:key@host.",
            e.ERROR_REASON_DB_INVALID_CREDENTIALS,
        )
    wanted = answer.header("www-authenticate").partition(" ")[0][: bounds.WORD_CHARS]
    also = f" It asks for {wanted}." if wanted.isalnum() else ""
    return Verdict(
        Status.UNAUTHORIZED,
        f"{asked}: the API refuses the stored key.",
        f"It is sent in the header {options.auth_header.decode()}; `auth_header` and `auth_scheme` in the config of "
        f"the database change that.{also}",
        e.ERROR_REASON_DB_INVALID_CREDENTIALS,
    )


def _redirect_hint(api: ApiClient, answer: Answer) -> str:
    """Advice where an API sends its callers to another origin, which is not followed."""
    if answer.status not in _REDIRECTS:
        return ""
    try:
        place = urlsplit(urljoin(f"{api.options.origin}{answer.path}", answer.header("location")))
        origin = f"{place.scheme}://{place.hostname or ''}" + (f":{place.port}" if place.port else "")
    except ValueError:
        return ""
    if origin == api.options.origin or not origin.isprintable():
        return ""
    return f"It redirects to {origin[:300]}, which is not followed: should that be the base URL?"
