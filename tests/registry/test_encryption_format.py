"""What docs/encryption.md says is enough to read what the registry stores, and to write what it reads."""

from __future__ import annotations

from typing import Any

import psycopg

from tests.registry import another_program
from tests.registry.harness import CANARY, CRYPTO_KEYS, Registry, ScriptedEngine
from tests.registry.test_resolve import set_ciphertext, stored

Session = psycopg.Connection[tuple[Any, ...]]


async def test_another_program_reads_what_the_registry_stores(registry: Registry, db: Session) -> None:
    for type_, url in {
        "redis": f"redis://:{CANARY}-é@127.0.0.1:6379/0",
        "mongodb": f"mongodb://user:{CANARY}@127.0.0.1:27017/shop",
        "bun_api": f"https://key:{CANARY}@api.example.org/",
    }.items():
        created = await registry.create(name=type_.replace("_", "-"), type=type_, connection_string=url)
        read = another_program.read(stored(db, created.id), CRYPTO_KEYS[type_], created.id, type_)
        assert CANARY in read


async def test_the_registry_reads_what_another_program_stores(
    registry: Registry, redis_engine: ScriptedEngine, db: Session
) -> None:
    created = await registry.create()
    url = "redis://:written-elsewhere@127.0.0.1:6379/3"
    set_ciphertext(db, created.id, another_program.write(url, CRYPTO_KEYS["redis"], created.id, "redis"))
    assert (await registry.test_saved(created.id)).success
    assert redis_engine.opened() == url
