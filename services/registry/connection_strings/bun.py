"""Base URLs of Bun HTTP APIs: `https://[[user]:key@]host[:port][/base/path]`.

The key stands where a password does: `https://:KEY@host/api` sends it as a bearer token, `https://user:KEY@host/api`
as HTTP basic authentication. Never in the path or the query, which servers and proxies log.
"""

from __future__ import annotations

import dataclasses

from services.registry.connection_strings.common import (
    Changes,
    Connection,
    Parts,
    Url,
    decode,
    invalid,
    split,
    userinfo,
)
from services.registry.connection_strings.hosts import change_hosts, format_host, parse_one_host
from services.runtime.errors import StudioError

TYPE = "bun_api"
DEFAULT_PORTS = {"http": 80, "https": 443}


def parse(text: str) -> Connection:
    """Takes a base URL apart."""
    url = split(text, TYPE)
    if url.query:
        raise invalid('A base URL has no "?": give a key as https://:key@host.')
    if url.username and not url.password:
        raise invalid(
            "The part before the @ is a user name without a key: a key alone is written https://:key@host."
        )
    if any(segment in {".", ".."} for segment in decode(url.path).split("/")):
        raise invalid('The path of a base URL has no "." or ".." segments.')
    host, port = parse_one_host(url.hosts, DEFAULT_PORTS[url.scheme])
    parts = Parts(
        host=host,
        port=port,
        username=url.username or "",
        password=url.password or "",
        tls=url.scheme == "https",
    )
    return Connection(url.text(), parts)


def amend(url: Url, changes: Changes) -> Url:
    """The base URL with other parts."""
    if changes.database_name:
        raise _no_database()
    tls = url.scheme == "https" if changes.tls is None else changes.tls
    url = dataclasses.replace(url, scheme="https" if tls else "http", hosts=change_hosts(url.hosts, changes))
    return url.with_login(changes, password_needed=True)


def assemble(parts: Parts) -> str:
    """The base URL of a server."""
    if parts.database_name:
        raise _no_database()
    login = userinfo(parts.username, parts.password) if parts.username or parts.password else ""
    return f"{'https' if parts.tls else 'http'}://{login}{format_host(parts)}"


def _no_database() -> StudioError:
    return invalid(
        "A Bun API has no database name; a base path is given by connection_string.", "database_name"
    )
