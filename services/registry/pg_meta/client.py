"""What the registry itself asks of pg-meta: one statement at a time, small answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import httpx

from services.registry.crypto_js import seal_legacy
from services.registry.pg_meta.bounds import MAX_ANSWER_BYTES, MAX_CONCURRENT

HEADER = "x-connection-encrypted"
NOT_DECRYPTED = (
    "failed to process upstream connection details",
    "failed to get upstream connection details",
)
"""What pg-meta says when what it decrypts is no connection string; the second, when it is nothing at all: with another
key chance decides which, since crypto-js takes the last byte for the padding's length."""


class PgMetaError(Exception):
    """pg-meta did not answer with rows."""


class AwayError(PgMetaError):
    """pg-meta itself can't be asked, or does not speak as pg-meta does."""


@dataclass
class FailedError(PgMetaError):
    """What was asked failed: the connection, the login, or the statement."""

    message: str
    """As `pg` or PostgreSQL say it."""
    code: str
    """SQLSTATE, or a code of Node.js; empty where there is none."""


class PgMeta:
    """One pg-meta.

    Args:
        url: where it is.
        crypto_key: its `CRYPTO_KEY`.
    """

    def __init__(self, url: str, crypto_key: str) -> None:
        self._crypto_key = crypto_key
        limits = httpx.Limits(max_connections=MAX_CONCURRENT)
        # Beside us: a proxy in the environment is there for the way out.
        self._http = httpx.AsyncClient(base_url=url, trust_env=False, limits=limits)

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    def seal(self, connection_string: str) -> str:
        """The value of the header that leads pg-meta to a database."""
        return seal_legacy(connection_string, self._crypto_key)

    async def query(self, connection_string: str, sql: str) -> list[dict[str, Any]]:
        """The rows of a statement. The caller bounds the time.

        Raises:
            FailedError, AwayError: there are none.
        """
        headers = {HEADER: self.seal(connection_string)}
        try:
            async with self._http.stream(
                "POST", "/query", json={"query": sql}, headers=headers, timeout=None
            ) as answer:
                body = await _read(answer)
        except httpx.HTTPError as error:
            raise AwayError(type(error).__name__) from error
        try:
            found = json.loads(body)
        except ValueError:
            raise AwayError(f"status {answer.status_code} without JSON") from None
        if answer.is_success and isinstance(found, list):
            return found
        if isinstance(found, dict) and (message := found.get("message") or found.get("error")):
            raise FailedError(str(message), str(found.get("code") or ""))
        raise AwayError(f"status {answer.status_code}")


async def _read(answer: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in answer.aiter_bytes():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise AwayError("an answer without end")
    return bytes(body)
