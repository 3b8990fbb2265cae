"""The public keys of user tokens, fetched from a JWKS (RFC 7517) and kept for a while."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import jwt

from services.runtime import context
from services.runtime.auth.tokens import ASYMMETRIC
from services.runtime.errors import StudioError
from services.runtime.logs import get_logger
from studio.options.v1.errors_pb2 import ERROR_REASON_AUTH_INVALID_TOKEN, ERROR_REASON_SERVICE_UNAVAILABLE

KEEP_S = 300.0
"""Age at which the set is fetched again, behind the calls' backs; at twice this age calls wait for it."""
REFETCH_AFTER_S = 10.0
"""Seconds between two fetches that an unknown key id may cause: forged ids must not become a load."""
RETRY_AFTER_S = 1.0
"""Seconds between two fetches while nothing is known, because the server is down."""
TIMEOUT_S = 3.0
MAX_BYTES = 1 << 20

log = get_logger(__name__)


class Jwks:
    """The keys behind one URL. Used from one event loop.

    Args:
        url: `http(s)://…/.well-known/jwks.json`.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        """When the keys were fetched, or, once there are some, when that was last tried."""
        self._failed_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def key(self, key_id: str) -> jwt.PyJWK:
        """The key of this id; fetches the set when it is unknown or old.

        Raises:
            StudioError: AUTH_INVALID_TOKEN when there is no such key, SERVICE_UNAVAILABLE when nothing is known and
                the set can't be fetched.
        """
        now = asyncio.get_running_loop().time()
        age = now - self._fetched_at
        found = self._keys.get(key_id)
        if found is not None and age <= KEEP_S:
            return found
        if age > (REFETCH_AFTER_S if found is None else KEEP_S) and now - self._failed_at > RETRY_AFTER_S:
            fetching = self._start_fetching()
            if found is None or age > 2 * KEEP_S:
                # Shared by all who wait: one that goes away must not cancel it for the others.
                await asyncio.shield(fetching)
        return self._known(key_id)

    async def aclose(self) -> None:
        """Stops a fetch that is under way."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])

    def _known(self, key_id: str) -> jwt.PyJWK:
        found = self._keys.get(key_id)
        if found is not None:
            return found
        if not self._keys and self._failed_at > self._fetched_at:
            raise StudioError(ERROR_REASON_SERVICE_UNAVAILABLE, "The keys that sign tokens can't be fetched.")
        raise StudioError(
            ERROR_REASON_AUTH_INVALID_TOKEN,
            "The token is not valid: it is signed with a key that is not known.",
        )

    def _start_fetching(self) -> asyncio.Task[None]:
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._refresh(), name="jwks", context=context.shared())
            self._fetching.add_done_callback(self._fetched)
        return self._fetching

    def _fetched(self, _task: asyncio.Task[None]) -> None:
        self._fetching = None

    async def _refresh(self) -> None:
        """Fetches the set; goes on with the old one when that fails."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                self._keys = _usable(await self._fetch())
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, RecursionError) as error:
            log.warning("jwks.fetch_failed", error=str(error) or type(error).__name__)
            self._failed_at = loop.time()
            if not self._keys:
                return
        self._fetched_at = loop.time()

    async def _fetch(self) -> bytes:
        body = bytearray()
        async with (
            httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False) as client,
            client.stream("GET", self._url, headers={"accept": "application/json"}) as response,
        ):
            response.raise_for_status()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise ValueError(f"the key set is larger than {MAX_BYTES} bytes")
        return bytes(body)


def _usable(body: bytes) -> dict[str, jwt.PyJWK]:
    """The keys of a set that we can use, by their ids; others don't matter.

    Raises:
        ValueError: it is no key set.
    """
    found = json.loads(body)
    listed = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(listed, list):
        raise ValueError("the answer is no key set")  # noqa: TRY004  the answer's content, not an argument's type
    keys = (_key(each) for each in listed if isinstance(each, dict))
    return {str(key.key_id): key for key in keys if key is not None}


def _key(jwk: dict[str, Any]) -> jwt.PyJWK | None:
    try:
        key = jwt.PyJWK.from_dict(jwk)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        log.warning("jwks.key_unusable", key_id=str(jwk.get("kid", "")), error=type(error).__name__)
        return None
    return key if key.key_id and key.algorithm_name in ASYMMETRIC and jwk.get("use", "sig") == "sig" else None
