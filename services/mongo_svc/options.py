"""Connection strings of MongoDB to what the driver may be given: checked, bounded, and never more than it needs.

The form is that of the connection string specification
(https://github.com/mongodb/specifications/blob/master/source/connection-string/connection-string-spec.md); the options
are those of https://www.mongodb.com/docs/manual/reference/connection-string-options/. Refused is what would read files
of this service's host or have it call out with its own identity. Two options are ours, and never reach the driver:
`tlsCAData` and `tlsCertificateKeyData`, PEM texts, percent-encoded. Connecting is `driver`'s.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote, unquote

from pymongo.errors import PyMongoError
from pymongo.uri_parser import validate_options

from services.mongo_svc.limits import Limits
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ErrorReason

DEFAULT_PORT = 27017
MAX_PORT = 65535
MAX_SEEDS = 50
"""Servers that a connection string may name."""
APP_NAME = "studio-databases"
"""What the server's logs and `currentOp` call us, unless the connection string says."""

FORM = "mongodb://user:password@host:27017/database"
ENCODE_HINT = (
    f"Write it as {FORM}; in the user name and the password encode @ as %40, : as %3A, / as %2F, # as %23, "
    "% as %25 and ? as %3F."
)
SRV = "mongodb+srv"
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNENCODED = re.compile(r"[\x00-\x20\x7f]")
_HOST = re.compile(r"\[[0-9A-Fa-f:.]{2,45}(?:%25[A-Za-z0-9._~-]{1,32})?\]|[A-Za-z0-9._-]{1,255}")
_FORBIDDEN_IN_DATABASE = frozenset('/\\. "$*<>:|?\0')

