"""Answers that are files: headers that have a browser save them, and never show them as a page of ours."""

from __future__ import annotations

from urllib.parse import quote

Headers = tuple[tuple[str, str], ...]

_SAFE = " !#$&+-.^_`|~"


def headers(name: str) -> Headers:
    """Initial metadata, which the gateway passes on: https://www.rfc-editor.org/rfc/rfc6266.

    Args:
        name: the file's, whatever it holds.
    """
    plain = "".join(each if each.isascii() and (each.isalnum() or each in _SAFE) else "_" for each in name)
    full = quote(name, safe="", errors="replace")
    return (
        ("content-disposition", f"attachment; filename=\"{plain}\"; filename*=UTF-8''{full}"),
        # What a user stored may call itself a page; it must not be run as one.
        ("x-content-type-options", "nosniff"),
    )
