"""What may be stored as a database's `config`: settings, small, and none of them secret, since lists show them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct

from services.registry.bun_config import check_bun_config
from services.runtime.errors import StudioError, invalid_argument

MAX_BYTES = 16 << 10
MAX_DEPTH = 8

_SECRET_NAMES = frozenset(
    {
        "accesskey",
        "accesstoken",
        "apikey",
        "apisecret",
        "apitoken",
        "auth",
        "authorization",
        "authtoken",
        "bearertoken",
        "clientsecret",
        "connectionstring",
        "credential",
        "credentials",
        "keypem",
        "passphrase",
        "passwd",
        "password",
        "privatekey",
        "pwd",
        "secret",
        "secretkey",
        "sentinelpassword",
        "sslkeydata",
        "tlscertificatekeydata",
        "tlscertificatekeyfilepassword",
        "tlskeypem",
        "token",
        "xapikey",
    }
)
# A private key, or a URL with a password in it, under whatever name.
_SECRET_VALUE = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY|://[^/\s@]*:[^/\s@]+@")


def check_config(config: Struct) -> dict[str, Any]:
    """The settings as JSON that PostgreSQL stores.

    Raises:
        StudioError: INVALID_ARGUMENT; they are too large or deep, or hold what can't be stored or must not be shown.
    """
    for path, key, value in _walk(config, "config", MAX_DEPTH):
        if "\0" in key or (isinstance(value, str) and "\0" in value):
            raise invalid_argument("config", "a NUL character can't be stored")
        if isinstance(value, float) and not math.isfinite(value):
            raise invalid_argument(path[:100], "is not a finite number")
        if "".join(filter(str.isalnum, key)).lower() in _SECRET_NAMES or (
            isinstance(value, str) and _SECRET_VALUE.search(value)
        ):
            raise invalid_argument(
                path[:100], "is shown to whoever may list; a secret belongs in the connection string"
            )
    settings: dict[str, Any] = json_format.MessageToDict(config)
    if len(json.dumps(settings, ensure_ascii=False).encode()) > MAX_BYTES:
        raise invalid_argument("config", f"is larger than {MAX_BYTES // 1024} KiB")
    return settings


def check_for_type(type_: str, config: Mapping[str, Any]) -> None:
    """Refuses settings that the service of this type of database could not use.

    Raises:
        StudioError: INVALID_ARGUMENT.
    """
    if type_ == "bun_api":
        check_bun_config(config)


def _walk(fields: Struct, path: str, depth: int) -> Iterator[tuple[str, str, object]]:
    if depth == 0:
        raise _too_deep()
    for key, value in fields.items():
        yield from _visit(f"{path}.{key}", key, value, depth)


def _visit(path: str, key: str, value: object, depth: int) -> Iterator[tuple[str, str, object]]:
    yield path, key, value
    if isinstance(value, Struct):
        yield from _walk(value, path, depth - 1)
    elif not isinstance(value, (str, float, bool, type(None))):
        yield from _items(path, value, depth - 1)


def _items(path: str, values: Any, depth: int) -> Iterator[tuple[str, str, object]]:  # noqa: ANN401  a ListValue
    if depth <= 0:
        raise _too_deep()
    for index, value in enumerate(values):
        yield from _visit(f"{path}[{index}]", "", value, depth)


def _too_deep() -> StudioError:
    return invalid_argument("config", f"is nested deeper than {MAX_DEPTH} levels")
