"""Finds an API's OpenAPI document: asks the places where one may be, one after the other, and reads the first."""

from __future__ import annotations

import asyncio
from urllib.parse import urljoin, urlsplit

from services.bun_proxy.client import ApiClient
from services.bun_proxy.discovery import bounds, openapi, trees
from services.bun_proxy.discovery.model import Document
from services.bun_proxy.forward import paths
from services.bun_proxy.probe.ask import Answer, get
from services.bun_proxy.probe.places import Places
from services.runtime import context
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

ACCEPT = "application/json, application/vnd.oai.openapi+json, application/yaml;q=0.9, */*;q=0.5"
_OK = 200
_REFUSED = frozenset({401, 403})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


async def find(api: ApiClient, places: Places, reading: asyncio.Semaphore) -> Document:
    """The document.

    Args:
        api: whose.
        places: where it may be.
        reading: bounds how many documents are read at a time.

    Raises:
        StudioError: API_DOCUMENT_NOT_FOUND, API_DOCUMENT_INVALID; where the API can't be reached as `ask.get`.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + context.remaining_s(bounds.FIND_S)
    refused = 0
    for path in places.documents:
        answer = await _follow(api, path, end)
        if answer.status == _OK:
            try:
                return await _read(api, answer, reading)
            except trees.UnreadableError as error:
                # A server may answer every path with its start page.
                if places.document_is_configured or not error.is_other:
                    raise _invalid(answer.path, error.why) from None
        refused += answer.status in _REFUSED
        if places.document_is_configured:
            raise _missing(f"GET {path} is answered with {answer.status}.", _configured_hint(refused))
    tried = len(places.documents)
    raise _missing(
        f"The API has no OpenAPI document at any of the {tried} usual paths.",
        f"It refuses {refused} of them: is its key right?"
        if refused == tried
        else "`openapi_path` in the config of the database says where it is; /openapi.json is the commonest.",
    )


async def _follow(api: ApiClient, path: str, end: float) -> Answer:
    """The answer at a path, or where it redirects to within the API."""
    left = bounds.REDIRECTS
    while True:
        left_s = end - asyncio.get_running_loop().time()
        answer = await get(
            api,
            path,
            max_bytes=bounds.DOCUMENT_BYTES,
            within_s=max(0.001, min(bounds.PLACE_S, left_s)),
            accept=ACCEPT,
        )
        target = _target(api, answer) if left and answer.status in _REDIRECTS else None
        if target is None:
            return answer
        path = target
        left -= 1


def _target(api: ApiClient, answer: Answer) -> str | None:
    """Where a redirect leads, below the base path; None for any other place."""
    base, origin = api.options.base_path, api.options.origin
    try:
        place = urlsplit(urljoin(f"{origin}{base}{answer.path}", answer.header("location")))
        same = f"{place.scheme}://{place.netloc}".lower() == origin.lower()
        path = place.path[len(base) :] if place.path.startswith(f"{base}/") else ""
        if not same or not path or not path.isascii() or not path.isprintable() or " " in path:
            return None
        paths.check(path)
    except (ValueError, StudioError):
        return None
    return path


async def _read(api: ApiClient, answer: Answer, reading: asyncio.Semaphore) -> Document:
    if answer.truncated:
        raise trees.UnreadableError(
            f"is larger than {bounds.DOCUMENT_BYTES >> 20} MiB",
            is_other=not any(name in answer.body[:4096] for name in (b"openapi", b"swagger")),
        )
    encoding = answer.header("content-encoding").strip().lower()
    if encoding not in {"", "identity"}:
        raise trees.UnreadableError("comes compressed, though it was asked for as it is")
    async with reading:
        return await asyncio.to_thread(_parse, answer, api.options.base_path)


def _parse(answer: Answer, base_path: str) -> Document:
    return openapi.read(trees.parse(answer.body), path=answer.path, base_path=base_path)


def _configured_hint(refused: int) -> str:
    if refused:
        return "The API refuses the key for its document."
    return "`openapi_path` in the config of the database names the path that is asked."


def _missing(message: str, hint: str) -> StudioError:
    return StudioError(e.ERROR_REASON_API_DOCUMENT_NOT_FOUND, message, hint=hint)


def _invalid(path: str, why: str) -> StudioError:
    return StudioError(
        e.ERROR_REASON_API_DOCUMENT_INVALID,
        f"The document at {path} {why}.",
        hint="`openapi_path` in the config of the database can name another one.",
        metadata={"path": path},
    )
