"""Secrets that are recognised wherever they turn up: whole, in part, and in the forms that programs write them in.

A canary begins with HEAD and ends with TAIL, so that one is found of which a program has masked only a part. What has
a shape of its own (a JWT, an API key) is found by that, whoever made it: nothing of the kind belongs into any output.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Collection, Iterator
from urllib.parse import quote

from services.runtime.auth import api_keys

HEAD, TAIL = "zkcanary", "yranaczk"
VALUE = "zkvalue"
"""Begins what is data, and nobody's secret: engines may log it and answers repeat it; no service of ours logs it."""
ODD = "@:/?#%&+=\"'\\"
"""What has a meaning in a URL, in JSON or in a shell: programs cut and escape secrets there."""
MIN_PART = 16
"""Characters; a shorter part of a secret stands in other text by accident."""
AROUND = 80
"""Characters shown on either side of what was found, for whoever has to find out where it comes from."""

_JWT = re.compile(rb"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,}")
_API_KEY = re.compile(api_keys.BEGINNING.encode() + rb"[0-9A-Za-z]{16,}")


def new(*, odd: bool = False) -> str:
    """A secret; an odd one holds characters that have a meaning elsewhere."""
    return f"{HEAD}-{secrets.token_hex(12)}{ODD if odd else ''}-{TAIL}"


def value() -> str:
    """Data that is recognised as secrets are."""
    return f"{VALUE}_{secrets.token_hex(6)}"


def parts(secret: str) -> set[str]:
    """What of a credential must not be shown: of a JWT its signature, of an API key what follows its id."""
    if _API_KEY.match(secret.encode()):
        return {secret.rpartition("_")[2]}
    if secret.startswith("eyJ"):
        return {secret.rpartition(".")[2]}
    return {secret}


def forms(text: str) -> set[bytes]:
    """How a text may be written: as it is, in a URL, in JSON (twice), in base64 wherever it begins, in hex."""
    once = json.dumps(text)[1:-1]
    written = {text, quote(text, safe=""), quote(text), once, json.dumps(once)[1:-1], text.encode().hex()}
    return {each.encode() for each in written} | set(_base64(text.encode()))


def _base64(raw: bytes) -> Iterator[bytes]:
    """Those characters that are the same whatever stands before and after."""
    for before in range(3):
        whole = (before + len(raw)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(bytes(before) + raw)[-(-before * 8 // 6) : whole]


_MARKS = forms(HEAD) | forms(TAIL)
_VALUE_MARKS = forms(VALUE)
_LOWER = {each.encode() for each in (HEAD, TAIL, VALUE)}
"""Names of hosts and schemes are turned into lower case."""


class Search:
    """Looks for canaries, for what looks like a credential, and for other secrets that are named to it.

    Args:
        known: credentials without a mark: tokens, keys, cookies.
    """

    def __init__(self, known: Collection[str] = ()) -> None:
        self._known = {form for secret in known for part in parts(secret) for form in forms(part)}
        assert all(len(form) >= MIN_PART for form in self._known), "too short to be looked for"

    def __call__(self, where: str, content: bytes | str, *, values: bool = False) -> list[str]:
        """A sentence for the first place of each secret in this content; with `values`, of data as well."""
        data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
        lower = data.lower()
        found: dict[int, str] = {}
        for mark in _MARKS | _VALUE_MARKS if values else _MARKS:
            text = lower if mark in _LOWER else data
            if (at := text.find(mark)) >= 0:
                found.setdefault(at, "a canary")
        for secret in self._known:
            if (at := data.find(secret)) >= 0:
                found.setdefault(at, "a credential of this run")
        for kind, pattern in (("a JWT", _JWT), ("an API key", _API_KEY)):
            if match := pattern.search(data):
                found.setdefault(match.start(), kind)
        return [
            f"{where}: {kind}: …{data[max(at - AROUND, 0) : at + AROUND]!r}…"
            for at, kind in sorted(found.items())
        ]
