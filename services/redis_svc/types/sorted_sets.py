"""Sorted sets, edited: https://redis.io/docs/latest/commands/?group=sorted-set. Their ranges are `sorted_set_ranges`'.

Scores travel as text from end to end: JSON has no infinity, and a double printed anew could lose digits.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from services.redis_svc.atomic import MAX_WORDS, Check, Match, compare_and_run
from services.redis_svc.client import RedisClient
from services.redis_svc.errors import key_not_found
from services.redis_svc.key_details import UNKNOWN
from services.redis_svc.replies import Command
from services.redis_svc.types.ask import check_type, of_type, raise_typed
from services.redis_svc.types.change import change
from services.redis_svc.types.sets import Changed
from services.runtime.errors import StudioError, invalid_argument
from studio.options.v1.errors_pb2 import ERROR_REASON_WRONG_TYPE

TYPE = "zset"
_SCORE = re.compile(r"[+-]?(inf|infinity|[0-9]+\.?[0-9]*([eE][+-]?[0-9]+)?|\.[0-9]+([eE][+-]?[0-9]+)?)")


@dataclass(frozen=True, slots=True)
class Scored:
    """A member to add, or whose score to change."""

    member: bytes
    """The member."""
    score: str
    """Its score, in decimal or `inf`."""
    expected: str | None = None
    """What its score must still be; None for whatever it is."""


@dataclass(frozen=True, slots=True)
class Added:
    """What adding did."""

    added: int
    """Members that are new."""
    changed: int
    """Members with another score."""
    length: int
    """Members now; -1 where the user may not ask."""


async def add(
    client: RedisClient,
    key: bytes,
    members: Sequence[Scored],
    *,
    only_new: bool = False,
    only_existing: bool = False,
) -> Added:
    """Adds members and changes scores: https://redis.io/docs/latest/commands/zadd/.

    ZADD with NX counts what is new and ZADD with XX and CH what has changed; one command can't say both.

    Args:
        client: the database.
        key: the key.
        members: what to add. With an expected score all of it is done in one step, or nothing.
        only_new: leave members alone that exist.
        only_existing: leave away members that don't.

    Raises:
        StudioError: INVALID_ARGUMENT naming the field; CONFLICT where a member no longer has its expected score;
            WRONG_TYPE with the type the key has; DB_PERMISSION_DENIED; …
    """
    if only_new and only_existing:
        raise invalid_argument("only_existing", "excludes only_new")
    pairs: list[bytes] = []
    checks: list[Check] = []
    for index, each in enumerate(members):
        pairs += (check_score(each.score, f"members[{index}].score").encode(), each.member)
        if each.expected is not None:
            if only_new:
                raise invalid_argument(
                    f"members[{index}].expected_score", "is of members that exist; excludes only_new"
                )
            expected = check_score(each.expected, f"members[{index}].expected_score").encode()
            checks.append(Check((b"ZSCORE", key, each.member), expected, Match.NUMBER))
    # Where scripts run, a command has a bounded number of words.
    size = MAX_WORDS // 2 * 2 if checks else len(pairs)
    chunks = [pairs[at : at + size] for at in range(0, len(pairs), size)]
    new: list[Command] = [(b"ZADD", key, b"NX", *chunk) for chunk in chunks if not only_existing]
    known: list[Command] = [(b"ZADD", key, b"XX", b"CH", *chunk) for chunk in chunks if not only_new]
    commands, length = [*new, *known], (b"ZCARD", key)
    if checks:
        try:
            *replies, total = await compare_and_run(client.link_for(key), key, checks, [*commands, length])
        except StudioError as error:
            if error.reason == ERROR_REASON_WRONG_TYPE:  # say which type it has
                check_type(await client.link_for(key).execute(b"TYPE", key), TYPE)
            raise
        await raise_typed(client, key, TYPE, commands, replies)
        counted = total if isinstance(total, int) else UNKNOWN
    else:
        replies, counted = await change(client, key, TYPE, commands, length)
    counts = [of_type(reply, int) for reply in replies]
    return Added(sum(counts[: len(new)]), sum(counts[len(new) :]), counted)


async def remove(client: RedisClient, key: bytes, members: Sequence[bytes]) -> Changed:
    """Removes members; the key goes with the last one: https://redis.io/docs/latest/commands/zrem/.

    Raises:
        StudioError: KEY_NOT_FOUND; WRONG_TYPE with the type the key has; DB_PERMISSION_DENIED; …
    """
    (removed,), length = await change(client, key, TYPE, [(b"ZREM", key, *members)], (b"ZCARD", key))
    if not removed and not length:
        raise key_not_found()
    return Changed(of_type(removed, int), length)


def check_score(text: str, field: str) -> str:
    """The score, if it is one: a decimal number or an infinity.

    Raises:
        StudioError: INVALID_ARGUMENT naming the field.
    """
    if not _SCORE.fullmatch(text):
        raise invalid_argument(field, "must be a decimal number, inf or -inf")
    if math.isinf(float(text)) and "inf" not in text:
        raise invalid_argument(field, "is greater than a score can be")
    return text
