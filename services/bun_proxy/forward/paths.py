"""From the path of a request to the target at an API, which can't leave the base path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from services.runtime.errors import StudioError, invalid_argument
from studio.options.v1.errors_pb2 import ERROR_REASON_ROUTE_NOT_FOUND

ROOT = "/api/platform/bun"

_TARGET = re.compile(rf"{ROOT}/([^/?]+)/proxy(/[^?]*)?(?:\?(.*))?")
_UUID = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
_VISIBLE = re.compile(r"[!-~]*")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_DOTS = frozenset({b".", b".."})


@dataclass(frozen=True, slots=True)
class Place:
    """Which API a request is for, and what of it."""

    database_id: str
    """In lower case."""
    prefix: str
    """What stands before the API's own path: `/api/platform/bun/{id}/proxy`."""
    path: str
    """Below the base path: empty, or with a slash in front."""
    query: str | None
    """Without its question mark; None where there is none."""

    def target(self, base_path: str) -> bytes:
        """Path and query at the API."""
        path = f"{base_path}{self.path}" or "/"
        return (path if self.query is None else f"{path}?{self.query}").encode()


def read(target: bytes) -> Place:
    """Takes a request's target apart.

    Raises:
        StudioError: ROUTE_NOT_FOUND; INVALID_ARGUMENT for an id that is none, and a path that could leave the API's.
    """
    text = target.decode("latin-1")
    match = _TARGET.fullmatch(text)
    if match is None:
        raise StudioError(ERROR_REASON_ROUTE_NOT_FOUND, "There is no such path.")
    if not _VISIBLE.fullmatch(text):
        raise invalid_argument("path", "holds characters that must be percent-encoded")
    database_id, path, query = match[1], match[2] or "", match[3]
    if not _UUID.fullmatch(database_id):
        raise invalid_argument("database_id", "must be a UUID")
    if path:
        check(path)
    return Place(database_id.lower(), f"{ROOT}/{database_id}/proxy", path, query)


def check(path: str) -> None:
    """Refuses a path that could leave the base path, or mean another one to whoever reads it.

    Refused, not resolved: what a proxy resolves and a server does not is how access rules are bypassed.

    Raises:
        StudioError: INVALID_ARGUMENT.
    """
    if not path.startswith("/") or _BAD_PERCENT.search(path):
        raise invalid_argument("path", "begins with a slash, and every % in it begins an encoded character")
    if "#" in path or "\\" in path:
        raise invalid_argument("path", "holds a fragment ('#') or a backslash")
    segments = [unquote_to_bytes(segment) for segment in path.split("/")]
    # The last may be empty: a slash at the end.
    if not all(segments[1:-1]) or any(segment.partition(b";")[0] in _DOTS for segment in segments):
        raise invalid_argument("path", "holds an empty segment, '.' or '..'")
    if any(byte < 0x20 or byte in b"/\\\x7f" for segment in segments for byte in segment):  # noqa: PLR2004  ASCII
        raise invalid_argument("path", "holds an escaped slash, backslash or control character")
