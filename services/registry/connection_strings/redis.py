"""Redis connection strings.

    redis://[[user]:password@]host[:port][/number][?option=value&…]         rediss:// for TLS; valkey://
    unix://[[user]:password@]/path/of/socket[?db=number]
    redis+sentinel://[…@]host[:port][,host[:port]…]/service[/number]        rediss+sentinel:// for TLS
    redis+cluster://[…@]host[:port][,host[:port]…]                          rediss+cluster:// for TLS

The first two follow https://www.iana.org/assignments/uri-schemes/prov/redis and redis-py's `from_url`; the others have
no standard. The Sentinels' own login is given by the options `sentinel_username` and `sentinel_password`.
"""

from __future__ import annotations

import dataclasses
import re

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
from services.registry.connection_strings.hosts import change_hosts, format_host, parse_hosts, parse_one_host

TYPE = "redis"
DEFAULT_PORT = 6379
SENTINEL_PORT = 26379

_TLS = frozenset({"rediss", "valkeys"})
_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
# redis-py would let these replace what the URL says; then what is shown were not what is dialled.
_NOT_AS_OPTION = frozenset(
    {"username", "password", "host", "port", "path", "unix_socket_path", "ssl", "service_name"}
)


def parse(text: str) -> Connection:
    """Takes a Redis URL apart."""
    url = split(text, TYPE)
    _check_login(url)
    options = dict(url.options())
    for name in sorted(_NOT_AS_OPTION & options.keys()):
        raise invalid(f"{name} can't be given as an option: it has its place before the question mark.")
    host, port, number = _target(url)
    if "db" in options:
        if number not in ("", options["db"]):
            raise invalid("The database number is given twice, differently: in the path and as db.")
        number = _check_number(options["db"])
    parts = Parts(
        host=host,
        port=port,
        username=url.username or "",
        password=url.password or "",
        database_name=number,
        tls=url.scheme.startswith(("rediss", "valkeys")),
    )
    return Connection(url.text(), parts)


def amend(url: Url, changes: Changes) -> Url:
    """The URL with other parts."""
    url = url.with_login(changes, password_needed=True)
    if url.scheme == "unix" or (changes.host or "").startswith("/"):
        url = _moved(url, changes)
    else:
        stem, _, kind = url.scheme.partition("+")
        tls = stem in _TLS if changes.tls is None else changes.tls
        name = ("valkey" if stem.startswith("valkey") else "redis") + ("s" if tls else "")
        scheme = f"{name}+{kind}" if kind else name
        url = dataclasses.replace(url, scheme=scheme, hosts=change_hosts(url.hosts, changes))
    return url if changes.database_name is None else _with_number(url, changes.database_name)


def _moved(url: Url, changes: Changes) -> Url:
    """From a socket to a host, the other way, or to another socket."""
    now = parse(url.text()).parts
    host = now.host if changes.host is None else changes.host
    target = split(assemble(Parts(host=host, port=changes.port or 0, tls=changes.tls or False)), TYPE)
    moved = dataclasses.replace(
        url.without_options("db"), scheme=target.scheme, hosts=target.hosts, path=target.path
    )
    return _with_number(moved, now.database_name)


def _with_number(url: Url, number: str) -> Url:
    url = url.without_options("db")
    if number:
        _check_number(number)
    if url.scheme == "unix":
        return url.with_options({"db": number} if number else {})
    before = f"/{url.path.split('/')[1]}" if url.scheme.endswith("+sentinel") else ""
    return dataclasses.replace(url, path=f"{before}/{number}" if number else before)


def assemble(parts: Parts) -> str:
    """The URL of one server."""
    login = userinfo(parts.username, parts.password) if parts.username or parts.password else ""
    if parts.host.startswith("/"):
        if parts.tls or parts.port:
            raise invalid("A Unix socket has neither a port nor TLS.", "host")
        number = f"?db={_check_number(parts.database_name)}" if parts.database_name else ""
        return f"unix://{login}{'/'.join(map(encode, parts.host.split('/')))}{number}"
    path = f"/{_check_number(parts.database_name)}" if parts.database_name else ""
    return f"{'rediss' if parts.tls else 'redis'}://{login}{format_host(parts)}{path}"


def _target(url: Url) -> tuple[str, int, str]:
    """Host, port and database number."""
    if url.scheme == "unix":
        if url.hosts or len(url.path) <= 1:
            raise invalid("A Unix socket is given by its absolute path: unix:///run/redis.sock.")
        return decode(url.path), 0, ""
    segments = [decode(segment) for segment in url.path.split("/")[1:]]
    if url.scheme.endswith("+sentinel"):
        host, port = parse_hosts(url.hosts, SENTINEL_PORT)[0]
        service, *rest = segments or [""]
        if not service or len(rest) > 1:
            raise invalid(
                "A Sentinel URL names the service behind the hosts: redis+sentinel://host:26379/mymaster/0."
            )
        return host, port, _check_number(rest[0]) if rest and rest[0] else ""
    if url.scheme.endswith("+cluster"):
        host, port = parse_hosts(url.hosts, DEFAULT_PORT)[0]
        if segments not in ([], [""], ["0"]):
            raise invalid("A Redis Cluster has database 0 only.")
        return host, port, "".join(segments)
    host, port = parse_one_host(url.hosts, DEFAULT_PORT)
    if len(segments) > 1 and any(segments[1:]):
        raise invalid("Behind the host stands the database number alone: redis://host:6379/0.")
    return host, port, _check_number(segments[0]) if segments and segments[0] else ""


def _check_login(url: Url) -> None:
    if url.username is not None and url.password is None:
        # Somebody's password, more often than a user without one; a user name is shown, so this must be certain.
        raise invalid(
            "The part before the @ is a user name without a password: "
            'a password alone is written with a colon before it, ":password@"; a user who has none, "user:@".'
        )


def _check_number(text: str) -> str:
    if not _NUMBER.fullmatch(text):
        raise invalid("A Redis database is a number: 0, 1, …", "database_name")
    return text