_KEPT = frozenset(
    {"appname", "authmechanism", "authmechanismproperties", "authsource", "directconnection", "journal"}
    | {"loadbalanced", "localthresholdms", "maxstalenessseconds", "readconcernlevel", "readpreference"}
    | {
        "readpreferencetags",
        "replicaset",
        "retryreads",
        "retrywrites",
        "servermonitoringmode",
        "ssl",
        "tls",
        "w",
    }
    | {"srvallowedhostssuffix", "srvmaxhosts", "srvservicename", "tlsallowinvalidcertificates", "tlsinsecure"}
    | {"tlsallowinvalidhostnames", "tlscafile", "tlscertificatekeyfile", "tlscertificatekeyfilepassword"}
    | {"tlscrlfile", "tlsdisableocspendpointcheck", "zlibcompressionlevel"}
)
"""Left to the driver as they are. How programs pool, wait and decode is ours to say; unknown options mean nothing."""
_BOUNDED = frozenset(
    {
        "maxpoolsize",
        "minpoolsize",
        "maxconnecting",
        "maxidletimems",
        "heartbeatfrequencyms",
        "wtimeoutms",
        "timeoutms",
    }
    | {"connecttimeoutms", "serverselectiontimeoutms", "sockettimeoutms", "waitqueuetimeoutms"}
)
_EXTERNAL = frozenset({"MONGODB-X509", "PLAIN", "MONGODB-AWS", "GSSAPI"})
"""Mechanisms whose users no database of the server holds."""
_TAGS = "readpreferencetags"
"""The one option that may stand several times."""
_SAFE = {_TAGS: ":,", "authmechanismproperties": ":,"}
"""What the driver wants unencoded in an option: it takes these apart before it decodes their parts."""
_CA, _KEY = "tlscadata", "tlscertificatekeydata"
_FILES = frozenset({"tlscafile", "tlscertificatekeyfile", "tlscrlfile"})
_FILES_OF_OLD = frozenset(
    {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_crlfile", "sslclientcertificatekeyfile"}
)
_REFUSED = {
    "proxyhost": "A proxy can't be given: connections are made from where the services run.",
    "autoencryption": "Automatic encryption is not supported: documents are shown as they are stored.",
}
_PROXY = frozenset({"proxyport", "proxyusername", "proxypassword"})
_COMPRESSORS = {"zlib": "zlib", "snappy": "snappy", "zstd": "backports.zstd"}
"""The module that each needs."""


@dataclass(frozen=True, slots=True)
class Seed:
    """A server that the connection string names."""

    host: str
    """Name or IP address, without brackets, or the path of a Unix socket."""
    port: int
    """TCP port; 0 for a Unix socket."""

    @property
    def where(self) -> str:
        """The server as a message or a log names it."""
        return where((self.host, self.port or None))


@dataclass(frozen=True, slots=True)
class MongoOptions:
    """Where and as whom to connect."""

    uri: str = field(repr=False)
    """What the driver is given; holds the password, and no option that is ours or bounded by us."""
    database_name: str
    """The database that the connection string names; empty for none."""
    seeds: tuple[Seed, ...] = ()
    """The servers named; none where DNS names them."""
    srv_host: str = ""
    """The name whose SRV records name the servers; empty without `mongodb+srv://`."""
    has_login: bool = False
    """Whether it logs in."""
    auth_source: str = "admin"
    """The database in which the user is looked up."""
    mechanism: str = ""
    """How it logs in; empty for what the server prefers."""
    replica_set: str = ""
    """Name that the replica set must have; empty for any."""
    direct: bool | None = None
    """Whether only the named server is used; None leaves it to the driver."""
    tls: bool = False
    """Whether connections are made by TLS."""
    ca_pem: str = ""
    """Authorities that are trusted; empty for the system's, or a file's."""
    key_pem: str = field(default="", repr=False)
    """Our certificate and its private key; empty for none, or a file's."""
    has_key_password: bool = False
    """Whether a password of the private key is given."""
    compressors: tuple[str, ...] = ()
    """Compressions that are asked for and that this service can do."""
    numbers: Mapping[str, int] = field(default_factory=dict)
    """Options that have a bound of ours, by name in lower case: milliseconds, or connections."""
    app_name: str = APP_NAME

    @property
    def where(self) -> str:
        """The servers as a message or a log names them."""
        return self.srv_host or ",".join(seed.where for seed in self.seeds[:3])


def where(address: tuple[str, int | None]) -> str:
    """An address as messages name it."""
    host, port = address
    if port is None:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse(
    text: str, config: Mapping[str, object] | None = None, *, tls_directory: Path | None = None
) -> MongoOptions:
    """Reads a connection string.

    Args:
        text: `mongodb://` or `mongodb+srv://`.
        config: settings of the database that are not secret: `tls_ca_pem`.
        tls_directory: where files that it names must be; None allows none.

    Raises:
        StudioError: INVALID_CONNECTION_STRING with what is wrong, never with a part of the text that may be secret.
    """
    scheme, userinfo, hosts, database, query = _cut(text.strip())
    named = _named(query)
    given = {name.lower(): value for name, value in named}
    if len(given) < len([name for name, _ in named if name.lower() != _TAGS]) + (_TAGS in given):
        _refuse("An option is given twice.")  # what was checked must be what the driver reads
    _check_options(given, tls_directory)
    has_password = _check_login(userinfo, given)
    seeds = () if scheme == SRV else tuple(_seed(each) for each in hosts.split(","))
    if scheme == SRV and ("," in hosts or not _HOST.fullmatch(hosts)):
        _refuse("mongodb+srv:// takes one host name without a port; DNS gives the rest.")
    if len(seeds) > MAX_SEEDS:
        _refuse(f"The connection string names more than {MAX_SEEDS} servers.", "A few of them are enough.")
    if len(seeds) > 1 and given.get("directconnection") == "true":
        _refuse("directConnection=true needs a single host.")
    mechanism = given.get("authmechanism", "")
    _check_mechanism(mechanism, given, has_password=has_password)
    kept = [(name, value) for name, value in named if name.lower() in _KEPT]
    ca_pem = given.get(_CA) or str((config or {}).get("tls_ca_pem", ""))
    default_tls = "true" if scheme == SRV or (_FILES | {_CA, _KEY}) & given.keys() else "false"
    tls = given.get("tls", given.get("ssl", default_tls)) == "true"
    if not tls and (_FILES | {_CA, _KEY}) & given.keys():
        _refuse("Certificates are given, but tls=false.", "Remove tls=false, or the certificates.")
    if tls and not {"tls", "ssl"} & given.keys():
        kept.append(("tls", "true"))
    return MongoOptions(
        uri=_uri(scheme, userinfo, hosts, database, kept),
        database_name=database,
        seeds=seeds,
        srv_host=hosts if scheme == SRV else "",
        has_login=bool(userinfo or mechanism),
        auth_source=given.get("authsource")
        or ("$external" if mechanism in _EXTERNAL else database or "admin"),
        mechanism=mechanism,
        replica_set=given.get("replicaset", ""),
        direct=None if "directconnection" not in given else given["directconnection"] == "true",
        tls=tls,
        ca_pem=ca_pem if tls else "",
        key_pem=given.get(_KEY, ""),
        has_key_password="tlscertificatekeyfilepassword" in given,
        compressors=tuple(filter(_can_compress, given.get("compressors", "").split(","))),
        numbers={name: int(value) for name, value in given.items() if name in _BOUNDED},
        app_name=given.get("appname", APP_NAME),
    )


def bounded(options: MongoOptions, limits: Limits) -> dict[str, int]:
    """Arguments of the driver: what the connection string asks for, where that is within our bounds, else the bound.

    0 means "without bound" to the driver, and ours here.
    """
    connect_ms, longest_ms = _milliseconds(limits.connect_timeout_s), _milliseconds(limits.longest_command_s)
    bounds = {
        "maxPoolSize": limits.max_pool_size,
        "maxConnecting": limits.max_connecting,
        "maxIdleTimeMS": _milliseconds(limits.max_idle_s),
        "connectTimeoutMS": connect_ms,
        "serverSelectionTimeoutMS": connect_ms,
        "socketTimeoutMS": longest_ms,
        "waitQueueTimeoutMS": _milliseconds(limits.pool_wait_s),
        "heartbeatFrequencyMS": _milliseconds(limits.heartbeat_s),
    }
    found = {name: min(options.numbers.get(name.lower()) or bound, bound) for name, bound in bounds.items()}
    found["minPoolSize"] = min(options.numbers.get("minpoolsize", 0), found["maxPoolSize"])
    if "wtimeoutms" in options.numbers:
        found["wTimeoutMS"] = min(options.numbers["wtimeoutms"] or longest_ms, longest_ms)
    return found


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _cut(text: str) -> tuple[str, str, str, str, str]:
    """Scheme, login, hosts, database (decoded) and query."""
    scheme, found, rest = text.partition("://")
    scheme = scheme.lower()
    if not found:
        _refuse("The connection string is not a URL.", f"Write it as {FORM}.")
    if scheme not in {"mongodb", SRV}:
        shown = scheme if re.fullmatch(r"[a-z][a-z0-9+.-]{0,30}", scheme) else "that"
        _refuse(f"A MongoDB connection string does not begin with {shown}://.", f"Write it as {FORM}.")
    _check_characters(rest)
    rest, _, query = rest.partition("?")
    authority, _, path = rest.partition("/")
    if "@" in path or ("@" in query and "@" not in authority):
        _refuse("The connection string holds a / or ? before its @ that is not encoded.", ENCODE_HINT)
    userinfo, at, hosts = authority.rpartition("@")
    if "@" in userinfo or userinfo.count(":") > 1:
        _refuse("The user name or the password holds an @ or a : that is not encoded.", ENCODE_HINT)
    if at and not userinfo.partition(":")[0]:
        _refuse("A user name must stand before the password.", f"Write it as {FORM}.")
    if not hosts:
        _refuse("The connection string names no host.", f"Write it as {FORM}.")
    database = _decode(path)
    if _FORBIDDEN_IN_DATABASE & set(database):
        _refuse("The name of a MongoDB database can't hold / \\ . \" $ or a space.", f"Write it as {FORM}.")
    return scheme, userinfo, hosts, database, query


def _check_characters(rest: str) -> None:
    if _UNENCODED.search(rest):
        _refuse("The connection string holds a space or a control character.", "Encode a space as %20.")
    if _BAD_PERCENT.search(rest):
        _refuse("A % that does not begin an encoded character must be written as %25.", ENCODE_HINT)
    if "#" in rest:
        _refuse("The connection string holds a # that is not encoded.", ENCODE_HINT)


def _named(query: str) -> list[tuple[str, str]]:
    """The options in their order: those of `readPreferenceTags` are tried one after the other."""
    named = []
    for item in filter(None, query.split("&")):
        name, equals, value = item.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]{0,63}", name):
            _refuse(
                "What follows the ? must be options, name=value, joined by &.",
                f"Write it as {FORM}?name=value.",
            )
        named.append((name, _decode(value)))
    return named


