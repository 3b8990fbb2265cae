"""Reads the lines of an export back: what each of them is, or the sentence that says why it is none."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass

from services.redis_svc.bulk.lines import FORMAT_VERSION, Json

_ABOUT = frozenset({"export", "progress", "failure", "summary", "error"})
"""Lines about the export itself."""


class LineError(ValueError):
    """A line can't be imported, with a sentence that says why.

    Attributes:
        key: what it was about, as far as that could be read.
    """

    def __init__(self, message: str, key: bytes | None = None) -> None:
        super().__init__(message)
        self.key = key


@dataclass(frozen=True, slots=True)
class Record:
    """A key of an export, or a part of one."""

    key: bytes
    """The key."""
    type: str
    """Its type."""
    ttl_ms: int
    """Milliseconds until it expires; -1 for never."""
    dump: bytes | None
    """DUMP's bytes, in that format."""
    value: Json = None
    """The value, in the readable format."""
    fields: Mapping[str, Json] | None = None
    """The whole line."""
    id: str = ""
    """Of a value in parts; empty for a whole one."""
    part: int = 0
    """Number of the part, from 0."""
    last: bool = True
    """No further part comes."""


def read_line(raw: bytes) -> Record | None:
    """What a line is; None for one about the export itself.

    Raises:
        LineError: it can't be imported.
    """
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError):
        raise LineError("The line is no JSON; it may have been cut off.") from None
    if not isinstance(fields, dict):
        raise LineError("The line is no JSON object.")
    if len(fields) == 1 and not _ABOUT.isdisjoint(fields):
        _check_version(fields.get("export"))
        return None
    key = _key(fields)
    try:
        return _record(key, fields)
    except LineError as error:
        raise LineError(str(error), key) from None


def to_bytes(value: Json) -> bytes:
    """Bytes from their form in JSON.

    Raises:
        LineError: it is none.
    """
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError:
            raise LineError("A text holds half a surrogate pair.") from None
    if isinstance(value, dict) and len(value) == 1:
        return _from_base64(value.get("base64"))
    raise LineError('Bytes must be a text, or {"base64": "…"}.')


def _record(key: bytes, fields: dict[str, Json]) -> Record:
    type_, ttl_ms = fields.get("type", ""), fields.get("ttl_ms", -1)
    if not isinstance(type_, str):
        raise LineError("`type` must be a text.")
    if type(ttl_ms) is not int or not -1 <= ttl_ms < 2**53:
        raise LineError("`ttl_ms` must be a whole number, or -1 for never.")
    if "dump_base64" in fields:
        return Record(key, type_, ttl_ms, _from_base64(fields["dump_base64"]))
    if "value" not in fields:
        raise LineError("The line has neither `dump_base64` nor `value`.")
    id_, part, last = fields.get("id", ""), fields.get("part", 0), fields.get("last", True)
    if not isinstance(id_, str) or type(part) is not int or not isinstance(last, bool) or part < 0:
        raise LineError("`id` must be a text, `part` a number, `last` a boolean.")
    if bool(id_) != ("part" in fields) or (id_ and not (id_.isascii() and id_.isalnum() and len(id_) < 64)):  # noqa: PLR2004  a bound
        raise LineError("A part needs an `id` of letters and digits, and its number.")
    return Record(key, type_, ttl_ms, None, fields["value"], fields, id_, part, last)


def _key(fields: dict[str, Json]) -> bytes:
    if ("key" in fields) == ("key_base64" in fields):
        raise LineError("The line has no `key`.")
    if "key_base64" in fields:
        return _from_base64(fields["key_base64"])
    return to_bytes(fields["key"])


def _from_base64(text: Json) -> bytes:
    if not isinstance(text, str):
        raise LineError("Base64 must be a text.")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise LineError("The base64 is damaged.") from None


def _check_version(header: Json) -> None:
    if isinstance(header, dict) and header.get("version") != FORMAT_VERSION:
        raise LineError(f"The export has a version that is not known here; version {FORMAT_VERSION} is.")
