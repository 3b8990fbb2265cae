"""Ranges of sorted sets by rank, score and name: https://redis.io/docs/latest/commands/zrange/.

The commands by their old names (ZREVRANGEBYSCORE and so on) exist in every version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from services.redis_svc.client import RedisClient
from services.redis_svc.replies import Command
from services.redis_svc.types.affordable import affordable
from services.redis_svc.types.ask import of_type, read
from services.redis_svc.types.sorted_sets import TYPE, check_score
from services.runtime.errors import invalid_argument

LONGEST_WALK = 100_000
"""Members of a range by score or name that may be skipped: the server visits each, a few milliseconds in all."""
_INFINITE = {"min": "-inf", "max": "+inf"}
_LEX = {"min": "-", "max": "+"}


@dataclass(frozen=True, slots=True)
class Range:
    """Which members."""

    by: str = "rank"
    """`rank`, `score` or `lex`."""
    min: str = ""
    """Least score or name as ZRANGE takes it; empty for the least of all."""
    max: str = ""
    """Greatest score or name."""
    offset: int = 0
    """Members to skip."""
    count: int = 100
    """Most members."""
    reverse: bool = False
    """Greatest first."""


@dataclass(frozen=True, slots=True)
class ScoredPage:
    """Members of a range."""

    members: list[tuple[bytes, str]]
    """Each with its score."""
    more: bool
    """Whether the range goes on."""
    length: int
    """Members of the sorted set."""


async def list_range(client: RedisClient, key: bytes, range_: Range) -> ScoredPage:
    """The members of a range; a page of large ones ends early.

    Raises:
        StudioError: INVALID_ARGUMENT for a bound that is none, or too many members to skip; KEY_NOT_FOUND; WRONG_TYPE
            with the type it has; DB_PERMISSION_DENIED; …
    """
    if range_.by == "rank":
        if range_.min or range_.max:
            raise invalid_argument(
                "min" if range_.min else "max", "is for ranges by score or lex; a rank is an offset"
            )
    elif range_.offset > LONGEST_WALK:
        raise invalid_argument(
            "offset", f"is {LONGEST_WALK} at most by {range_.by}; begin at a greater min instead"
        )
    check = _lex if range_.by == "lex" else _score
    low, high = check(range_.min, "min"), check(range_.max, "max")
    length, count = await affordable(client, key, TYPE, (b"ZCARD", key), range_.count)
    # One more than the page holds tells whether the range goes on.
    command = _command(key, range_, low, high, count + 1)
    flat = cast("list[bytes]", of_type((await read(client, key, TYPE, command))[0], list))
    if range_.by == "lex":
        members = await _with_scores(client, key, flat)
        return ScoredPage(members[:count], len(flat) > count, length)
    members = [(name, score.decode()) for name, score in zip(flat[::2], flat[1::2], strict=True)]
    return ScoredPage(members[:count], len(members) > count, length)


def _command(key: bytes, range_: Range, low: str, high: str, count: int) -> Command:
    rev = b"REV" if range_.reverse else b""
    if range_.by == "rank":
        last = range_.offset + count - 1
        return (b"Z%bRANGE" % rev, key, range_.offset, last, b"WITHSCORES")
    begin, end = (high, low) if range_.reverse else (low, high)
    limit = (b"LIMIT", range_.offset, count)
    if range_.by == "lex":
        return (b"Z%bRANGEBYLEX" % rev, key, begin, end, *limit)
    return (b"Z%bRANGEBYSCORE" % rev, key, begin, end, b"WITHSCORES", *limit)


async def _with_scores(client: RedisClient, key: bytes, names: list[bytes]) -> list[tuple[bytes, str]]:
    """The members with their scores, without those that have gone meanwhile: ZRANGEBYLEX tells none."""
    if not names:
        return []
    asked: list[Command] = [(b"ZSCORE", key, name) for name in names]
    replies = await read(client, key, TYPE, *asked)
    return [
        (name, score.decode()) for name, score in zip(names, replies, strict=True) if isinstance(score, bytes)
    ]


def _score(text: str, field: str) -> str:
    if text:
        check_score(text.removeprefix("("), field)
    return text or _INFINITE[field]


def _lex(text: str, field: str) -> str:
    if text and text not in {"-", "+"} and text[0] not in "([":
        raise invalid_argument(field, "must begin with [ (inclusive) or ( (exclusive), or be - or +")
    return text or _LEX[field]
