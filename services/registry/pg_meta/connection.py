"""A registered connection string as pg-meta takes it: `pg` on Node.js reads it otherwise than libpq does.

pg-meta dials by itself, so where a connection leads is decided here: the string is made anew of its parts, with the
address that was checked in the place of the name and with known options only (`pg` would take any of its settings from
the query, the host among them). The name itself travels with `verify-full` alone: the server must then prove to be it
before it is told anything, and a name that leads elsewhere meanwhile reaches nothing but a request for TLS.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from services.registry import connection_strings
from services.registry.connection_strings import Parts
from services.registry.connection_strings.common import encode, split
from services.registry.pg_meta.addresses import Choices
from services.runtime.addresses import AddressPolicy
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

TYPE = "postgres"
READ_ONLY = "-c default_transaction_read_only=on"
"""The session begins so; it beats what the role or the database have as their default."""

# pg-meta checks certificates in `verify-full` only; it knows no attempt with and one without TLS.
_TLS = {"require": "require", "verify-ca": "verify-full", "verify-full": "verify-full"}
_PASSED = ("application_name", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
# `decodeURI`, which `pg` reads the path with, leaves these as they are when they are escaped.
_RAW_IN_PATH = ";/:@&=+$,"
_UNSAYABLE = re.compile(r"[?#\\]|(?:\A|/)\.{0,2}(?:/|\Z)")


@dataclass(frozen=True, slots=True)
class Dialling:
    """How pg-meta may dial.

    Args:
        policy: which addresses.
        allow_unix: whether Unix sockets of its host, too.
        choices: picks one of a name's addresses.
    """

    policy: AddressPolicy
    allow_unix: bool = False
    choices: Choices = field(default_factory=Choices)


async def for_pg_meta(text: str, dialling: Dialling, *, read_only: bool) -> str:
    """The connection string for pg-meta.

    Args:
        text: the registered one.
        dialling: where it may lead.
        read_only: whether its sessions begin read-only.

    Raises:
        StudioError: DB_ADDRESS_DENIED, DB_CONNECTION_FAILED and DB_TIMEOUT of looking the name up;
            INVALID_CONNECTION_STRING, NOT_SUPPORTED. The stage is in the metadata.
    """
    try:
        parts = connection_strings.parse(TYPE, text).parts
        options = dict(split(text, TYPE).options())
    except StudioError as error:
        error.metadata.setdefault("stage", "parse")
        raise
    host, passed = await _host(parts, options, dialling)
    passed["sslmode"] = _TLS.get(options.get("sslmode", ""), "disable")
    passed |= {name: options[name] for name in _PASSED if name in options}
    session = [text for text in (options.get("options", ""), READ_ONLY if read_only else "") if text]
    if session:
        passed["options"] = " ".join(session)
    login = f"{encode(parts.username)}:{encode(parts.password)}@" if parts.username or parts.password else ""
    query = "&".join(f"{name}={encode(value)}" for name, value in passed.items())
    return f"postgresql://{login}{host}{_path(parts.database_name)}?{query}"


async def _host(parts: Parts, options: Mapping[str, str], dialling: Dialling) -> tuple[str, dict[str, str]]:
    if parts.host.startswith("/"):
        if not dialling.allow_unix:
            raise StudioError(
                e.ERROR_REASON_DB_ADDRESS_DENIED,
                "Unix sockets are not dialled here.",
                hint="The operator allows them with PG_META_ALLOW_UNIX_SOCKETS.",
                metadata={"stage": "address"},
            )
        return "localhost", {"host": parts.host}
    # libpq would try each of several hosts; `pg` knows one.
    address = await dialling.choices.choose(await dialling.policy.resolve(parts.host, parts.port))
    name = parts.host if _TLS.get(options.get("sslmode", "")) == "verify-full" else address.ip
    return f"[{name}]:{parts.port}" if ":" in name else f"{name}:{parts.port}", {}


def _path(database: str) -> str:
    if database and _UNSAYABLE.search(database):
        raise StudioError(
            e.ERROR_REASON_NOT_SUPPORTED,
            "pg-meta can't be given a database of this name: ?, #, \\ and segments of dots have a meaning in URLs.",
            hint="Rename the database, or register one with another name.",
            metadata={"stage": "parse"},
        )
    return f"/{quote(database, safe=_RAW_IN_PATH)}" if database else ""
