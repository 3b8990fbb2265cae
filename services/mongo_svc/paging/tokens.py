"""The token of a page: where the page before ended, and to which question it belongs.

It is opaque to clients but not secret: whoever changes one gets other values to compare with, nothing else. Its text is
URL-safe base64 of a version byte, the question's digest, and a BSON document.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from services.mongo_svc import ejson, terms
from services.mongo_svc.ejson import Element, Value
from services.mongo_svc.ejson.layout import Kind
from services.mongo_svc.paging.bounds import MAX_TOKEN_BYTES
from services.mongo_svc.paging.brackets import INCOMPARABLE
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_INVALID_CURSOR

_VERSION = b"\x01"
_DIGEST_BYTES = 12
_ABOUT = b"studio-databases/mongodb/page"


@dataclass(frozen=True, slots=True)
class State:
    """How a listing goes on."""

    completed: bool
    """The sort key ends with `_id`."""
    dense: bool
    """No array is on the path of a sort key, as far as the server's index knows."""
    named: bool
    """Positions are named by values, not counted."""
    shown: int = 0
    """Documents handed out so far."""
    values: tuple[Value, ...] = ()
    """The sort key of the last one; empty before the first."""
    ties: tuple[Value, ...] = ()
    """The `_id`s of those with this sort key, where it does not end with `_id`."""

    def counted(self) -> State:
        """The same place, counted from now on."""
        return dataclasses.replace(self, named=False, values=(), ties=())


def digest(parts: Sequence[bytes]) -> bytes:
    """What tells a question from others."""
    state = hashlib.sha256(_ABOUT)
    for part in parts:
        state.update(len(part).to_bytes(4, "little") + part)
    return state.digest()[:_DIGEST_BYTES]


def write(state: State, question: bytes) -> str:
    """The token; a place whose values are too long is counted."""
    raw = _document(state)
    if len(raw) > MAX_TOKEN_BYTES:
        raw = _document(state.counted())
    return base64.urlsafe_b64encode(_VERSION + question + raw).rstrip(b"=").decode()


def read(token: str, question: bytes) -> State:
    """What a token says.

    Raises:
        StudioError: INVALID_CURSOR where it is none of this question.
    """
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        if raw[:1] != _VERSION or raw[1 : 1 + _DIGEST_BYTES] != question:
            raise invalid()
        content = raw[1 + _DIGEST_BYTES :]
        ejson.check(content)
        fields = {each.name: each for each in ejson.elements(content)}
        state = State(
            completed=_flag(fields[b"c"]),
            dense=_flag(fields[b"d"]),
            named=_flag(fields[b"k"]),
            shown=int.from_bytes(fields[b"n"].raw, "little"),
            values=tuple(each.value for each in ejson.elements(fields[b"v"].raw)),
            ties=tuple(each.value for each in ejson.elements(fields[b"t"].raw)),
        )
    except (binascii.Error, ValueError, KeyError, StudioError):
        raise invalid() from None
    if any(each.kind in INCOMPARABLE for each in state.values):
        raise invalid()
    return state


def _document(state: State) -> bytes:
    return ejson.build(
        Element(value.kind, name, value.raw)
        for name, value in (
            (b"c", _boolean(state.completed)),
            (b"d", _boolean(state.dense)),
            (b"k", _boolean(state.named)),
            (b"n", Value(Kind.INT64, state.shown.to_bytes(8, "little"))),
            (b"v", terms.array(state.values)),
            (b"t", terms.array(state.ties)),
        )
    )


def _boolean(value: bool) -> Value:  # noqa: FBT001  the value
    return Value(Kind.BOOLEAN, bytes([value]))


def _flag(element: Element) -> bool:
    return element.raw == b"\x01"


def invalid() -> StudioError:
    """The error for a token that is none of a question."""
    return StudioError(
        ERROR_REASON_INVALID_CURSOR,
        "The page token is none of this question.",
        hint="Ask for the first page: a token goes with the very filter, projection, sort and collation it came with.",
    )
