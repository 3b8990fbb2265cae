"""MongoDB connection strings, after the connection string specification.

`mongodb://[user:password@]host[:port][,host[:port]…][/[database][?option=value&…]]`, `mongodb+srv://[…@]host[/…]`
(https://github.com/mongodb/specifications/blob/master/source/connection-string/connection-string-spec.md). PyMongo
checks the options' values. Its `parse_uri` is not used: it resolves SRV records. Certificates may be given as text:
`tlsCAData` and `tlsCertificateKeyData`, options of ours that never reach a driver.
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
from services.registry.connection_strings.hosts import (
    MAX_HOSTS,
    change_hosts,
    check_name,
    format_host,
    parse_host,
)

TYPE = "mongodb"
DEFAULT_PORT = 27017

_FORBIDDEN_IN_DATABASE = frozenset('/\\. "$')
# Logins that need no password in the URL.
_WITHOUT_PASSWORD = frozenset({"GSSAPI", "MONGODB-X509", "MONGODB-AWS", "MONGODB-OIDC"})
# PyMongo would look for these files here; only the service that connects knows whether they exist.
_TLS_IMPLIED = frozenset(
    {"tlscafile", "tlscrlfile", "tlscertificatekeyfile", "tlscadata", "tlscertificatekeydata"}
)
"""Options that mean TLS, unless it is switched off."""
_FILES = frozenset({"tlscafile", "tlscrlfile", "tlscertificatekeyfile", "ssl_ca_certs"})


def parse(text: str) -> Connection:
    """Takes a MongoDB URL apart."""
    url = _ascii_hosts(split(text, TYPE))
    login = re.split("[/?]", text.partition("://")[2], maxsplit=1)[0].rpartition("@")[0]
    if ":" in login.partition(":")[2]:
        raise invalid('A ":" in the user name or password must be written as %3A.')
    options = _options(url)
    _check_login(url, options)
    hosts = _hosts(url)
    if len(hosts) > 1 and options.get("directconnection") == "true":
        raise invalid("directConnection=true needs a single host.")
    host, port = hosts[0]
    tls = options.get("tls", options.get("ssl", str(_tls_by_default(url)).lower()))
    parts = Parts(
        host=host,
        port=port,
        username=url.username or "",
        password=url.password or "",
        database_name=_database(url.path),
        tls=tls == "true",
    )
    # Older drivers want the slash before the options.
    return Connection(dataclasses.replace(url, path=url.path or "/").text(), parts)


def amend(url: Url, changes: Changes) -> Url:
    """The URL with other parts."""
    url = url.with_login(changes, password_needed=False)
    if (changes.host or "").startswith("/"):
        if changes.port:
            raise invalid("A Unix socket has no port.", "host")
        url = dataclasses.replace(url, hosts=encode(changes.host or ""))
    else:
        from_socket = changes.host is not None and "%2f" in url.hosts.lower()
        url = dataclasses.replace(url, hosts=change_hosts("" if from_socket else url.hosts, changes))
    if changes.database_name is not None:
        url = dataclasses.replace(url, path=f"/{encode(changes.database_name)}")
    if changes.tls is not None:
        url = url.without_options("tls", "ssl")
        is_default = changes.tls == _tls_by_default(url)
        url = url.with_options({} if is_default else {"tls": str(changes.tls).lower()})
    return url


def _tls_by_default(url: Url) -> bool:
    """Whether it is meant without being said: with SRV, and where certificates are given."""
    return url.scheme == "mongodb+srv" or any(name.lower() in _TLS_IMPLIED for name, _ in url.options())


def assemble(parts: Parts) -> str:
    """The URL of one server."""
    login = userinfo(parts.username, parts.password or None) if parts.username or parts.password else ""
    if parts.host.startswith("/"):
        if parts.port:
            raise invalid("A Unix socket has no port.", "host")
        host = encode(parts.host)
    else:
        host = format_host(parts)
    return f"mongodb://{login}{host}/{encode(parts.database_name)}{'?tls=true' if parts.tls else ''}"


def _hosts(url: Url) -> list[tuple[str, int]]:
    if url.scheme == "mongodb+srv":
        if "," in url.hosts or ":" in url.hosts:
            raise invalid("mongodb+srv:// takes one host name without a port; DNS gives the rest.")
        return [(check_name(url.hosts), 0)] if url.hosts else [parse_host("", 0)]
    hosts = [_host(each) for each in url.hosts.split(",")]
    if len(hosts) > MAX_HOSTS:
        raise invalid(f"The connection string lists more than {MAX_HOSTS} hosts.")
    return hosts


def _host(text: str) -> tuple[str, int]:
    if "%2f" not in text.lower():
        return parse_host(text, DEFAULT_PORT)
    path = decode(text)
    if not path.startswith("/") or not path.endswith(".sock"):
        raise invalid("A Unix socket is given by its encoded absolute path: %2Ftmp%2Fmongodb-27017.sock.")
    return path, 0


def _ascii_hosts(url: Url) -> Url:
    """The URL with host names in ASCII: the specification has names percent-encoded or in any script."""
    if "%2f" in url.hosts.lower() or (url.hosts.isascii() and "%" not in url.hosts):
        return url
    try:
        return dataclasses.replace(url, hosts=",".join(_idna(decode(each)) for each in url.hosts.split(",")))
    except UnicodeError:
        raise invalid("A host is no valid name.") from None


def _idna(text: str) -> str:
    name, colon, port = text.partition(":")
    return f"{name.encode('idna').decode()}{colon}{port}" if not text.startswith("[") else text


def _options(url: Url) -> dict[str, str]:
    """The options by lower-case name; unknown ones are left to the driver, as the specification says."""
    options: dict[str, str] = {}
    for name, value in url.options():
        key = name.lower()
        if key not in _FILES and not _is_allowed(key, value):
            # Not PyMongo's own sentence, which repeats the value: it may be a password.
            raise invalid(f"The option {name} has a value that is not allowed.")
        if key in {"tls", "ssl"} and options.get("tls", options.get("ssl", value)) != value:
            raise invalid("tls and ssl mean the same and can't differ.")
        options[key] = value
    return options


def _is_allowed(key: str, value: str) -> bool:
    # Imported where it is needed: it takes 6 MB, and most registries hold no option to check.
    from pymongo.errors import PyMongoError  # noqa: PLC0415
    from pymongo.uri_parser import validate_options  # noqa: PLC0415
    from pymongo.uri_parser_shared import URI_OPTIONS  # noqa: PLC0415

    if key not in map(str.lower, URI_OPTIONS):
        return True
    try:
        validate_options({key: value})
    except (PyMongoError, ValueError, TypeError):
        return False
    return True


def _check_login(url: Url, options: dict[str, str]) -> None:
    if url.username is None:
        return
    if not url.username:
        raise invalid("A user name must stand before the colon: mongodb://user:password@host.")
    if url.password is None and options.get("authmechanism", "").upper() not in _WITHOUT_PASSWORD:
        raise invalid("The user name has no password: mongodb://user:password@host.")


def _database(path: str) -> str:
    name = decode(path[1:])
    if _FORBIDDEN_IN_DATABASE & set(name):
        raise invalid("The name of a MongoDB database can't hold / \\ . \" $ or a space.", "database_name")
    return name
