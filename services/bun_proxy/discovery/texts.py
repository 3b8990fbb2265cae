"""Text out of a document: as long as is wanted, and fit for an answer."""

from __future__ import annotations

import json


def clean(value: object, chars: int) -> str:
    """A text, cut; empty for anything else. JSON can spell halves of characters, which UTF-8 can't."""
    if not isinstance(value, str):
        return ""
    return value[: 2 * chars].strip()[:chars].encode("utf-8", "replace").decode()


def number_or_text(value: object, chars: int) -> str:
    """A text, or a number as text: versions are written either way."""
    return (
        scalar(value, chars)
        if isinstance(value, float | int) and not isinstance(value, bool)
        else clean(value, chars)
    )


def scalar(value: object, chars: int) -> str:
    """A text as it is; a number, true, false or null as JSON; empty for what holds others."""
    if isinstance(value, str):
        return clean(value, chars)
    if value is None or isinstance(value, bool | float | int):
        try:
            return json.dumps(value)[:chars]
        except ValueError:  # a number with thousands of digits
            return ""
    return ""


def default(value: object, chars: int) -> str:
    """A value as JSON; empty for what holds others, which may be of any size."""
    if isinstance(value, str):
        return json.dumps(clean(value, chars), ensure_ascii=False)
    return scalar(value, chars)
