"""The cookie of a browser that is signed in, and how to tell its own requests from those that other pages make.

A JWT of ours, signed with a key that is derived from `SERVICE_TOKEN_SECRET`: the gateway checks it, and every service
again. It lasts a quarter of an hour, so that a list of what was signed out lately is short. The CSRF token is derived
from the session's id, so nobody has to store it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

from services.runtime.auth.refusals import WrongCredentialError, ended
from services.runtime.context import Caller, Credential
from studio.options.v1 import access_pb2

ISSUER = "studio-databases-session"
ALGORITHM = "HS256"
LIFETIME_S = 900
"""Of a cookie: how long a copy of one that was signed out may have to be refused."""
LONGEST_S = 12 * 3600
"""Of a session, however often it is renewed."""
LEEWAY_S = 5
CACHE_SIZE = 1024
"""Cookies that are not verified again."""

COOKIE = "studio-session"
SECURE_COOKIE = f"__Host-{COOKIE}"
"""Over https: https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#name-the-__host-prefix. No other host
of the same domain, and nothing over http, can set it."""
COOKIES = (SECURE_COOKIE, COOKIE)
MAX_COOKIE_CHARS = 3800
"""Browsers keep 4096 bytes of name, value and attributes: RFC 6265, section 6.1."""

_KEY_INFO = b"studio-databases/v1/session"
_CSRF_INFO = b"studio-databases/v1/session-csrf"


@dataclass(frozen=True, slots=True)
class Signed:
    """A session as its cookie holds it."""

    caller: Caller
    """Who; `expires_at` is the end of the session, not of the cookie."""
    expires_at: float
    """When the cookie ends, in seconds since 1970."""


class SessionTokens:
    """Signs sessions and reads them.

    Args:
        secret: the secret that all services share.
    """

    def __init__(self, secret: SecretStr) -> None:
        self._key = signing_key(secret)
        self._csrf_key = _derive(secret, _CSRF_INFO)
        self._read: OrderedDict[str, Signed] = OrderedDict()

    def sign(self, caller: Caller, now: float) -> tuple[str, float]:
        """The cookie's value for a session, and when it ends.

        Args:
            caller: who, with the session's id and end.
            now: seconds since 1970.
        """
        expires_at = int(min(now + LIFETIME_S, caller.expires_at))
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "sid": caller.credential_id,
            "sub": caller.subject,
            "role": int(caller.role),
            "iat": int(now),
            "exp": expires_at,
            "end": int(caller.expires_at),
        }
        if caller.projects is not None:
            claims["projects"] = sorted(caller.projects)
        return jwt.encode(claims, self._key, algorithm=ALGORITHM), float(expires_at)

    def read(self, text: str) -> Signed:
        """The session in a cookie's value.

        Raises:
            StudioError: AUTH_INVALID_TOKEN.
        """
        known = self._read.get(text)
        if known is not None and time.time() < known.expires_at:
            return known
        signed = self._verified(text)
        self._read[text] = signed
        self._read.move_to_end(text)
        if len(self._read) > CACHE_SIZE:
            self._read.popitem(last=False)
        return signed

    def _verified(self, text: str) -> Signed:
        try:
            claims = jwt.decode(
                text,
                self._key,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "sid", "sub"], "verify_aud": False, "verify_iat": False},
            )
        except jwt.ExpiredSignatureError:
            raise ended("The session has expired: sign in again.") from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise WrongCredentialError("The session's cookie is not valid.") from None
        projects = claims.get("projects")
        caller = Caller(
            subject=claims["sub"],
            role=access_pb2.Role.ValueType(claims["role"]),
            projects=None if projects is None else frozenset(projects),
            credential=Credential.SESSION,
            credential_id=claims["sid"],
            expires_at=float(claims["end"]),
        )
        return Signed(caller, float(claims["exp"]))

    def csrf_token(self, session_id: str) -> str:
        """What requests of this session that are no GET have to carry."""
        mac = hmac.digest(self._csrf_key, session_id.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()

    def is_csrf_token(self, session_id: str, given: str) -> bool:
        """Whether that is what was given."""
        return hmac.compare_digest(
            self.csrf_token(session_id).encode(), given.encode("utf-8", "surrogatepass")
        )


def signing_key(secret: SecretStr) -> bytes:
    """The key that signs sessions; the gateway has it as well, to check them."""
    return _derive(secret, _KEY_INFO)


def in_cookies(header: str) -> str:
    """The session's cookie in a `Cookie` header; empty where there is none.

    Raises:
        WrongCredentialError: it is there more than once: whoever looked before us may have looked at another one.
    """
    found: dict[str, list[str]] = {}
    for pair in header.split(";"):
        name, _, value = pair.strip().partition("=")
        if name in COOKIES:
            found.setdefault(name, []).append(value)
    for name in COOKIES:
        values = found.get(name, [])
        if len(values) > 1:
            raise WrongCredentialError("The session's cookie is there more than once.")
        if values:
            return values[0]
    return ""


def set_cookie(value: str, max_age_s: int, *, secure: bool) -> str:
    """The `Set-Cookie` header of a session; an empty value and 0 seconds remove it."""
    name = SECURE_COOKIE if secure else COOKIE
    attributes = f"Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Strict"
    return f"{name}={value}; {attributes}{'; Secure' if secure else ''}"


def new_end(now: float, credential_ends: float) -> float:
    """When a session that is opened now ends at the latest."""
    return min(now + LONGEST_S, credential_ends)


def _derive(secret: SecretStr, info: bytes) -> bytes:
    hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=info)
    return hkdf.derive(secret.get_secret_value().encode())
