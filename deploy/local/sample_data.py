"""Sample keys for the embedded Redis: every type, under the namespaces that an application would have.

Written once; what the user does with them afterwards stays. The same on every machine.
"""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import redis
from redis.client import Pipeline
from redis.typing import EncodableT, FieldT

VERSION = "1"
MARKER = ".sample-data"
BATCH = 500
DAY_S = 86_400
FIRST_NAMES = ("Ada", "Grace", "Alan", "Édith", "Linus", "Margaret", "Søren", "Yukihiro", "Barbara", "Донат")
CITIES = ("Lisboa", "München", "Kraków", "東京", "São Paulo", "Oslo", "Nairobi", "Montréal")
TAGS = ("new", "sale", "fragile", "imported", "handmade", "organic", "limited", "refurbished")

FIRST_ENTRY_MS = 1_700_000_000_000

Fields = dict[FieldT, EncodableT]
Write = Callable[[Pipeline, bytes], object]
"""Writes a value under a key."""


def write_once(url: str, data: Path) -> int:
    """Writes the sample keys to the Redis at `url`, unless its data directory `data` says that they were.

    Returns:
        How many keys were written: 0 when there was nothing to do.
    """
    marker = data / MARKER
    if marker.exists():
        return 0
    with redis.Redis.from_url(url) as client:
        written = 0
        with client.pipeline(transaction=False) as pipeline:
            for key, write in keys():
                pipeline.unlink(key)  # of a run that was interrupted here
                write(pipeline, key)
                written += 1
                if written % BATCH == 0:
                    pipeline.execute()
            pipeline.execute()
        # The marker must not outlive the keys: they have to be on the disk before it.
        client.waitaof(1, 0, 10_000)
    marker.write_text(VERSION)
    return written


def keys() -> Iterator[tuple[bytes, Write]]:
    """Each key with what writes it, in an order and with values that are always the same."""
    dice = random.Random(20_240_229)  # noqa: S311  sample data, not secrets
    for part in (_hashes, _strings, _lists, _sets, _sorted_sets, _streams, _binary, _large):
        yield from part(dice)


def _hashes(dice: random.Random) -> Iterator[tuple[bytes, Write]]:
    for number in range(1, 2001):
        name = dice.choice(FIRST_NAMES)
        profile: Fields = {
            "id": str(number),
            "name": name,
            "email": f"user{number}@example.com",
            "city": dice.choice(CITIES),
            "created_at": str(1_600_000_000 + dice.randrange(100_000_000)),
        }
        yield _key(f"user:{number}"), _hash(profile)
    for number in range(1, 401):
        price = f"{dice.randrange(100, 99_999) / 100:.2f}"
        product: Fields = {"title": f"Product {number}", "price": price, "stock": str(dice.randrange(500))}
        yield _key(f"product:{number}"), _hash(product)
    for number in range(1, 101):
        # Each code of the hash expires by itself.
        yield _key(f"login-codes:{number}"), _expiring_fields(dice.randrange(100_000, 999_999), number)


def _strings(dice: random.Random) -> Iterator[tuple[bytes, Write]]:
    for number in range(1, 1201):
        session = json.dumps({"user": dice.randrange(1, 2001), "csrf": f"{dice.getrandbits(64):016x}"})
        yield _key(f"session:{number:05d}"), _string(session.encode(), ttl_s=dice.randrange(30, 365) * DAY_S)
    for number in range(1, 401):
        page = f"<h1>Product {number}</h1>" * dice.randrange(1, 20)
        yield _key(f"cache:page:{number}"), _string(page.encode(), ttl_s=dice.randrange(60, 3600))
    for number in range(1, 301):
        yield _key(f"counter:visits:{number}"), _string(str(dice.randrange(10**6)).encode())
    for name, value in (
        ("theme", "dark"),
        ("greeting", "Grüße, 世界 👋"),
        ("empty", ""),
        ("limit", "9007199254740993"),
    ):
        yield _key(f"config:{name}"), _string(value.encode())


def _lists(dice: random.Random) -> Iterator[tuple[bytes, Write]]:
    for number in range(1, 501):
        entries = [f"viewed product {dice.randrange(1, 401)}" for _ in range(dice.randrange(1, 30))]
        yield _key(f"user:{number}:recent"), _list(entries)
    for name in ("mail", "thumbnails", "invoices", "webhooks"):
        yield _key(f"queue:{name}"), _list([json.dumps({"job": name, "number": n}) for n in range(50)])


