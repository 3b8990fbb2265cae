r"""A command's line to its words, exactly as redis-cli does: `sdssplitargs` of https://github.com/redis/redis (sds.c).

Words are separated by white space. In double quotes `\xHH`, `\n`, `\r`, `\t`, `\b`, `\a` and `\` before any other
character mean what they do in C; in single quotes only `\'` does. A quote may open inside a word; what closes must be
followed by white space. MONITOR writes commands by the same rules (`sdscatrepr`).
"""

from __future__ import annotations

import re

_SPACE = re.compile(rb"[ \t\n\v\f\r]*")
_BARE = re.compile(rb"[^ \t\n\r\"']+")
_DOUBLE = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
_SINGLE = re.compile(rb"'([^'\\]*(?:\\'[^'\\]*|\\(?!')[^'\\]*)*)'")
_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}
_SEPARATORS = b" \t\n\r"
_AFTER_QUOTE = b" \t\n\v\f\r"


class QuotingError(ValueError):
    """The quotes of a line don't match, with a sentence that says how."""


def split(line: bytes) -> list[bytes]:
    """The words of a line; none when it is empty.

    Raises:
        QuotingError: a quote is not closed, or goes on without a space; a NUL, which no line of redis-cli can hold.
    """
    if b"\0" in line:
        raise QuotingError(r'A zero byte must be written as "\x00".')
    words: list[bytes] = []
    at = _SPACE.match(line).end()  # type: ignore[union-attr]  # matches everywhere
    while at < len(line):
        word, at = _word(line, at)
        words.append(word)
        at = _SPACE.match(line, at).end()  # type: ignore[union-attr]  # as above
    return words


def _word(line: bytes, at: int) -> tuple[bytes, int]:
    parts: list[bytes] = []
    while at < len(line) and line[at] not in _SEPARATORS:
        bare = _BARE.match(line, at)
        if bare is not None:
            parts.append(bare[0])
            at = bare.end()
            continue
        is_double = line[at : at + 1] == b'"'
        quoted = (_DOUBLE if is_double else _SINGLE).match(line, at)
        if quoted is None:
            raise QuotingError("A quote is not closed.")
        at = quoted.end()
        if at < len(line) and line[at] not in _AFTER_QUOTE:
            raise QuotingError("A closing quote must be followed by a space.")
        parts.append(_ESCAPE.sub(_unescape, quoted[1]) if is_double else quoted[1].replace(b"\\'", b"'"))
        break
    return b"".join(parts), at


def _unescape(match: re.Match[bytes]) -> bytes:
    if match[1] is not None:
        return bytes.fromhex(match[1].decode())
    return _LETTERS.get(match[2], match[2])
