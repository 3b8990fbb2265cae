"""Takes secrets out of text and messages. The only way anything reaches a log.

Two sources: fields that the contract marks `debug_redact`, and the shapes that credentials have in text, for what
drivers and users write into sentences. Python's protobuf ignores `debug_redact`, so it is applied here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from itertools import islice
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

MASK = "***"
MAX_TEXT = 8192
"""Longer texts are cut: a log line is no dump."""
MAX_ITEMS = 64
"""Elements shown of a repeated field or a mapping."""

# `scheme://user:password@`: the password may hold anything but white space; the last `@` ends it, since a user who
# forgot to encode one would otherwise leak the rest.
_URL_CREDENTIALS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^\s\"'<>]*@")
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+\.?[A-Za-z0-9_-]*")
_BEARER = re.compile(r"\b(?P<scheme>Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_SEALED = re.compile(r"\bv1\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{16,}|\bU2FsdGVkX1[A-Za-z0-9+/=]+")
_NAMES = (
    r"pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|apikey|authorization|credential|crypto[_-]?key|"
    r"connection[_-]?string|private[_-]?key|requirepass|masterauth"
)
_NAMED = re.compile(
    rf"(?P<name>[\w-]*(?:{_NAMES})[\w-]*)(?P<sep>[\"']?\s*[=:]\s*)(?P<value>\"[^\"]*\"|'[^']*'|[^\s,;&}}\)]+)",
    re.IGNORECASE,
)
_SECRET_KEY = re.compile(rf"(?:{_NAMES})", re.IGNORECASE)


def redact(text: str) -> str:
    """The text with everything that looks like a credential masked, at most `MAX_TEXT` characters long."""
    if len(text) > MAX_TEXT:
        text = f"{text[:MAX_TEXT]}… ({len(text)} characters)"
    text = _URL_CREDENTIALS.sub(lambda match: f"{match['scheme']}{MASK}@", text)
    text = _BEARER.sub(lambda match: f"{match['scheme']} {MASK}", text)
    text = _JWT.sub(MASK, text)
    text = _SEALED.sub(MASK, text)
    return _NAMED.sub(lambda match: f"{match['name']}{match['sep']}{MASK}", text)


def redact_value(value: object, *, key: str = "") -> Any:  # noqa: ANN401  the shape of JSON
    """A value of a log line without secrets: by its key's name, and by the shapes in its text."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if key and value and _SECRET_KEY.search(key):
        return MASK
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, (Message, Mapping, list, tuple, set, frozenset)):
        return _redact_tree(value)
    return redact(str(value))


def _redact_tree(value: Message | Mapping[Any, Any] | Collection[Any]) -> Any:  # noqa: ANN401  the shape of JSON
    if isinstance(value, Message):
        return redact_message(value)
    if isinstance(value, Mapping):
        pairs = islice(value.items(), MAX_ITEMS)
        return {str(name): redact_value(each, key=str(name)) for name, each in pairs}
    return [redact_value(each) for each in islice(value, MAX_ITEMS)]


def redact_message(message: Message) -> dict[str, Any]:
    """The set fields of a message, with those masked that the contract marks `debug_redact`."""
    shown: dict[str, Any] = {}
    for field, value in message.ListFields():
        if is_secret(field):
            shown[field.name] = MASK
        elif field.type == FieldDescriptor.TYPE_MESSAGE and not field.is_repeated:
            shown[field.name] = redact_message(value)
        elif field.is_repeated and not isinstance(value, Mapping):
            shown[field.name] = [redact_value(each) for each in islice(value, MAX_ITEMS)]
        else:
            shown[field.name] = redact_value(value, key=field.name)
    return shown


def is_secret(field: FieldDescriptor) -> bool:
    """Whether the contract says that this field must not be shown."""
    return bool(field.GetOptions().debug_redact)
