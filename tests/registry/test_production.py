"""Registered databases marked as production are changed and removed once that is confirmed."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct

from services.runtime.confirmation import HEADER
from studio.registry.v1 import registry_service_pb2 as messages
from tests.registry.harness import Registry
from tests.support.confirmations import asked


async def test_a_production_database_is_removed_once_that_is_confirmed(registry: Registry) -> None:
    config = Struct()
    config.update({"production": True})
    made = await registry.create(
        name="live", type="redis", connection_string="redis://127.0.0.1:1", skip_test=True, config=config
    )
    with pytest.raises(grpc.aio.AioRpcError) as renaming:
        await registry.update(made.id, name="other")
    with pytest.raises(grpc.aio.AioRpcError) as deletion:
        await registry.delete(made.id)
    assert (await registry.get(made.id)).name == "live"

    update = messages.UpdateDatabaseRequest(id=made.id, name="other")
    await registry.users.UpdateDatabase(update, metadata=(*registry.as_user, *asked(renaming.value)))
    request = messages.DeleteDatabaseRequest(id=made.id.upper())
    with pytest.raises(grpc.aio.AioRpcError) as other:
        await registry.users.DeleteDatabase(
            request, metadata=(*registry.as_user, (HEADER, asked(renaming.value)[0][1]))
        )
    asked(other.value)
    request = messages.DeleteDatabaseRequest(id=made.id)
    await registry.users.DeleteDatabase(request, metadata=(*registry.as_user, *asked(deletion.value)))
    with pytest.raises(grpc.aio.AioRpcError) as gone:
        await registry.get(made.id)
    assert gone.value.code() is grpc.StatusCode.NOT_FOUND
