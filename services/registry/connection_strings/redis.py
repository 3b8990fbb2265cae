"""Redis connection strings.

    redis://[[user]:password@]host[:port][/number][?option=value&…]         rediss:// for TLS; valkey://
    unix://[[user]:password@]/path/of/socket[?db=number]
    redis+sentinel://[…@]host[:port][,host[:port]…]/service[/number]        rediss+sentinel:// for TLS
    redis+cluster://[…@]host[:port][,host[:port]…]                          rediss+cluster:// for TLS

The first two follow https://www.iana.org/assignments/uri-schemes/prov/redis and redis-py's `from_url`; the others have
no standard. The Sentinels' own login is given by the options `sentinel_username` and `sentinel_password`.
"""

from __future__ import annotations

import re

from services.registry.connection_strings.common import (
    Connection,
    Parts,
    Url,
    decode,
    encode,
    invalid,
    split,
    userinfo,
)
from services.registry.connection_strings.hosts import format_host, parse_hosts, parse_one_host

TYPE = "redis"
DEFAULT_PORT = 6379
SENTINEL_PORT = 26379

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
