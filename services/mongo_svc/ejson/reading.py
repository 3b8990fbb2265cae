"""Extended JSON to BSON.

The standard library's decoder splits the text into tuples of pairs (objects, so that order and repeated names stay),
lists, and plain values; one walk over those writes the bytes.
"""

# ruff: noqa: TRY301 - the handlers around name the place

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable
from math import isinf
from typing import Final, cast

from services.mongo_svc.ejson.bounds import CACHED_NAME_LENGTH, CACHED_NAMES, MAX_DEPTH
from services.mongo_svc.ejson.layout import BYTE, MIN_DOCUMENT, Kind, Value, pack_int32, too_deep
from services.mongo_svc.ejson.problems import ContentError, shown
from services.mongo_svc.ejson.wrappers import (
    INT32_LIMIT,
    INT64_LIMIT,
    READERS,
    WRAPPERS,
    Constant,
    Json,
    Pairs,
    bson,
    exactly,
    packed_string,
    text_of,
)

_BEGINNING: Final = b"\xef\xbb\xbf"
_pack_int64: Final[Callable[[int], bytes]] = struct.Struct("<q").pack
_pack_double: Final[Callable[[float], bytes]] = struct.Struct("<d").pack
_decode: Final = cast(
    "Callable[[str], Json]", json.JSONDecoder(object_pairs_hook=tuple, parse_constant=Constant).decode
)
_CODE, _SCOPE = "$code", "$scope"
_CODES: Final = frozenset([_CODE, _SCOPE])
_keys: Final[dict[str | int, bytes]] = {}
"""Names as they stand in a document, with the NUL; of arrays by their number."""


def loads(text: bytes, *, what: str = "the document") -> bytes:
    """The BSON document that a JSON object in UTF-8 stands for.

    Args:
        text: the JSON.
        what: what it is to the user, for errors.

    Raises:
        StudioError: INVALID_ARGUMENT where it is no strict JSON, no object, or not Extended JSON.
    """
    try:
        kind, raw = _value(_parsed(text))
        if kind != Kind.DOCUMENT:
            raise ContentError("must be a JSON object that stands for a document")
    except ContentError as problem:
        raise problem.as_user_error(what) from None
    return raw


def loads_value(text: bytes, *, what: str = "the value") -> Value:
    """The BSON value that any JSON value in UTF-8 stands for.

    Args:
        text: the JSON.
        what: what it is to the user, for errors.

    Raises:
        StudioError: INVALID_ARGUMENT where it is no strict JSON, or not Extended JSON.
    """
    try:
        return _value(_parsed(text))
    except ContentError as problem:
        raise problem.as_user_error(what) from None