def _check_options(given: Mapping[str, str], directory: Path | None) -> None:
    for name, value in given.items():
        if name in _REFUSED or name in _PROXY:
            _refuse(_REFUSED.get(name, _REFUSED["proxyhost"]))
        if name in _FILES or name in _FILES_OF_OLD:
            _check_file(name, value, directory)
        try:
            if name in _KEPT | _BOUNDED:
                validate_options({name: value})
            if name in _BOUNDED:
                int(value)
        except (PyMongoError, ValueError, TypeError):
            # Not the driver's own sentence, which repeats the value: it may be a password.
            _refuse(f"The option {name} has a value that is not allowed.")
    if given.get("tls", given.get("ssl")) != given.get("ssl", given.get("tls")):
        _refuse("tls and ssl mean the same and can't differ.")
    for data, file in ((_CA, "tlscafile"), (_KEY, "tlscertificatekeyfile")):
        if data in given and file in given:
            _refuse(f"{file} and {data} can't be given both.")


def _check_file(name: str, value: str, directory: Path | None) -> None:
    """Files named by a user would be those of this service's host: only those an operator put there for it."""
    instead = "tlsCAData" if "ca" in name else "tlsCertificateKeyData"
    if name in _FILES and directory is not None:
        path = Path(value).resolve()
        if path.is_relative_to(directory.resolve()):
            if not path.is_file():
                _refuse(f"There is no such file for {name} in the directory of MONGODB_TLS_DIRECTORY.")
            return
    _refuse(
        f"The option {name} names a file, and files of the services' host can't be used.",
        f"Give its text as {instead} (PEM, percent-encoded); an operator can allow a directory with "
        "MONGODB_TLS_DIRECTORY.",
    )


