"""Database users of the sample MongoDB, and connections registered for them."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from pymongo import AsyncMongoClient

from tests.support.local_system import LocalSystem
from tests.support.mongo_api import MongoApi

Engine = AsyncMongoClient[dict[str, Any]]


@contextlib.asynccontextmanager
async def registered_as(
    system: LocalSystem, engine: Engine, roles: Sequence[Mapping[str, str]], *, read_only: bool = False
) -> AsyncIterator[MongoApi]:
    """Registers the sample MongoDB once more, for a user of `admin` that has these roles; undone at the end."""
    name = f"test-{secrets.token_hex(8)}"
    await engine.admin.command("createUser", name, pwd="pw", roles=list(roles))
    where = system.engines["mongodb"].rpartition("@")[2]
    async with system.client("owner") as owner:
        try:
            answer = await owner.post(
                "/api/platform/databases",
                json={
                    "projectRef": "default",
                    "name": name,
                    "type": "mongodb",
                    "connectionString": f"mongodb://{name}:pw@{where}",
                    "config": {"read_only": True} if read_only else {},
                },
            )
            assert answer.is_success, answer.text
            api = MongoApi(owner, answer.json()["id"])
            yield api
            await owner.delete(f"/api/platform/databases/{api.database_id}")
        finally:
            await engine.admin.command("dropUser", name)