def _parsed(text: bytes) -> Json:
    if not text:
        raise ContentError("is empty, but must be JSON")
    if text.startswith(_BEGINNING):
        raise ContentError("must not begin with a byte order mark")
    try:
        return _decode(text.decode())
    except UnicodeDecodeError as error:
        raise ContentError(f"is not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        expected = error.msg.removesuffix(" at").removesuffix(": ")
        raise ContentError(f"is not JSON: {expected} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise too_deep() from None
    except ValueError:
        # Python reads no integers of more than 4,300 digits: the time grows with the square.
        raise ContentError("holds an integer beyond 64 bits") from None


def _value(value: Json) -> Value:
    """A value that stands alone."""
    try:
        document = _document((("", value),), 0)
    except RecursionError:
        # The levels are counted, but the caller may have used up most of the stack.
        raise too_deep() from None
    # Length, type, empty name, value, terminator.
    return Value(document[4], document[6:-1])


def _document(fields: Iterable[tuple[str | int, Json]], depth: int) -> bytes:  # noqa: C901, PLR0912 - one branch a type
    """A document; an array where the names are numbers.

    Args:
        fields: names and values.
        depth: how many documents and arrays there are around its values.
    """
    if depth > MAX_DEPTH:
        raise too_deep()
    out: list[bytes] = []
    name: str | int = ""
    try:
        for name, value in fields:
            key = _keys.get(name) or _key(name)
            if isinstance(value, str):
                raw = value.encode()
                out += (b"\x02", key, pack_int32(len(raw) + 1), raw, b"\0")
            elif isinstance(value, tuple):
                if value and value[0][0] in WRAPPERS:
                    kind, raw = _wrapped(value[0][0], value, depth)
                    out += (BYTE[kind], key, raw)
                else:
                    out += (b"\x03", key, _document(value, depth + 1))
            elif isinstance(value, bool):
                out += (b"\x08", key, b"\x01" if value else b"\x00")
            elif isinstance(value, int):
                if -INT32_LIMIT <= value < INT32_LIMIT:
                    out += (b"\x10", key, pack_int32(value))
                elif -INT64_LIMIT <= value < INT64_LIMIT:
                    out += (b"\x12", key, _pack_int64(value))
                else:
                    raise ContentError("is an integer beyond 64 bits")
            elif isinstance(value, float):
                if isinf(value):
                    raise ContentError("is a number beyond the range of a double")
                out += (b"\x01", key, _pack_double(value))
            elif isinstance(value, list):
                out += (b"\x04", key, _document(enumerate(value), depth + 1))
            elif value is None:
                out += (b"\x0a", key)
            else:
                raise ContentError(f'is no JSON: write {{"$numberDouble": "{value.text}"}}')
    except ContentError as problem:
        if depth:
            problem.within(name)
        raise
    except UnicodeEncodeError:
        raise ContentError("holds half of a surrogate pair", *([name] if depth else [])) from None
    body = b"".join(out)
    return b"%b%b\0" % (pack_int32(len(body) + MIN_DOCUMENT), body)


def _key(name: str | int) -> bytes:
    if isinstance(name, int):
        key = b"%d\0" % name
    else:
        if "\0" in name:
            raise ContentError("is a name that holds a NUL")
        if name in WRAPPERS:
            raise ContentError(
                "can't stand behind other names: an object with it is a type wrapper and has no more"
            )
        key = name.encode() + b"\0"
        if len(name) > CACHED_NAME_LENGTH:
            return key
    if len(_keys) >= CACHED_NAMES:
        _keys.clear()
    _keys[name] = key
    return key


def _wrapped(first: str, pairs: Pairs, depth: int) -> tuple[int, bytes]:
    """The value that a type wrapper stands for: type byte and bytes."""
    if first in _CODES:
        return _code(pairs, depth)
    try:
        return READERS[first](pairs) if first in READERS else bson(pairs, depth)
    except ContentError as problem:
        problem.within(first)
        raise
    except UnicodeEncodeError:
        raise ContentError("holds half of a surrogate pair", first) from None


def _code(pairs: Pairs, depth: int) -> tuple[int, bytes]:
    if len(pairs) == 1 and pairs[0][0] == _CODE:
        return Kind.CODE, packed_string(text_of(pairs[0][1], _CODE))
    code, scope = exactly(pairs, _CODE, _SCOPE)
    text = packed_string(text_of(code, _CODE))
    if not isinstance(scope, tuple):
        raise ContentError(f"must be an object, not {shown(scope)}", _SCOPE)
    try:
        kind, document = _object(scope, depth)
        if kind != Kind.DOCUMENT:
            raise ContentError("must stand for a document")
    except ContentError as problem:
        problem.within(_SCOPE)
        raise
    return Kind.CODE_WITH_SCOPE, b"%b%b%b" % (pack_int32(len(text) + len(document) + 4), text, document)


def _object(pairs: Pairs, depth: int) -> tuple[int, bytes]:
    """What an object stands for: a document, or the value of a type wrapper."""
    if pairs and pairs[0][0] in WRAPPERS:
        return _wrapped(pairs[0][0], pairs, depth)
    return Kind.DOCUMENT, _document(pairs, depth + 1)
