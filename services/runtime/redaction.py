"""Takes secrets out of text and messages. The only way anything reaches a log.

Two sources: fields that the contract marks `debug_redact`, and the shapes that credentials have in text, for what
drivers and users write into sentences. Python's protobuf ignores `debug_redact`, so it is applied here.

Users choose much of the text, so each pattern takes time linear in it: repetitions are bounded, or consume what they
have looked at. (Unbounded ones took more than a minute for 8 KB of `passpass…`.) Too much is masked rather than
too little.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

MASK = "***"
MAX_TEXT = 8192
"""Longer texts are cut: a log line is no dump."""
MAX_ITEMS = 64
"""Elements shown of a repeated field or a mapping."""
MAX_DEPTH = 12
"""Levels shown of what is nested."""

# What is looked at of a long text, before it is cut: a secret must not escape by standing across the cut.
_WINDOW = 4 * MAX_TEXT
_TAIL = MAX_TEXT // 4  # a traceback says what happened at its end

_WORD = re.compile(r"\S+")
# How our own sentences show the form of a connection string: masked, they would tell nobody anything.
_EXAMPLE = re.compile(r"[a-z]{1,16}://(?:user:|:)?(?:password|key)@host(?::\d{1,5})?(?:/\w{1,32})?[.,;]?")
_TOKEN_RUN = re.compile(r"[A-Za-z0-9_.-]+")
_JWT_START, _JWT_HEADER = "eyJ", 8  # base64 of `{"`, and the shortest header
_PEM = re.compile(
    # Spaces are percent-encoded where it is an option of a connection string.
    r"-----BEGIN(?: |%20)(?:[A-Z ]|%20){0,40}PRIVATE(?: |%20)KEY-----.*?"
    r"(?:-----END(?: |%20)(?:[A-Z ]|%20){0,40}PRIVATE(?: |%20)KEY-----|\Z)",
    re.DOTALL,
)
_BEARER = re.compile(r"\b(?P<scheme>Bearer|Basic)\s{1,8}[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
# As `auth.api_keys` makes them; the id stays: it names the key in logs.
_API_KEY = re.compile(r"(?P<id>sdb_[0-9a-z]{16}_)[0-9A-Za-z]+")
_SEALED = re.compile(r"v1\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{16,}|U2FsdGVkX1[A-Za-z0-9+/=]+")
_NAMES = (
    r"pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|authorization|credential|crypto[_-]?key|"
    r"connection[_-]?string|private[_-]?key|key[_-]?data|requirepass|masterauth"
)
# What follows a secret's name: quoted, quoted inside JSON that is itself quoted, a header's value, or a word.
_VALUE = (
    r"(?:\"(?:[^\"\\]|\\.)*+\"?|'(?:[^'\\]|\\.)*+'?|"
    r"\\{1,2}\"(?:[^\"\\]|\\{3,}+\"|\\++(?!\"))*+|"
    r"(?:(?:Bearer|Basic)\s{1,8})?\S+)"
)
_NAMED = re.compile(
    rf"(?P<name>(?:{_NAMES})[\w-]{{0,40}}+\\{{0,3}}[\"']?\s{{0,8}}[=:]\s{{0,8}}){_VALUE}",
    re.IGNORECASE | re.DOTALL,
)
_ASSIGNED = re.compile(
    rf"(?P<name>(?:{_NAMES})[\w-]{{0,40}}+(?:\s{{0,8}}=\s{{0,8}}|\\{{0,3}}[\"']\s{{0,8}}[=:]\s{{0,8}})){_VALUE}",
    re.IGNORECASE | re.DOTALL,
)
_SECRET_KEY = re.compile(rf"(?:{_NAMES})", re.IGNORECASE)


_LEAVES = (str, bytes, bytearray, memoryview)
# The abstract classes: protobuf's containers are neither lists nor dicts, and show what is inside as it is.
_TREES = (Message, Mapping, Sequence, AbstractSet)


def redact(text: str) -> str:
    """The text with everything that looks like a credential masked, about `MAX_TEXT` characters at most."""
    return _shortened(_NAMED.sub(_keep_name, _masked(_window(text))), len(text))


def redact_answer(text: str) -> str:
    """As `redact`, for sentences we write to a caller: `password: must not be empty` stays as it is."""
    return _shortened(_ASSIGNED.sub(_keep_name, _masked(_window(text))), len(text))


def _window(text: str) -> str:
    """As much of the text as is looked at, without a last word that is cut in two."""
    if len(text) <= _WINDOW:
        return text
    seen = text[:_WINDOW]
    return seen[: next((index for index in range(len(seen) - 1, -1, -1) if seen[index].isspace()), 0)]


def _shortened(text: str, characters: int) -> str:
    if len(text) <= MAX_TEXT and characters <= _WINDOW:
        return text
    return f"{text[: MAX_TEXT - _TAIL]}… ({characters} characters) …{text[-_TAIL:]}"


def _masked(text: str) -> str:
    """The text without the credentials that show by their own shape."""
    if "@" in text:
        text = _WORD.sub(_without_credentials, text)
    if "-----BEGIN" in text:
        text = _PEM.sub(MASK, text)
    text = _BEARER.sub(lambda match: f"{match['scheme']} {MASK}", text)
    if _JWT_START in text:
        text = _TOKEN_RUN.sub(_without_jwt, text)
    if "sdb_" in text:
        text = _API_KEY.sub(lambda match: f"{match['id']}{MASK}", text)
    return _SEALED.sub(MASK, text)


def _without_credentials(match: re.Match[str]) -> str:
    """`scheme://***@host` and `user:***@host`.

    A password may hold anything but white space; the last `@` ends it, since a user who forgot to encode one would
    otherwise leak the rest.
    """
    word = match[0]
    if _EXAMPLE.fullmatch(word):
        return word
    end = word.rfind("@")
    scheme = word.find("://", 0, max(end, 0))
    if scheme >= 0 and "@" not in word[:scheme]:
        return f"{word[: scheme + 3]}{MASK}{word[end:]}"
    colon = word.find(":", 0, max(end, 0))
    return word if colon < 0 else f"{word[: colon + 1]}{MASK}{word[end:]}"


def _without_jwt(match: re.Match[str]) -> str:
    run = match[0]
    start = run.find(_JWT_START)
    return f"{run[:start]}{MASK}" if start >= 0 and run.find(".", start + _JWT_HEADER) > 0 else run


def _keep_name(match: re.Match[str]) -> str:
    return f"{match['name']}{MASK}"


def redact_value(value: object, *, key: str = "", depth: int = 0) -> Any:  # noqa: ANN401  the shape of JSON
    """A value of a log line without secrets: by its key's name, and by the shapes in its text."""
    if value is None or isinstance(value, bool):
        return value
    if key and value != "" and _SECRET_KEY.search(key):
        return MASK
    if not isinstance(value, _LEAVES) and isinstance(value, _TREES):
        return _redact_tree(value, depth + 1) if depth < MAX_DEPTH else "…"
    return _redact_leaf(value)


