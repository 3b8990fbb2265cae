"""Connection strings of Redis: `redis://`, `rediss://` and `unix://` URLs to typed options.

The forms are those of the registrations at IANA (https://www.iana.org/assignments/uri-schemes/prov/redis) and of
redis-py: `redis[s]://[[user]:password@]host[:port][/db][?option=value]`. Connecting is `dialer`'s.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import unquote_to_bytes

from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ErrorReason

DEFAULT_PORT = 6379
MAX_PORT = 65535

FORM = "redis://user:password@host:6379/0"
ENCODE_HINT = (
    f"Write it as {FORM}; in the user name and the password encode @ as %40, : as %3A, / as %2F, # as %23, "
    "% as %25 and ? as %3F."
)
_SCHEMES = {"redis": False, "valkey": False, "rediss": True, "valkeys": True}
_SENTINEL = re.compile(r"^(redis|valkey)s?[+-](sentinel|cluster)$")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNENCODED = re.compile(r"[\x00-\x20\x7f]")
_HOST = re.compile(r"^[A-Za-z0-9._~-]+$")
_TRUE = frozenset({"true", "yes", "1", "on"})
_FALSE = frozenset({"false", "no", "0", "off"})
_VERIFY = {"required": True, "cert_required": True, "optional": True, "cert_optional": True}
_NO_VERIFY = frozenset({"none", "cert_none"})
# What client libraries take in a URL and means nothing here: how they pool, wait, decode.
_FOR_CLIENTS = frozenset(
    {"protocol", "client_name", "decode_responses", "encoding", "encoding_errors", "family", "timeout"}
    | {
        "socket_timeout",
        "socket_connect_timeout",
        "socket_keepalive",
        "health_check_interval",
        "max_connections",
    }
    | {
        "retry_on_timeout",
        "retry_on_error",
        "dial_timeout",
        "read_timeout",
        "write_timeout",
        "pool_size",
        "max_retries",
    }
)
_FILES = frozenset({"ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile"})


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """How the server's certificate is checked, and ours shown.

    PEM text, never files: a file named by a user would be one of this service's host.
    """

    verify: bool = True
    """Whether the chain is checked."""
    check_hostname: bool = True
    """Whether the certificate must be for the host's name."""
    server_name: str = ""
    """Name that is sent and checked; empty for the host of the URL."""
    ca_pem: str = ""
    """Authorities that are trusted; empty for the system's."""
    cert_pem: str = ""
    """Our certificate, for servers that ask for one."""
    key_pem: str = field(default="", repr=False)
    """Its private key."""