def _check_mechanism(mechanism: str, given: Mapping[str, str], *, has_password: bool) -> None:
    if mechanism == "MONGODB-OIDC":
        # ENVIRONMENT=azure, gcp and k8s hand out this host's own identity; a callback can't be written in a URL.
        _refuse(
            "MONGODB-OIDC is not supported: it would log in as the host of these services.",
            "Use SCRAM-SHA-256 or MONGODB-X509.",
        )
    if mechanism == "MONGODB-AWS":
        if not has_password:
            _refuse(
                "MONGODB-AWS needs an access key: without one it would log in as the host of these services.",
                "Write the access key's id as the user name and the secret as the password.",
            )
        if not _has_module("pymongo_auth_aws"):
            _refuse("MONGODB-AWS is not available here.", "Use SCRAM-SHA-256 or MONGODB-X509.")
    if mechanism == "GSSAPI" and not (_has_module("kerberos") or _has_module("winkerberos")):
        _refuse("GSSAPI (Kerberos) is not available here.", "Use SCRAM-SHA-256 or MONGODB-X509.")
    if mechanism == "MONGODB-X509" and not {"tlscertificatekeyfile", _KEY} & given.keys():
        _refuse(
            "MONGODB-X509 needs a client certificate.",
            "Give certificate and private key as tlsCertificateKeyData (PEM, percent-encoded).",
        )


def _check_login(userinfo: str, given: Mapping[str, str]) -> bool:
    """Whether a password is given."""
    username, colon, password = userinfo.partition(":")
    without = {"MONGODB-X509", "GSSAPI", "MONGODB-AWS", "MONGODB-OIDC"}
    if username and not colon and given.get("authmechanism", "") not in without:
        _refuse("The user name has no password.", f"Write it as {FORM}.")
    return bool(password)


def _seed(text: str) -> Seed:
    if "%2f" in text.lower():
        path = _decode(text)
        if not path.startswith("/") or not path.endswith(".sock"):
            _refuse(
                "A Unix socket is given by its encoded absolute path.", "Such as %2Ftmp%2Fmongodb-27017.sock."
            )
        return Seed(path, 0)
    host, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    host = host if colon else text
    if not _HOST.fullmatch(host):
        _refuse("A host is no name and no IP address.", "IPv6 addresses stand in brackets: [::1]:27017.")
    if colon and not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) <= MAX_PORT):
        _refuse(f"A port is a number from 1 to {MAX_PORT}.", f"Write it as {FORM}.")
    return Seed(host.strip("[]").lower(), int(port) if colon else DEFAULT_PORT)


def _uri(scheme: str, userinfo: str, hosts: str, database: str, kept: Sequence[tuple[str, str]]) -> str:
    query = "&".join(f"{name}={quote(value, safe=_SAFE.get(name.lower(), ''))}" for name, value in kept)
    # Encoded anew: the driver takes a + for a space.
    login = ":".join(quote(_decode(part), safe="") for part in userinfo.split(":"))
    return f"{scheme}://{login}{'@' if login else ''}{hosts}/{quote(database, safe='')}{'?' if query else ''}{query}"


def _can_compress(name: str) -> bool:
    return name in _COMPRESSORS and _has_module(_COMPRESSORS[name])


def _has_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # of the package around it
        return False


def _decode(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        _refuse("An encoded character is not UTF-8.", ENCODE_HINT)


def _refuse(message: str, hint: str = "") -> NoReturn:
    raise StudioError(
        ErrorReason.ERROR_REASON_INVALID_CONNECTION_STRING, message, hint=hint, metadata={"stage": "parse"}
    )
