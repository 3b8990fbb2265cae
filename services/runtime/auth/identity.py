"""Who calls, from the headers of a call: a token or an API key in `authorization`, or else a browser's cookie.

The cookie counts over REST alone, through the gateway: it is the browser that adds it, whoever's page makes the call.
So with it a call must show that the page is ours: https://cheatsheetseries.owasp.org/cheatsheets/
Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from services.runtime import context as call
from services.runtime import metrics
from services.runtime.auth import api_keys, sessions
from services.runtime.auth.attempts import Attempts
from services.runtime.auth.credentials import Credentials
from services.runtime.auth.refusals import WrongCredentialError
from services.runtime.auth.sessions import SessionTokens
from services.runtime.auth.tokens import TokenVerifier, bearer_token
from services.runtime.context import Caller, Credential
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import (
    ERROR_REASON_AUTH_INVALID_TOKEN,
    ERROR_REASON_AUTH_REQUIRED,
    ERROR_REASON_CSRF_REJECTED,
)

AUTHORIZATION = "authorization"
VERB = "x-envoy-original-method"
"""The method of the REST request; the gateway sets it where it makes an rpc of one, and removes what clients send."""
AUTHORITY = "x-studio-authority"
"""The `Host` that the client asked for; as above."""
CSRF_TOKEN = "x-csrf-token"  # noqa: S105  a header's name
HEADERS = frozenset(
    {AUTHORIZATION, "cookie", CSRF_TOKEN, "origin", "sec-fetch-site", "x-forwarded-proto", VERB, AUTHORITY}
)
"""What is read."""
SAFE = frozenset({"GET", "HEAD"})

Metadata = Iterable[tuple[str, str | bytes]]


class Identity:
    """Knows callers.

    Args:
        tokens: knows those who show a JWT.
        credentials: knows API keys, and what has been revoked.
        sessions: reads cookies.
        attempts: counts what was wrong.
    """

    def __init__(
        self, tokens: TokenVerifier, credentials: Credentials, sessions: SessionTokens, attempts: Attempts
    ) -> None:
        self.credentials = credentials
        self.sessions = sessions
        self._tokens = tokens
        self._attempts = attempts

    async def caller(self, metadata: Metadata) -> Caller:
        """The caller.

        Args:
            metadata: the headers of the call, names in lower case. `context.address` is the client's address.

        Raises:
            StudioError: AUTH_REQUIRED, AUTH_INVALID_TOKEN, CSRF_REJECTED; RESOURCE_EXHAUSTED after too many wrong
                credentials; REGISTRY_UNAVAILABLE where it can't be known now.
        """
        values = [value for key, value in metadata if key == AUTHORIZATION]
        if not values:
            return await self._of_cookie(read_headers(metadata))
        if len(values) > 1:
            # Whoever looked before us may have looked at another one.
            raise StudioError(
                ERROR_REASON_AUTH_INVALID_TOKEN, "The header `authorization` is there more than once."
            )
        token = bearer_token(values[0]) if isinstance(values[0], str) else ""
        if not token:
            raise _required()
        return await self._of_token(token)

    async def _of_token(self, token: str) -> Caller:
        is_key = token.startswith(api_keys.PREFIX)
        known = self.credentials.known(token) if is_key else self._tokens.known(token)
        if known is not None:
            return self._unended(known)
        address, key_id = call.address.get(), api_keys.id_of(token) if is_key else ""
        if is_key:
            self._attempts.check(address, key_id)
        try:
            found = await (self.credentials.resolve(token) if is_key else self._tokens.verify(token))
        except WrongCredentialError:
            metrics.WRONG_CREDENTIALS.labels("api_key" if is_key else "token").inc()
            await self._attempts.failed(address, key_id)
            raise
        return self._unended(found)

    def _unended(self, caller: Caller) -> Caller:
        """The caller, unless the token has opened the one session that it was for."""
        if caller.credential is Credential.TOKEN and caller.credential_id:
            self.credentials.check(caller)
        return caller

    async def _of_cookie(self, headers: dict[str, str]) -> Caller:
        verb = headers.get(VERB)
        cookie = sessions.in_cookies(headers.get("cookie", "")) if verb else ""
        if not cookie:
            raise _required()
        try:
            caller = self.sessions.read(cookie).caller
        except WrongCredentialError:
            metrics.WRONG_CREDENTIALS.labels("session").inc()
            await self._attempts.failed(call.address.get(), "")
            raise
        self.credentials.check(caller)
        self._check_page(headers, needs_token=verb not in SAFE, session_id=caller.credential_id)
        return caller

    def _check_page(self, headers: dict[str, str], *, needs_token: bool, session_id: str) -> None:
        origin = headers.get("origin", "")
        if headers.get("sec-fetch-site") == "cross-site" or (origin and not is_own(origin, headers)):
            raise _rejected("The request comes from another site's page.")
        if needs_token and not self.sessions.is_csrf_token(session_id, headers.get(CSRF_TOKEN, "")):
            raise _rejected(
                f"With a session's cookie, the header `{CSRF_TOKEN}` must hold the session's token: "
                "GET /api/platform/session tells it."
            )


def read_headers(metadata: Metadata) -> dict[str, str]:
    """Those headers that are read here, by name; several cookies of one request as one."""
    found: dict[str, str] = {}
    for name, value in metadata:
        if name in HEADERS and isinstance(value, str):
            found[name] = f"{found[name]}; {value}" if name == "cookie" and name in found else value
    return found


def is_own(origin: str, headers: dict[str, str]) -> bool:
    """Whether a page of this origin was loaded from the host that was asked.

    The scheme does not count: where a load balancer in front ends TLS, the gateway does not know it.
    """
    authority = headers.get(AUTHORITY, "").lower()
    try:
        host = urlsplit(origin).netloc.lower()
    except ValueError:  # `http://[`: no browser's
        return False
    return bool(authority) and _host(host) == _host(authority)


def is_over_https(headers: dict[str, str]) -> bool:
    """Whether the client's connection is encrypted, as the gateway sees it or as the browser says."""
    origin = headers.get("origin", "")
    return headers.get("x-forwarded-proto") == "https" or (
        origin.startswith("https://") and is_own(origin, headers)
    )


def _host(authority: str) -> str:
    return authority.removesuffix(":443").removesuffix(":80")


def _required() -> StudioError:
    return StudioError(
        ERROR_REASON_AUTH_REQUIRED, "A bearer token is required in the header `authorization`."
    )


def _rejected(message: str) -> StudioError:
    return StudioError(ERROR_REASON_CSRF_REJECTED, message)