@dataclass(frozen=True, slots=True)
class RedisOptions:
    """One Redis server and how to log in."""

    host: str
    """Name or IP address, without brackets; empty for a Unix socket."""
    port: int
    """TCP port; 0 for a Unix socket."""
    path: str = ""
    """Path of a Unix socket."""
    username: bytes = b""
    """ACL user; empty for the default one."""
    password: bytes | None = field(default=None, repr=False)
    """None where none is given."""
    database: int = 0
    """Number that SELECT takes."""
    tls: TlsOptions | None = None
    """None for a connection in clear."""

    @property
    def where(self) -> str:
        """The server as a message or a log names it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.path or f"{host}:{self.port}"


def parse(text: str, config: Mapping[str, object] | None = None) -> RedisOptions:
    """Reads a connection string.

    Args:
        text: the URL. `ssl_cert_reqs` (required, none), `ssl_check_hostname`, `ssl_ca_data`, `ssl_cert_data` and
            `ssl_key_data` (PEM, percent-encoded) and `db` are understood in its query.
        config: settings of the database that are not secret: `tls_ca_pem`, `tls_cert_pem`, `tls_server_name`.

    Raises:
        StudioError: INVALID_CONNECTION_STRING with what is wrong, never with a part of the text that may be secret.
    """
    scheme, found, rest = text.strip().partition("://")
    scheme = scheme.lower()
    if not found:
        _refuse("The connection string is not a URL.", f"Write it as {FORM}.")
    if match := _SENTINEL.match(scheme):
        _refuse_topology(match[2])
    if scheme != "unix" and scheme not in _SCHEMES:
        shown = scheme if re.fullmatch(r"[a-z][a-z0-9+.-]{0,30}", scheme) else "that"
        _refuse(f"A Redis connection string does not begin with {shown}://.", f"Write it as {FORM}.")
    if _UNENCODED.search(rest):
        _refuse("The connection string holds a space or a control character.", "Encode a space as %20.")
    rest, _, fragment = rest.partition("#")
    if fragment:
        _refuse("The connection string holds a # that is not encoded.", ENCODE_HINT)
    rest, _, query_text = rest.partition("?")
    if "@" in query_text.partition("=")[0]:
        _refuse("The connection string holds a ? before its @ that is not encoded.", ENCODE_HINT)
    query = _query(query_text)
    if scheme == "unix":
        return _unix(rest, query)
    authority, _, path = rest.partition("/")
    if "@" in path:
        _refuse("The connection string holds a / before its @ that is not encoded.", ENCODE_HINT)
    # The last @ ends the user's part: an @ in a password is unambiguous even where it is not encoded.
    userinfo, _, address = authority.rpartition("@")
    if "," in address:
        _refuse_topology("cluster")
    username, password = _credentials(userinfo)
    host, port = _address(address)
    return RedisOptions(
        host=host,
        port=port,
        username=username,
        password=password,
        database=_database(path, query),
        tls=_tls(query, config or {}) if _SCHEMES[scheme] else None,
    )


def _unix(rest: str, query: dict[str, str]) -> RedisOptions:
    userinfo, _, path = rest.rpartition("@")
    username, password = _credentials(userinfo)
    if not path.startswith("/"):
        _refuse(
            "A unix:// connection string needs an absolute path.", "Write it as unix:///run/redis.sock?db=0."
        )
    path = _decode(path, "path").decode("utf-8", "surrogateescape")
    database = _database("", query)
    return RedisOptions(host="", port=0, path=path, username=username, password=password, database=database)


def _credentials(userinfo: str) -> tuple[bytes, bytes | None]:
    user, colon, secret = userinfo.partition(":")
    username = _decode(user, "user name")
    if not colon:
        # `redis://user@host`: a user that needs no password still logs in with one, an empty one.
        return username, b"" if username else None
    password = _decode(secret, "password")
    return username, password if password or username else None


def _address(address: str) -> tuple[str, int]:
    if address.startswith("["):
        host, bracket, tail = address[1:].partition("]")
        if not bracket or not re.fullmatch(r"[0-9A-Fa-f:.]+(%25[A-Za-z0-9._~-]+)?", host):
            _refuse("The IPv6 address is malformed.", "Write it as redis://[::1]:6379.")
        if tail and not tail.startswith(":"):
            _refuse(
                "Behind the IPv6 address a colon and the port are expected.",
                "Write it as redis://[::1]:6379.",
            )
        port_text = tail[1:]
    else:
        host, _, port_text = address.partition(":")
        if ":" in port_text:
            _refuse("The host holds several colons.", f"Put an IPv6 address into brackets. {ENCODE_HINT}")
    if not host:
        _refuse("The connection string has no host.", f"Write it as {FORM}.")
    if not address.startswith("[") and not _HOST.match(host):
        _refuse("The host holds a character that no host name has.", ENCODE_HINT)
    if not port_text:
        return host, DEFAULT_PORT
    # The text may be part of a password that holds an unencoded character: it is not repeated.
    if not port_text.isascii() or not port_text.isdigit() or not 0 < int(port_text[:9]) <= MAX_PORT:
        _refuse(f"The port is no number from 1 to {MAX_PORT}.", ENCODE_HINT)
    return host, int(port_text)


def _database(path: str, query: dict[str, str]) -> int:
    text = query.get("db", path.strip("/"))
    if not text:
        return 0
    if not re.fullmatch(r"[0-9]{1,9}", text):
        _refuse("The database behind the host is no number.", f"Write it as {FORM}: 0 is the number.")
    return int(text)


def _query(text: str) -> dict[str, str]:
    query: dict[str, str] = {}
    for pair in filter(None, text.split("&")):
        name, _, value = pair.partition("=")
        name = name.lower()
        if name in {"sentinel", "sentinel_master", "master", "mastername", "service_name"}:
            _refuse_topology("sentinel")
        if name == "cluster" and value.lower() in _TRUE:
            _refuse_topology("cluster")
        if name in _FILES:
            hint = "Give the PEM text itself, percent-encoded, as ssl_ca_data, ssl_cert_data or ssl_key_data."
            _refuse(f"The option {name} names a file, which would be one of this service's host.", hint)
        if name in _FOR_CLIENTS:
            continue
        if name not in _OPTIONS:
            shown = name if re.fullmatch(r"[a-z0-9_]{1,40}", name) else "of that name"
            _refuse(f"There is no option {shown}.", "Known are " + ", ".join(sorted(_OPTIONS)) + ".")
        query[name] = _decode(value.replace("+", "%20") if name == "db" else value, name).decode(
            "utf-8", "replace"
        )
    return query


_OPTIONS = frozenset(
    {
        "db",
        "ssl_cert_reqs",
        "ssl_check_hostname",
        "ssl_ca_data",
        "ssl_cert_data",
        "ssl_key_data",
        "ssl_server_name",
    }
)


def _tls(query: dict[str, str], config: Mapping[str, object]) -> TlsOptions:
    requirement = query.get("ssl_cert_reqs", "required").lower()
    if requirement not in _VERIFY and requirement not in _NO_VERIFY:
        _refuse(
            "ssl_cert_reqs is neither required nor none.", "Leave it out to have the certificate checked."
        )
    verify = requirement in _VERIFY
    check = query.get("ssl_check_hostname", "true").lower()
    if check not in _TRUE | _FALSE:
        _refuse("ssl_check_hostname is neither true nor false.", "Leave it out to have the name checked.")
    return TlsOptions(
        verify=verify,
        check_hostname=verify and check in _TRUE,
        server_name=query.get("ssl_server_name", str(config.get("tls_server_name") or "")),
        ca_pem=query.get("ssl_ca_data", str(config.get("tls_ca_pem") or "")),
        cert_pem=query.get("ssl_cert_data", str(config.get("tls_cert_pem") or "")),
        key_pem=query.get("ssl_key_data", ""),
    )


def _decode(text: str, what: str) -> bytes:
    if _BAD_PERCENT.search(text):
        _refuse(f"The {what} holds a % that is not followed by two hexadecimal digits.", ENCODE_HINT)
    return unquote_to_bytes(text)


def _refuse_topology(kind: str) -> NoReturn:
    name = {"sentinel": "Sentinel", "cluster": "Cluster"}[kind]
    _refuse(
        f"Redis {name} connections are not supported yet.",
        "Register one server of it, with a redis:// or rediss:// URL.",
    )


def _refuse(message: str, hint: str) -> NoReturn:
    raise StudioError(
        ErrorReason.ERROR_REASON_INVALID_CONNECTION_STRING, message, hint=hint, metadata={"stage": "parse"}
    )
