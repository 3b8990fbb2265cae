"""Confirmations: what a dangerous call needs beside the role, so that one wrong click does nothing.

A token says that this caller was told that this very request, on this database, is dangerous. It is an HMAC with an
expiry, so that every process takes what another one gave, and nothing has to be stored.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
import time
from collections.abc import Collection, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from services.runtime.crypto import derive
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_CONFIRMATION_REQUIRED

HEADER = "x-confirmation"
"""Carries the token, over HTTP and gRPC."""
LIFETIME_S = 300
"""Seconds for which a confirmation of a call on a production database holds."""
OF_CALLS = b"calls"
"""The purpose of those."""

_INFO = b"studio-databases/v1/confirmation/"
_MAC_BYTES = 24
_MAX_DIGITS = 12


class Registered(Protocol):
    """A registered database, as far as asking about it needs it."""

    @property
    def id(self) -> str:
        """Its UUID, in lower case."""

    @property
    def name(self) -> str:
        """Name inside its project."""

    @property
    def config(self) -> Mapping[str, Any]:
        """Settings that are not secret."""


class Connections(Protocol):
    """Knows the registered databases."""

    async def connection(self, database_id: str) -> Registered:
        """One of them.

        Raises:
            StudioError: DB_NOT_FOUND, REGISTRY_UNAVAILABLE.
        """


class Confirmations:
    """Gives tokens and checks them.

    Args:
        secret: `SERVICE_TOKEN_SECRET`, which the processes of the system share.
        purpose: what is confirmed; tokens of one purpose are none of another.
        lifetime_s: whole seconds for which a token holds.
    """

    def __init__(self, secret: str, purpose: bytes = OF_CALLS, lifetime_s: int = LIFETIME_S) -> None:
        self._key = derive(secret, _INFO + purpose)
        self._lifetime_s = lifetime_s

    def issue(self, subject: Sequence[bytes], now: float) -> str:
        """A token for exactly this that holds from now on; `now` in seconds since 1970."""
        expiry = int(now) + self._lifetime_s
        return f"{expiry}.{self._mac(subject, expiry)}"

    def accepts(self, token: str, subject: Sequence[bytes], now: float) -> bool:
        """Whether a token is one for exactly this, and still holds."""
        expiry, _, mac = token.partition(".")
        if not (expiry.isascii() and expiry.isdecimal() and len(expiry) <= _MAX_DIGITS):
            return False
        known = hmac.compare_digest(mac.encode("utf-8", "replace"), self._mac(subject, int(expiry)).encode())
        return known and now < int(expiry)

    def demand(self, asked: Asked, token: str) -> None:
        """Passes a call whose token was given for it.

        Raises:
            StudioError: CONFIRMATION_REQUIRED, with a token in its metadata.
        """
        subject, now = asked.subject(), time.time()
        if self.accepts(token, subject, now):
            return
        again = "The confirmation is not for this request, or too old. " if token else ""
        why = f" {asked.why}" if asked.why else ""
        raise StudioError(
            ERROR_REASON_CONFIRMATION_REQUIRED,
            f"{again}{asked.database.name!r} is a production database.{why} Nothing was done.",
            hint=f"Send the same request again with the header `{HEADER}`: the token `confirmation`.",
            metadata={"confirmation": self.issue(subject, now)},
        )

    def _mac(self, subject: Sequence[bytes], expiry: int) -> str:
        digest = hmac.new(self._key, struct.pack(">Q", expiry), hashlib.sha256)
        # Every part with its length before it: two lists of parts never look the same.
        for part in subject:
            digest.update(struct.pack(">Q", len(part)))
            digest.update(part)
        return base64.urlsafe_b64encode(digest.digest()[:_MAC_BYTES]).decode()


@dataclass(frozen=True, slots=True)
class Asked:
    """A call that needs a confirmation."""

    caller: str
    """Who asks: the subject of the credential."""
    action: str
    """As the contract names it."""
    database: Registered
    """On which database."""
    request: Sequence[bytes]
    """What is asked for, in every part that counts."""
    why: str = ""
    """A sentence: what makes it dangerous. Empty where the call as such is."""

    def subject(self) -> list[bytes]:
        """What the token is bound to."""
        digest = hashlib.sha256()
        for part in self.request:
            digest.update(struct.pack(">Q", len(part)))
            digest.update(part)
        names = (self.caller, self.action, self.database.id)
        return [*(name.encode("utf-8", "surrogatepass") for name in names), digest.digest()]


class Question(Protocol):
    """What the step around the current handler can ask its caller."""

    async def if_production(self, why: str, database_id: str, without: Collection[str]) -> None:
        """As the function of this name."""


question: ContextVar[Question | None] = ContextVar("question", default=None)
"""Set by the step `confirm`."""


async def if_production(why: str, *, database_id: str = "", without: Collection[str] = ()) -> None:
    """Asks the caller for a confirmation where the database is one of production.

    For what a request's content makes dangerous; before anything is done.

    Args:
        why: a sentence that says so.
        database_id: another database than the one that the request names first: the target of a copy.
        without: fields of the request to which the token is not bound: content that comes in parts.

    Raises:
        StudioError: CONFIRMATION_REQUIRED; as `Connections.connection`.
    """
    asking = question.get()
    if asking is None:
        raise RuntimeError("this call has no step that could ask for a confirmation")
    await asking.if_production(why, database_id, without)
