"""The settings of Bun APIs that mean something to their service; other names may hold what a console likes.

Checked when they are stored: a header or a path that can't be used should not show at the first request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from services.runtime.errors import invalid_argument
from services.runtime.http_names import OF_THE_MESSAGE, TOKEN

MAX_TIMEOUT_S = 300
MAX_BODY_BYTES = 2**53
MAX_PATH_CHARS = 512

_PATH = re.compile(r"/(?:[!\"$&-.0-;=@-\[\]-~/]|%[0-9A-Fa-f]{2})*")
"""Visible ASCII without what ends or bends a path: `#`, `?`, `<`, `>`, a backslash, and a % that encodes nothing."""


def check_bun_config(config: Mapping[str, Any]) -> None:
    """Refuses settings that the service of Bun APIs could not use.

    Raises:
        StudioError: INVALID_ARGUMENT.
    """
    for name, value in config.items():
        known = re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower().replace("-", "_")
        if known in _CHECKS and known != name:
            raise invalid_argument(f"config.{name}", f"is written {known}")
        if name in _CHECKS and value is not None and (why := _CHECKS[name](value)):
            raise invalid_argument(f"config.{name}", why)


def _header(value: object) -> str:
    if not isinstance(value, str) or not TOKEN.fullmatch(value):
        return "is the name of a header: letters, digits and hyphens"
    return (
        f"{value} says how a message travels, and can't carry a key"
        if value.lower() in OF_THE_MESSAGE
        else ""
    )


def _scheme(value: object) -> str:
    if isinstance(value, str) and (not value or TOKEN.fullmatch(value)):
        return ""
    return "is what stands before the key, such as Bearer, or empty for the key alone"


def _path(value: object) -> str:
    if value == "":
        return ""
    if not isinstance(value, str) or len(value) > MAX_PATH_CHARS or not _PATH.fullmatch(value):
        return "is a path below the base URL: it begins with a slash, is percent-encoded and has no query"
    segments = [unquote_to_bytes(segment) for segment in value.split("/")[1:]]
    if not all(segments[:-1]) or any(each.partition(b";")[0] in {b".", b".."} for each in segments):
        return "has no empty segments, and none that are '.' or '..'"
    if any(byte < 0x20 or byte in b"/\\\x7f" for each in segments for byte in each):  # noqa: PLR2004  ASCII
        return "has no escaped slash, backslash or control character"
    return ""


def _seconds(value: object) -> str:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= MAX_TIMEOUT_S
    return "" if fits else f"is a number of seconds, more than 0 and at most {MAX_TIMEOUT_S}"


def _bytes(value: object) -> str:
    fits = isinstance(value, int | float) and 1 <= value <= MAX_BODY_BYTES and float(value).is_integer()
    return "" if fits and not isinstance(value, bool) else "is a whole number of bytes"


_CHECKS: Mapping[str, Callable[[Any], str]] = {
    "auth_header": _header,
    "auth_scheme": _scheme,
    "health_path": _path,
    "openapi_path": _path,
    "answer_timeout_s": _seconds,
    "idle_timeout_s": _seconds,
    "max_request_bytes": _bytes,
    "max_response_bytes": _bytes,
    "production": lambda _: "",  # as read_only
    "read_only": lambda _: "",  # whatever is neither false nor absent counts as true
}