def _sets(dice: random.Random) -> Iterator[tuple[bytes, Write]]:
    for number in range(1, 401):
        yield _key(f"product:{number}:tags"), _set(sorted(dice.sample(TAGS, dice.randrange(1, len(TAGS)))))
    for number in range(1, 301):
        friends = {f"user:{dice.randrange(1, 2001)}" for _ in range(dice.randrange(1, 40))}
        yield _key(f"user:{number}:friends"), _set(sorted(friends))


def _sorted_sets(dice: random.Random) -> Iterator[tuple[bytes, Write]]:
    for game in ("chess", "go", "tetris", "snake"):
        for week in range(1, 101):
            scores = {f"user:{dice.randrange(1, 2001)}": dice.randrange(10_000) / 4 for _ in range(25)}
            yield _key(f"leaderboard:{game}:week-{week:03d}"), _sorted_set(scores)


def _streams(dice: random.Random) -> Iterator[tuple[bytes, Write]]:
    for number in range(1, 301):
        yield _key(f"events:device:{number}"), _stream(dice.randrange(1, 20), "reading", grouped=False)
    for name in ("orders", "payments", "shipments"):
        yield _key(f"events:{name}"), _stream(200, name, grouped=True)


def _binary(dice: random.Random) -> Iterator[tuple[bytes, Write]]:
    for number in range(100):
        # Neither the keys nor the values are UTF-8.
        yield b"binary:\xff\x00" + number.to_bytes(2, "big"), _string(dice.randbytes(64))
    for number in range(50):
        yield _key(f"thumbnail:{number}"), _string(zlib.compress(dice.randbytes(256)))
    yield b"binary:hash:\xfe", _hash({b"\x00\xff": b"\x80\x81"})
    yield b"binary:set:\xfe", _set([b"\xc3\x28", b"\x00"])


def _large(dice: random.Random) -> Iterator[tuple[bytes, Write]]:
    yield _key("large:text"), _string(b"All work and no play makes Jack a dull boy.\n" * 25_000)
    yield _key("large:list"), _list([f"line {number}" for number in range(10_000)])
    yield _key("large:hash"), _hash({f"field:{number}": f"value {number}" for number in range(10_000)})
    yield _key("large:zset"), _sorted_set({f"member:{number}": dice.random() for number in range(10_000)})


def _key(name: str) -> bytes:
    return name.encode()


def _string(value: bytes, *, ttl_s: int | None = None) -> Write:
    return lambda pipeline, key: pipeline.set(key, value, ex=ttl_s)


def _hash(fields: Fields) -> Write:
    return lambda pipeline, key: pipeline.hset(key, mapping=fields)


def _expiring_fields(code: int, number: int) -> Write:
    def write(pipeline: Pipeline, key: bytes) -> None:
        pipeline.hset(
            key, mapping={"email": f"user{number}@example.com", "code": str(code), "device": "phone"}
        )
        pipeline.hexpire(key, 30 * DAY_S, "device")
        pipeline.hpexpire(key, 3_600_000, "code")

    return write


def _list(entries: Sequence[str]) -> Write:
    return lambda pipeline, key: pipeline.rpush(key, *entries)


def _set(members: Sequence[str] | Sequence[bytes]) -> Write:
    return lambda pipeline, key: pipeline.sadd(key, *members)


def _sorted_set(scores: Mapping[str, float]) -> Write:
    return lambda pipeline, key: pipeline.zadd(key, scores)


def _stream(length: int, topic: str, *, grouped: bool) -> Write:
    def write(pipeline: Pipeline, key: bytes) -> None:
        for number in range(length):
            entry: Fields = {"topic": topic, "number": str(number)}
            # Identifiers of our own: the server's are times, and would differ from machine to machine.
            pipeline.xadd(key, entry, id=f"{FIRST_ENTRY_MS + number * 1000}-0")
        if grouped:
            pipeline.xgroup_create(key, "workers", id="0")
            # Entries that were delivered and never acknowledged.
            pipeline.xreadgroup("workers", "worker-1", {key: ">"}, count=20)

    return write
