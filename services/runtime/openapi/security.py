"""How callers authenticate, as security schemes."""

from __future__ import annotations

from services.runtime.openapi.catalogue import JSON

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

_BEARER, _API_KEY, _SESSION, _CSRF = "bearer", "apiKey", "session", "csrf"

SCHEMES: JSON = {
    _BEARER: {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token signed with the system's secret or by a key of its JWKS.",
    },
    _API_KEY: {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "sdb_<id>_<secret>",
        "description": "An API key, in the place of a token.",
    },
    _SESSION: {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-studio-session",
        "description": "A browser's session; over plain HTTP the cookie is named `studio-session`.",
    },
    _CSRF: {
        "type": "apiKey",
        "in": "header",
        "name": "x-csrf-token",
        "description": "Beside the session's cookie, for every method that is not GET or HEAD.",
    },
}


def of(verb: str) -> list[JSON]:
    """The ways to authenticate for a method of HTTP; one of them is enough."""
    session: JSON = {_SESSION: []} if verb in SAFE else {_SESSION: [], _CSRF: []}
    return [{_BEARER: []}, {_API_KEY: []}, session]
