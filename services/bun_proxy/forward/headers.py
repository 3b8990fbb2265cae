"""Which headers go on, which stay here, and which are ours.

Dropped both ways: what concerns one connection (https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1), and what the
parts of this system say to each other. Towards the API: the caller's credentials for this system. Towards the caller:
what an API may say for its own origin only, because callers meet every API at the gateway's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from services.bun_proxy.forward.messages import Headers
from services.bun_proxy.options import ApiOptions
from services.runtime.auth.identity import CSRF_TOKEN
from services.runtime.auth.sessions import COOKIES

VIA = b"studio-databases"
"""Our name in `Via`: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.3."""

_OF_CONNECTION = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"transfer-encoding",
        b"upgrade",
    }
)
_OURS = (b"x-envoy-", b"x-studio-", b"x-connection-encrypted")
"""Beginnings of names. Envoy obeys `x-envoy-` headers of an answer: one takes this service out of use."""

_NOT_TO_API = _OF_CONNECTION | {
    b"authorization",
    b"content-length",
    b"expect",
    b"forwarded",
    b"host",
    b"x-confirmation",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"x-forwarded-prefix",
    b"x-forwarded-proto",
    b"x-real-ip",
}
_NOT_TO_CALLER = _OF_CONNECTION | {
    b"alt-svc",
    b"clear-site-data",
    b"content-length",
    b"nel",
    b"report-to",
    b"service-worker-allowed",
    b"strict-transport-security",
    b"x-request-id",
}
_NOT_IN_TRAILERS = (
    _NOT_TO_API
    | _NOT_TO_CALLER
    | {b"cookie", b"set-cookie", b"location", b"content-type", b"content-encoding"}
)
"""What decides how a message is read comes before its body: https://www.rfc-editor.org/rfc/rfc9110#section-6.5.1."""

_SESSION_COOKIES = frozenset(name.lower().encode() for name in COOKIES)
_CSRF_TOKEN = CSRF_TOKEN.encode()
_PLACES = frozenset({b"location", b"content-location"})
_OTHER_METHOD = frozenset({b"x-http-method", b"x-http-method-override", b"x-method-override"})
_FORWARDED_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def to_api(headers: Headers, options: ApiOptions, *, prefix: str, client: bytes = b"") -> Headers:
    """The headers of a request for an API: the caller's, the key, and where the request came from.

    Args:
        headers: as they came.
        options: where they go.
        prefix: the path at which the caller knows the API.
        client: the caller's address; empty where it is not known.
    """
    named = _named_by_connection(headers)
    key = options.auth_header
    kept: Headers = [(b"host", options.authority)]
    host = proto = b""
    via: list[bytes] = []
    for name, value in _without_session(headers):
        if name in _NOT_TO_API:
            if name == b"host":
                host = host or value
            elif name == b"x-forwarded-proto":
                proto = value
            elif name == b"te" and b"trailers" in value.lower():
                kept += [(b"te", b"trailers"), (b"connection", b"te")]
        elif name == b"via":
            via.append(value)
        elif name != key and name not in named and not name.startswith(_OURS):
            kept.append((name, value))
    if options.auth_value is not None:
        kept.append((key, options.auth_value))
    kept.append((b"via", b", ".join([*via, b"1.1 " + VIA])))
    kept += _forwarded(client, host, proto or b"http", prefix.encode())
    return kept


def to_caller(headers: Headers, options: ApiOptions, prefix: bytes) -> Headers:
    """The headers of an answer for the caller: redirects and cookies of the API lead below `prefix`, if given."""
    named = _named_by_connection(headers)
    kept = [
        (name, value)
        for name, value in headers
        if name not in _NOT_TO_CALLER
        and name not in named
        and not name.startswith(_OURS)
        and not (name == b"set-cookie" and _is_session(value))
    ]
    if prefix:
        for at, (name, value) in enumerate(kept):
            if name in _PLACES:
                kept[at] = (name, _place(value, options, prefix))
            elif name == b"set-cookie":
                kept[at] = (name, _cookie(value, prefix))
    return kept


