"""Opens, renews and ends sessions of browsers. A session is stored nowhere but in its cookie; what ended is."""

from __future__ import annotations

import dataclasses
import secrets
import time
from dataclasses import dataclass, field

from services.registry.credentials.feed import CredentialFeed
from services.registry.credentials.store import LONGEST_SHOWN_S, CredentialStore, Ended
from services.runtime.auth.credentials import MAX_ENDED, Credentials
from services.runtime.auth.sessions import MAX_COOKIE_CHARS, SessionTokens, new_end
from services.runtime.context import Caller, Credential
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import (
    ERROR_REASON_NOT_FOUND,
    ERROR_REASON_PERMISSION_DENIED,
    ERROR_REASON_RESOURCE_EXHAUSTED,
)

ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Opened:
    """A session with its cookie."""

    caller: Caller
    """Who; `expires_at` is the end of the session."""
    csrf_token: str = field(repr=False)
    cookie: str = field(repr=False)
    """The cookie's value."""
    expires_at: float
    """When the cookie ends, in seconds since 1970."""


class Sessions:
    """The sessions of this system.

    Args:
        tokens: signs cookies.
        store: keeps what has ended.
        feed: told what ends.
        credentials: knows what has ended.
    """

    def __init__(
        self,
        tokens: SessionTokens,
        store: CredentialStore,
        feed: CredentialFeed,
        credentials: Credentials,
    ) -> None:
        self._tokens = tokens
        self._store = store
        self._feed = feed
        self._credentials = credentials

    async def open(self, caller: Caller) -> Opened:
        """A new session of a caller who shows a token or API key; a token that is for one session ends with it.

        Raises:
            StudioError: PERMISSION_DENIED for those who show something else; RESOURCE_EXHAUSTED when so many sessions
                have ended lately that more could not be remembered.
        """
        if caller.is_anonymous or caller.credential not in (Credential.TOKEN, Credential.API_KEY):
            raise StudioError(
                ERROR_REASON_PERMISSION_DENIED,
                "A session is opened with a user's token or an API key in the header `authorization`.",
            )
        if self._credentials.ended_count >= MAX_ENDED // 2:
            raise StudioError(
                ERROR_REASON_RESOURCE_EXHAUSTED,
                "Too many sessions have ended in the last half hour.",
                retry_after_s=60,
            )
        if caller.credential is Credential.TOKEN and caller.credential_id:
            self._credentials.check(caller)  # again: another call may have come first since
            await self._end(caller.credential_id)
        now = time.time()
        session = dataclasses.replace(
            caller,
            credential=Credential.SESSION,
            credential_id=secrets.token_hex(ID_BYTES),
            expires_at=new_end(now, caller.expires_at),
        )
        return self._signed(session, now)

    def renew(self, caller: Caller) -> Opened:
        """The session of the caller with a cookie that lasts longer.

        Raises:
            StudioError: NOT_FOUND for a caller without a session.
        """
        return self._signed(_session(caller), time.time())

    def csrf_token(self, caller: Caller) -> str:
        """What the caller's requests that are no GET have to carry.

        Raises:
            StudioError: NOT_FOUND for a caller without a session.
        """
        return self._tokens.csrf_token(_session(caller).credential_id)

    def cookie_ends(self, cookie: str) -> float:
        """When a cookie ends, in seconds since 1970."""
        return self._tokens.read(cookie).expires_at

    async def end(self, caller: Caller) -> None:
        """Ends the caller's session everywhere.

        Raises:
            StudioError: NOT_FOUND for a caller without a session; REGISTRY_UNAVAILABLE when it is ended in this
                process, but others can't be told.
        """
        await self._end(_session(caller).credential_id)

    async def _end(self, credential_id: str) -> None:
        ended = Ended(credential_id, LONGEST_SHOWN_S)
        # First here, whatever becomes of the platform database.
        self._credentials.end(ended.id, ended.forget_after_s)
        self._feed.publish(ended)
        await self._store.end(ended.id)

    def _signed(self, session: Caller, now: float) -> Opened:
        cookie, expires_at = self._tokens.sign(session, now)
        if len(cookie) > MAX_COOKIE_CHARS:
            raise StudioError(
                ERROR_REASON_PERMISSION_DENIED,
                "The caller is limited to more projects than a cookie can hold: use the token itself.",
            )
        return Opened(session, self._tokens.csrf_token(session.credential_id), cookie, expires_at)


def _session(caller: Caller) -> Caller:
    if caller.credential is not Credential.SESSION:
        raise StudioError(
            ERROR_REASON_NOT_FOUND, "The call carries no session: it is known by the header `authorization`."
        )
    return caller
