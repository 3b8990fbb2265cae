"""Between bytes and the forms they take in messages: text where they are UTF-8, base64 otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from services.runtime.errors import invalid_argument
from studio.redis.v1.common_pb2 import Blob


class NamesKey(Protocol):
    """A request with a key in one of its two forms."""

    @property
    def key(self) -> str:
        """As text."""

    @property
    def key_base64(self) -> bytes:
        """As bytes."""


def key_of(request: NamesKey) -> bytes:
    """The key a request names."""
    return request.key_base64 or request.key.encode()


def to_bytes(blob: Blob, field: str) -> bytes:
    """The bytes a request gives.

    Args:
        blob: from the request.
        field: its name, for the error.

    Raises:
        StudioError: INVALID_ARGUMENT for the beginning of a value, as an answer gave it: taken for the whole it would
            cut the value off.
    """
    content = blob.value_base64 or blob.value.encode()
    if blob.full_length not in {0, len(content)}:
        raise invalid_argument(field, "is only the beginning of a value; give all of it, without full_length")
    return content


def all_bytes(blobs: Iterable[Blob], field: str) -> list[bytes]:
    """As `to_bytes`, for several."""
    return [to_bytes(blob, field) for blob in blobs]


def to_blob(content: bytes, full_length: int | None = None) -> Blob:
    """Bytes as an answer gives them.

    Args:
        content: all of them, or the beginning.
        full_length: bytes of the whole. A beginning that is cut within a character ends before that character, so
            that text stays text.
    """
    is_cut = full_length is not None and full_length > len(content)
    length = float(full_length or 0) if is_cut else 0.0
    try:
        return Blob(value=content.decode(), full_length=length)
    except UnicodeDecodeError as error:
        if is_cut and error.reason == "unexpected end of data" and error.start:
            return Blob(value=content[: error.start].decode(), full_length=length)
        return Blob(value_base64=content, full_length=length)


def whole(field: str, number: float) -> int:
    """JSON has one kind of number; here whole ones are meant.

    Raises:
        StudioError: INVALID_ARGUMENT.
    """
    # Beyond 2^53 neighbours are the same double.
    if not (number.is_integer() and abs(number) <= 2**53):
        raise invalid_argument(field, "must be a whole number")
    return int(number)
