"""Connection strings of Redis: `redis://`, `rediss://` and `unix://` URLs, Sentinel's and Cluster's, to typed options.

The forms are those of the registrations at IANA (https://www.iana.org/assignments/uri-schemes/prov/redis) and of
redis-py: `redis[s]://[[user]:password@]host[:port][/db][?option=value]`. Those of topologies have no standard:
`redis[s]+sentinel://[…@]host[:port],…/master[/db]`, `redis[s]+cluster://[…@]host[:port],…`. Connecting is `dialer`'s.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import unquote_to_bytes

from services.redis_svc.topology import SENTINEL_PORT, Seed, Topology, nat_map
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
_TOPOLOGY = re.compile(r"^(redis|valkey)(s?)[+-](sentinel|cluster)$")
_MASTER_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
"""What Sentinel takes as a name: `sentinel.c` of Redis and Valkey."""
MAX_SEEDS = 32
"""Servers that a connection string may name."""
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
    topology: Topology = Topology.STANDALONE
    """What the host is: the server itself, or one to ask for the servers."""
    seeds: tuple[Seed, ...] = ()
    """Hosts and ports of the Sentinels, or of some nodes of the Cluster; `host` and `port` are the first."""
    master_name: str = ""
    """What the Sentinels call the master."""
    sentinel_username: bytes = b""
    """ACL user on the Sentinels."""
    sentinel_password: bytes | None = field(default=None, repr=False)
    """On the Sentinels; None where they ask for none."""
    nat_map: Mapping[str, Seed] = field(default_factory=dict)
    """Where to reach what announces itself as `host:port` or `host`; see `topology.Announced`."""
    use_seed_host: bool = False
    """Whether announced ports are reached at the host that was asked, whatever host they are announced with."""

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
    scheme, topology, secure, rest = _scheme(text.strip())
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
    username, password = _credentials(userinfo)
    options = RedisOptions(
        host="",
        port=0,
        username=username,
        password=password,
        tls=_tls(query, config or {}) if secure else None,
        topology=topology,
    )
    if topology is Topology.STANDALONE:
        if "," in address:
            _refuse(
                "The connection string names several hosts.",
                "Write redis+sentinel://host1,host2/master/0 for Sentinels, redis+cluster://host1,host2 for a Cluster.",
            )
        host, port = _address(address)
        return dataclasses.replace(options, host=host, port=port, database=_database(path, query))
    return _with_servers(options, address, path, query, config or {})


def _scheme(text: str) -> tuple[str, Topology, bool, str]:
    """The scheme, what it says, and the rest behind it."""
    scheme, found, rest = text.partition("://")
    scheme = scheme.lower()
    if not found:
        _refuse("The connection string is not a URL.", f"Write it as {FORM}.")
    topology, secure = Topology.STANDALONE, _SCHEMES.get(scheme, False)
    if match := _TOPOLOGY.match(scheme):
        topology, secure = Topology(match[3]), bool(match[2])
    elif scheme != "unix" and scheme not in _SCHEMES:
        shown = scheme if re.fullmatch(r"[a-z][a-z0-9+.-]{0,30}", scheme) else "that"
        _refuse(f"A Redis connection string does not begin with {shown}://.", f"Write it as {FORM}.")
    if _UNENCODED.search(rest):
        _refuse("The connection string holds a space or a control character.", "Encode a space as %20.")
    return scheme, topology, secure, rest


def _with_servers(
    options: RedisOptions, address: str, path: str, query: dict[str, str], config: Mapping[str, object]
) -> RedisOptions:
    """The options of a topology."""
    sentinel = options.topology is Topology.SENTINEL
    seeds = tuple(_address(each, SENTINEL_PORT if sentinel else DEFAULT_PORT) for each in address.split(","))
    if len(seeds) > MAX_SEEDS:
        _refuse(f"The connection string names more than {MAX_SEEDS} servers.", "A few of them are enough.")
    master, database = "", _database("" if sentinel else path, query)
    if sentinel:
        name, _, number = path.strip("/").partition("/")
        master = _decode(name, "name of the master").decode("utf-8", "replace")
        if not _MASTER_NAME.fullmatch(master):
            _refuse(
                "The connection string does not name the Sentinels' master.",
                "Write it behind the hosts: redis+sentinel://host1:26379,host2:26379/mymaster/0.",
            )
        database = _database(number, query)
    elif database:
        _refuse("A Redis Cluster has database 0 only.", "Leave the number out.")
    password = query.get("sentinel_password")
    seed_host = query.get("use_seed_host", str(config.get("use_seed_host") or "false")).lower()
    try:
        mapped = nat_map(query.get("nat_map") or config.get("nat_map") or {})
    except ValueError as error:
        _refuse(
            f"The nat_map can't be used: {error}.",
            "Write it as announced:6379=reachable:7000, joined by commas.",
        )
    return dataclasses.replace(
        options,
        host=seeds[0][0],
        port=seeds[0][1],
        database=database,
        seeds=seeds,
        master_name=master,
        sentinel_username=query.get("sentinel_username", "").encode(),
        sentinel_password=None if password is None else password.encode(),
        nat_map=mapped,
        use_seed_host=seed_host in _TRUE,
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


def _address(address: str, default_port: int = DEFAULT_PORT) -> tuple[str, int]:
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
        return host, default_port
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
            _refuse(
                f"The master of Sentinels is not given as the option {name}.",
                "Write redis+sentinel://host1:26379,host2:26379/mymaster/0.",
            )
        if name == "cluster" and value.lower() in _TRUE:
            _refuse("A Redis Cluster is not given by an option.", "Write redis+cluster://host1,host2.")
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
        "sentinel_username",
        "sentinel_password",
        "nat_map",
        "use_seed_host",
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


def _refuse(message: str, hint: str) -> NoReturn:
    raise StudioError(
        ErrorReason.ERROR_REASON_INVALID_CONNECTION_STRING, message, hint=hint, metadata={"stage": "parse"}
    )