def _redact_leaf(value: object) -> str | int | float:
    if isinstance(value, (int, float)):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(value)} bytes>"
    try:
        return redact(str(value))
    except Exception as error:  # noqa: BLE001  a log line must not fail because of what it shows
        return f"<{type(value).__name__}: {type(error).__name__}>"


def _redact_tree(value: Message | Mapping[Any, Any] | Collection[Any], depth: int) -> Any:  # noqa: ANN401  as above
    if isinstance(value, Message):
        return redact_message(value, depth=depth)
    if isinstance(value, Mapping):
        pairs = islice(value.items(), MAX_ITEMS)
        return {redact(str(name)): redact_value(each, key=str(name), depth=depth) for name, each in pairs}
    return [redact_value(each, depth=depth) for each in islice(value, MAX_ITEMS)]


def redact_message(message: Message, *, depth: int = 0) -> dict[str, Any]:
    """The set fields of a message, with those masked that the contract marks `debug_redact`."""
    return {
        field.name: MASK if is_secret(field) else redact_value(value, key=_shown_name(field), depth=depth)
        for field, value in message.ListFields()
    }


def _shown_name(field: FieldDescriptor) -> str:
    """The name by which a field's value may be masked; none for a message, whose own fields decide."""
    return "" if field.type == FieldDescriptor.TYPE_MESSAGE else str(field.name)


def is_secret(field: FieldDescriptor) -> bool:
    """Whether the contract says that this field must not be shown."""
    return bool(field.GetOptions().debug_redact)
