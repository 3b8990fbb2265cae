"""Commands as they are shown to people: as Extended JSON, short, and without secrets.

Servers mask some passwords themselves, in some versions and places. Here they are masked wherever they may stand.
"""

from __future__ import annotations

import json
import struct
from typing import Any

from services.mongo_svc import ejson
from services.mongo_svc.ejson import Element
from services.mongo_svc.server.bounds import (
    MAX_TEXT,
    SHOWN_COMMAND_CHARACTERS,
    SHOWN_DEPTH,
    SHOWN_FIELDS,
    SHOWN_TEXT_BYTES,
    SHOWN_VALUE_BYTES,
)
from services.runtime.redaction import redact_answer, redact_value

MASK = "***"

SECRET_COMMANDS = frozenset(
    {
        b"authenticate",
        b"copydb",
        b"copydbgetnonce",
        b"copydbsaslstart",
        b"createuser",
        b"getnonce",
        b"logapplicationmessage",
        b"saslcontinue",
        b"saslstart",
        b"updateuser",
    }
)
"""Commands that carry credentials, in small letters: of them nothing but the name is shown."""
SECRET_FIELDS = frozenset(
    {
        b"accesstoken",
        b"apikey",
        b"kmsproviders",
        b"passwd",
        b"password",
        b"payload",
        b"privatekey",
        b"pwd",
        b"secret",
        b"secretaccesskey",
        b"sessiontoken",
        b"speculativeauthenticate",
    }
)
"""Fields that hold credentials at any depth, in small letters."""
NOISE = frozenset({b"$clusterTime", b"lsid", b"$readPreference"})
"""What drivers add to each command."""

_STRING, _DOCUMENT, _ARRAY, _BINARY, _SCOPED_CODE, _CODE = 0x02, 0x03, 0x04, 0x05, 0x0F, 0x0D
_TEXTS = frozenset({_STRING, _BINARY, _CODE, _SCOPED_CODE})


def command(document: bytes) -> tuple[str, bool]:
    """A command as text, and whether that is less than all of it."""
    fields, cut = _short(document, 0)
    kept = [field for field in fields if field.name not in NOISE]
    text = ejson.dumps(ejson.build(kept)).decode()
    if len(text) > SHOWN_COMMAND_CHARACTERS:
        return text[: SHOWN_COMMAND_CHARACTERS - 1] + "…", True
    return text, cut


def text(value: object) -> str:
    """A text of the server about itself, of bounded length."""
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def attributes(value: object) -> str:
    """What a line of a log says beside its message, as JSON."""
    if not value:
        return ""
    shown = json.dumps(_masked(redact_value(value), 0), ensure_ascii=False, default=str)
    return shown if len(shown) <= SHOWN_COMMAND_CHARACTERS else shown[: SHOWN_COMMAND_CHARACTERS - 1] + "…"


def line(value: str) -> str:
    """A line without parts, without what looks like a credential."""
    return redact_answer(value)[:SHOWN_COMMAND_CHARACTERS]


def _short(document: bytes, depth: int) -> tuple[list[Element], bool]:
    fields: list[Element] = []
    cut = False
    for place, field in enumerate(ejson.elements(document)):
        name = field.name.lower()
        if place == 0 and name in SECRET_COMMANDS:
            return [_text(field.name, MASK)], False
        if place >= SHOWN_FIELDS:
            return fields, True
        if name in SECRET_FIELDS:
            fields.append(_text(field.name, MASK))
        elif field.kind in (_DOCUMENT, _ARRAY):
            if depth >= SHOWN_DEPTH:
                fields.append(_text(field.name, "…"))
                cut = True
                continue
            inner, less = _short(field.raw, depth + 1)
            cut = cut or less
            fields.append(Element(field.kind, field.name, ejson.build(inner)))
        elif field.kind in _TEXTS and len(field.raw) > SHOWN_VALUE_BYTES:
            begin = (
                field.raw[4 : 4 + SHOWN_TEXT_BYTES].decode("utf-8", "ignore") if field.kind == _STRING else ""
            )
            fields.append(_text(field.name, f"{begin}… ({len(field.raw)} bytes)"))
            cut = True
        else:
            fields.append(field)
    return fields, cut


def _text(name: bytes, value: str) -> Element:
    raw = value.encode() + b"\0"
    return Element(_STRING, name, struct.pack("<i", len(raw)) + raw)


def _masked(value: Any, depth: int) -> Any:  # noqa: ANN401  JSON
    if depth > SHOWN_DEPTH:
        return "…"
    if isinstance(value, dict):
        first = next(iter(value), "")
        if first.lower().encode() in SECRET_COMMANDS:
            return {first: MASK}
        return {
            name: MASK if name.lower().encode() in SECRET_FIELDS else _masked(each, depth + 1)
            for name, each in value.items()
        }
    return [_masked(each, depth + 1) for each in value] if isinstance(value, list) else value