def trailers(fields: Headers) -> Headers:
    """The trailers that go on."""
    return [
        (name, value) for name, value in fields if name not in _NOT_IN_TRAILERS and not name.startswith(_OURS)
    ]


def values(headers: Headers, name: bytes) -> Iterator[bytes]:
    """The values of a header, as they stand."""
    return (value for each, value in headers if each == name)


def has_token(headers: Headers, name: bytes, token: bytes) -> bool:
    """Whether a header that is a list names something; `token` in lower case."""
    return any(token == each.strip() for value in values(headers, name) for each in value.lower().split(b","))


def asks_for_another_method(headers: Headers) -> bool:
    """Whether an API may take the request for one of another method than it has, and was judged by."""
    return any(name in _OTHER_METHOD for name, _ in headers)


def has_passed_here(headers: Headers) -> bool:
    """Whether a request has been forwarded by this proxy before: the API leads back to us."""
    return any(VIA in value for value in values(headers, b"via"))


def _named_by_connection(headers: Headers) -> set[bytes]:
    return {
        each.strip() for name, value in headers if name == b"connection" for each in value.lower().split(b",")
    }


def _forwarded(client: bytes, host: bytes, proto: bytes, prefix: bytes) -> Headers:
    """Where the request came from, as https://www.rfc-editor.org/rfc/rfc7239 has it and as most servers read it."""
    found: Headers = [(b"x-forwarded-proto", proto), (b"x-forwarded-prefix", prefix)]
    pairs = [b"proto=" + _quoted(proto)]
    if host:
        found.append((b"x-forwarded-host", host))
        pairs.append(b"host=" + _quoted(host))
    if client:
        found.append((b"x-forwarded-for", client))
        pairs.insert(0, b"for=" + _quoted(b"[%s]" % client if b":" in client else client))
    return [*found, (b"forwarded", b";".join(pairs))]


def _quoted(value: bytes) -> bytes:
    if _FORWARDED_TOKEN.fullmatch(value.decode("latin-1")):
        return value
    return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _place(value: bytes, options: ApiOptions, prefix: bytes) -> bytes:
    """A redirect within the API as the caller must follow it; any other as it is. None is followed here.

    A relative path stays: it is resolved against the caller's own path.
    """
    try:
        text = value.decode("ascii")
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return value
    if parts.netloc:
        scheme = parts.scheme or ("https" if options.tls else "http")
        same = (
            scheme == ("https" if options.tls else "http")
            and parts.hostname == options.host
            and (port or (443 if scheme == "https" else 80)) == options.port
        )
        if not same:
            return value
    elif parts.scheme or not text.startswith("/"):
        return value
    path = parts.path or "/"
    base = options.base_path
    if base and path != base and not path.startswith(f"{base}/"):
        return value
    rest = parts._replace(scheme="", netloc="", path=path[len(base) :]).geturl()
    return prefix + rest.encode()


def _without_session(headers: Headers) -> Iterator[tuple[bytes, bytes]]:
    """The headers without the cookie by which this system knows the caller, and what shows that its page may use it."""
    is_known_otherwise = any(name == b"authorization" for name, _ in headers)
    for name, value in headers:
        if name == b"cookie":
            others = [pair.strip() for pair in value.split(b";") if not _is_session(pair)]
            if others:
                yield name, b"; ".join(others)
        elif name != _CSRF_TOKEN or is_known_otherwise:
            yield name, value


def _is_session(cookie: bytes) -> bool:
    """Whether a cookie has the name of this system's own: no API may set or see that."""
    return cookie.partition(b"=")[0].strip().lower() in _SESSION_COOKIES


def _cookie(value: bytes, prefix: bytes) -> bytes:
    """A cookie for this API alone.

    At the gateway all APIs share one host: with the path that the API gave, a browser would send the cookie to others.
    """
    kept = [
        part
        for part in value.split(b";")
        if part.strip().lower().partition(b"=")[0].strip() not in {b"domain", b"path"}
    ]
    return b";".join([*kept, b" Path=" + prefix])
