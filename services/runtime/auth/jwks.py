"""The public keys of user tokens, fetched from a JWKS (RFC 7517) and kept for a while."""

from __future__ import annotations

import asyncio

import httpx
import jwt

from services.runtime.errors import StudioError
from services.runtime.logs import get_logger
from studio.options.v1.errors_pb2 import ERROR_REASON_AUTH_INVALID_TOKEN, ERROR_REASON_SERVICE_UNAVAILABLE

ALGORITHMS = ("ES256", "RS256", "EdDSA")
"""Asymmetric only: a public key must never be taken for an HMAC secret."""
KEEP_S = 300.0
REFETCH_AFTER_S = 10.0
"""Seconds between two fetches that an unknown key id may cause: forged ids must not become a load."""
TIMEOUT_S = 3.0
MAX_BYTES = 1 << 20

log = get_logger(__name__)


class Jwks:
    """The keys behind one URL.

    Args:
        url: `http(s)://…/.well-known/jwks.json`.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at: float | None = None
        self._lock = asyncio.Lock()

    async def key(self, key_id: str) -> jwt.PyJWK:
        """The key of this id; fetches the set when it is unknown or old.

        Raises:
            StudioError: AUTH_INVALID_TOKEN when there is no such key, SERVICE_UNAVAILABLE when nothing is known and
                the set can't be fetched.
        """
        now = asyncio.get_running_loop().time()
        if self._age(now) > KEEP_S or (key_id not in self._keys and self._age(now) > REFETCH_AFTER_S):
            await self._refresh(now)
        found = self._keys.get(key_id)
        if found is None:
            raise StudioError(
                ERROR_REASON_AUTH_INVALID_TOKEN, "the token is signed with a key that is not known"
            )
        return found

    def _age(self, now: float) -> float:
        return float("inf") if self._fetched_at is None else now - self._fetched_at

    async def _refresh(self, asked_at: float) -> None:
        async with self._lock:
            if self._fetched_at is not None and self._fetched_at >= asked_at:
                return
            try:
                self._keys = await self._fetch()
            except (httpx.HTTPError, ValueError, jwt.PyJWTError) as error:
                log.warning("jwks.fetch_failed", error=str(error) or type(error).__name__)
                if not self._keys:
                    raise StudioError(
                        ERROR_REASON_SERVICE_UNAVAILABLE, "the keys that sign tokens can't be fetched"
                    ) from error
            self._fetched_at = asyncio.get_running_loop().time()

    async def _fetch(self) -> dict[str, jwt.PyJWK]:
        async with httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False) as client:
            response = await client.get(self._url, headers={"accept": "application/json"})
        response.raise_for_status()
        if len(response.content) > MAX_BYTES:
            raise ValueError(f"the key set is larger than {MAX_BYTES} bytes")
        keys = jwt.PyJWKSet.from_dict(response.json()).keys
        return {key.key_id: key for key in keys if key.key_id and key.algorithm_name in ALGORITHMS}
