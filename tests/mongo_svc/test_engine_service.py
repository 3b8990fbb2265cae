"""The service that tests connections for the registry, and clients of registered databases, on real gRPC."""

from __future__ import annotations

import asyncio
import uuid

import grpc
import pytest
from google.protobuf import struct_pb2

from services.mongo_svc.settings import Settings
from services.runtime.crypto import KeyRing
from studio.mongodb.v1 import mongo_service_pb2 as pb
from studio.registry.v1 import database_pb2, engine_service_pb2
from tests.mongo_svc.harness import Service, as_service, as_user, running_service
from tests.support.engine_service import CRYPTO_KEY, KEYS
from tests.support.mongodb import MongoServer


async def diagnose(service: Service, url: str, keys: KeyRing = KEYS) -> database_pb2.ConnectionDiagnosis:
    database_id = str(uuid.uuid4())
    request = engine_service_pb2.DiagnoseConnectionRequest(
        id=database_id,
        ciphertext=keys.seal(url, row_id=database_id, type_="mongodb"),
        config=struct_pb2.Struct(),
    )
    answer: database_pb2.ConnectionDiagnosis = await service.engine.DiagnoseConnection(
        request, metadata=as_service()
    )
    return answer


async def test_connections_are_tested_for_the_registry_and_nobody_else(mongodb_server: MongoServer) -> None:
    async with running_service() as service:
        found = await diagnose(service, mongodb_server.url)
        failed = await diagnose(service, "mongodb://169.254.169.254/")
        with pytest.raises(grpc.aio.AioRpcError) as unreadable:
            await diagnose(
                service, mongodb_server.url, KeyRing.from_secrets("another-key-of-the-tests-0123456789")
            )
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await service.engine.DiagnoseConnection(
                engine_service_pb2.DiagnoseConnectionRequest(id=str(uuid.uuid4()), ciphertext="x"),
                metadata=as_user(),
            )

    assert (found.success, found.stage, found.error_code) == (True, "done", "")
    assert (failed.success, failed.stage, failed.error_code) == (False, "address", "DB_ADDRESS_DENIED")
    assert unreadable.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "MONGODB_CRYPTO_KEY" in str(unreadable.value.trailing_metadata())
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_a_registered_database_answers_and_is_dropped_with_its_registration(
    mongodb_server: MongoServer,
) -> None:
    async with running_service() as service:
        database_id = service.registry.register(mongodb_server.url)
        request = pb.ListDatabasesRequest(database_id=database_id)
        listed = await service.mongo.ListDatabases(request, metadata=as_user())
        assert "local" in {each.name for each in listed.databases}

        service.registry.remove(database_id)
        assert await failure(service, request) is grpc.StatusCode.NOT_FOUND


async def failure(service: Service, request: pb.ListDatabasesRequest) -> grpc.StatusCode:
    """The code with which a call fails, once it does."""
    async with asyncio.timeout(10):
        while True:
            try:
                await service.mongo.ListDatabases(request, metadata=as_user())
            except grpc.aio.AioRpcError as error:
                return error.code()


async def test_the_pool_counts_registered_databases_and_the_least_used_makes_room(
    mongodb_server: MongoServer,
) -> None:
    async with running_service(mongodb_max_pool_size=1) as service:
        for _ in range(3):
            request = pb.ListDatabasesRequest(database_id=service.registry.register(mongodb_server.url))
            assert (await service.mongo.ListDatabases(request, metadata=as_user())).databases


def test_the_pool_and_the_connections_of_a_client_are_set_apart() -> None:
    variables = {"jwt_secret": "s" * 32, "service_token_secret": "t" * 32, "multi_db_crypto_key": CRYPTO_KEY}
    settings = Settings(**variables, mongodb_max_pool_size=7, mongodb_connections_per_server=3)  # type: ignore[arg-type]

    assert (settings.mongodb_max_pool_size, settings.limits().max_pool_size) == (7, 3)
