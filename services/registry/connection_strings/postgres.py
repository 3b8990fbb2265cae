"""PostgreSQL connection strings: `postgresql://[user[:password]@]host[:port][,…][/database][?parameter=value&…]`.

As libpq reads them (https://www.postgresql.org/docs/current/libpq-connect.html, section 34.1.1.2), with one exception:
the target and the login stand in their places, not among the parameters, where they would replace what is shown.
"""

from __future__ import annotations

import dataclasses

from services.registry.connection_strings.common import (
    Changes,
    Connection,
    Parts,
    Url,
    decode,
    encode,
    invalid,
    split,
    userinfo,
)
from services.registry.connection_strings.hosts import change_hosts, format_host, parse_hosts

TYPE = "postgres"
DEFAULT_PORT = 5432

_SSL_MODES = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})
_TLS_MODES = frozenset({"require", "verify-ca", "verify-full"})
_NOT_AS_OPTION = frozenset(
    {"user", "password", "port", "dbname", "hostaddr", "passfile", "service", "servicefile"}
)


def parse(text: str) -> Connection:
    """Takes a PostgreSQL URL apart."""
    url = split(text, TYPE)
    if url.password and not url.username:
        raise invalid("A password needs a user name before it: postgresql://user:password@host.")
    options = dict(url.options())
    for name in sorted(_NOT_AS_OPTION & options.keys()):
        raise invalid(f"{name} can't be given as a parameter: it has its place before the question mark.")
    if options.get("sslmode", "disable") not in _SSL_MODES:
        raise invalid(f"sslmode is one of {', '.join(sorted(_SSL_MODES))}.")
    host, port = _target(url, options.get("host", ""))
    parts = Parts(
        host=host,
        port=port,
        username=url.username or "",
        password=url.password or "",
        database_name=_database(url.path),
        tls=options.get("sslmode") in _TLS_MODES,
    )
    return Connection(url.text(), parts)


def amend(url: Url, changes: Changes) -> Url:
    """The URL with other parts."""
    url = url.with_login(changes, password_needed=False)
    socket = dict(url.options()).get("host", "")
    if changes.host is not None and (socket or changes.host.startswith("/")):
        url = _moved(url, changes)
    elif socket and changes.port:
        raise invalid("A Unix socket has no port.", "port")
    else:
        url = dataclasses.replace(url, hosts=url.hosts if socket else change_hosts(url.hosts, changes))
    if changes.database_name is not None:
        url = dataclasses.replace(url, path=f"/{encode(changes.database_name)}")
    if changes.tls is not None and changes.tls != (dict(url.options()).get("sslmode") in _TLS_MODES):
        url = url.without_options("sslmode").with_options({"sslmode": "require"} if changes.tls else {})
    return url


def _moved(url: Url, changes: Changes) -> Url:
    """From a socket to a host or the other way."""
    target = split(assemble(Parts(host=changes.host or "", port=changes.port or 0)), TYPE)
    url = url.without_options("host").with_options(dict(target.options()))
    return dataclasses.replace(url, hosts=target.hosts, path=url.path or "/")


def assemble(parts: Parts) -> str:
    """The URL of one server."""
    login = userinfo(parts.username, parts.password or None) if parts.username or parts.password else ""
    path = f"/{encode(parts.database_name)}" if parts.database_name else ""
    if parts.host.startswith("/"):
        if parts.tls or parts.port:
            raise invalid("A Unix socket has neither a port nor TLS.", "host")
        return f"postgresql://{login}{path or '/'}?host={encode(parts.host)}"
    return f"postgresql://{login}{format_host(parts)}{path}{'?sslmode=require' if parts.tls else ''}"


def _target(url: Url, socket: str) -> tuple[str, int]:
    if not socket:
        return parse_hosts(url.hosts, DEFAULT_PORT)[0]
    if url.hosts:
        raise invalid("The host is given twice: before the path and as a parameter.")
    if not socket.startswith("/"):
        raise invalid("The parameter host is the directory of a Unix socket; a name stands before the path.")
    return socket, 0


def _database(path: str) -> str:
    if "/" in path[1:]:
        raise invalid('A "/" in the name of the database must be written as %2F.')
    return decode(path[1:])
