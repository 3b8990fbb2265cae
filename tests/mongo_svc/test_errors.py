"""What the server and the driver say, in the contract's words; never a 5xx for what a user can mend."""

from __future__ import annotations

import json
from typing import Any

import bson
import pymongo
import pytest
from bson.errors import InvalidBSON
from bson.raw_bson import RawBSONDocument
from pymongo import AsyncMongoClient
from pymongo import errors as driver

from services.mongo_svc import errors
from services.mongo_svc.client import MongoClient
from services.runtime.errors import StudioError, reason_name
from services.runtime.statuses import PASSING, code_of
from tests.mongo_svc.conftest import OpenClient
from tests.support.fault_proxy import FaultProxy
from tests.support.mongodb import MongoFactory, MongoServer, MongoUser

Mongo = AsyncMongoClient[dict[str, Any]]

# Code, name, reason, and whether it passes by itself.
CODES = [
    (2, "BadValue", "DB_QUERY_ERROR"),
    (9, "FailedToParse", "DB_QUERY_ERROR"),
    (14, "TypeMismatch", "DB_QUERY_ERROR"),
    (11, "UserNotFound", "NAMESPACE_NOT_FOUND"),
    (13, "Unauthorized", "DB_PERMISSION_DENIED"),
    (18, "AuthenticationFailed", "DB_INVALID_CREDENTIALS"),
    (26, "NamespaceNotFound", "NAMESPACE_NOT_FOUND"),
    (27, "IndexNotFound", "NAMESPACE_NOT_FOUND"),
    (43, "CursorNotFound", "INVALID_CURSOR"),
    (48, "NamespaceExists", "ALREADY_EXISTS"),
    (50, "MaxTimeMSExpired", "DB_TIMEOUT"),
    (59, "CommandNotFound", "NOT_SUPPORTED"),
    (67, "CannotCreateIndex", "DB_QUERY_ERROR"),
    (85, "IndexOptionsConflict", "ALREADY_EXISTS"),
    (86, "IndexKeySpecsConflict", "ALREADY_EXISTS"),
    (91, "ShutdownInProgress", "DB_UNAVAILABLE"),
    (112, "WriteConflict", "CONFLICT"),
    (115, "CommandNotSupported", "NOT_SUPPORTED"),
    (121, "DocumentValidationFailure", "DOCUMENT_INVALID"),
    (136, "CappedPositionLost", "INVALID_CURSOR"),
    (166, "CommandNotSupportedOnView", "NOT_SUPPORTED"),
    (189, "PrimarySteppedDown", "DB_UNAVAILABLE"),
    (237, "CursorKilled", "INVALID_CURSOR"),
    (262, "ExceededTimeLimit", "DB_TIMEOUT"),
    (286, "ChangeStreamHistoryLost", "INVALID_CURSOR"),
    (292, "QueryExceededMemoryLimitNoDiskUseAllowed", "DB_QUERY_ERROR"),
    (10107, "NotWritablePrimary", "DB_UNAVAILABLE"),
    (11000, "DuplicateKey", "DUPLICATE_KEY"),
    (11601, "Interrupted", "DB_QUERY_ERROR"),
    (11602, "InterruptedDueToReplStateChange", "DB_UNAVAILABLE"),
    (13388, "StaleConfig", "DB_UNAVAILABLE"),
    (13435, "NotPrimaryNoSecondaryOk", "DB_UNAVAILABLE"),
    (14031, "OutOfDiskSpace", "DB_READ_ONLY"),
    (10334, "BSONObjectTooLarge", "PAYLOAD_TOO_LARGE"),
    (51002, "Location51002", "ALREADY_EXISTS"),
    (99999, "Location99999", "DB_QUERY_ERROR"),
]


@pytest.mark.parametrize(("code", "name", "reason"), CODES)
def test_codes_of_the_server(code: int, name: str, reason: str) -> None:
    found = errors.of_code(code, "", {"errmsg": "what the server says", "codeName": name})

    assert reason_name(found.reason) == reason
    assert found.metadata["server_error"] == name
    assert found.message.endswith((".", "says"))


def test_a_text_of_the_server_is_cut() -> None:
    assert len(errors.of_code(2, "", {"errmsg": "x" * 10_000}).message) < errors.MAX_TEXT + 100


async def refusal(client: MongoClient, command: dict[str, Any], database: str = "admin") -> StudioError:
    with pytest.raises(StudioError) as caught:
        await client.command(database, command)
    return caught.value


async def test_a_duplicate_names_its_index_and_its_fields(
    client: MongoClient, mongodb: Mongo, mongodb_database: str
) -> None:
    collection = mongodb[mongodb_database]["c"]
    await collection.create_index([("mail", 1)], unique=True, name="by_mail")
    await collection.insert_one({"mail": "a@example.com"})

    with pytest.raises(StudioError, match="mail") as single, errors.translated():
        await client.collection(mongodb_database, "c").insert_one(
            RawBSONDocument(bson_of(mail="a@example.com"))
        )
    documents = [RawBSONDocument(bson_of(mail=mail)) for mail in ("b", "a@example.com")]
    with pytest.raises(StudioError, match="mail") as many, errors.translated():
        await client.collection(mongodb_database, "c").insert_many(documents)

    for refused in (single.value, many.value):
        assert reason_name(refused.reason) == "DUPLICATE_KEY"
        assert refused.metadata["index"].endswith("by_mail")
        assert json.loads(refused.metadata["key_pattern"]) == {"mail": 1}
        assert refused.metadata["server_error"] == "DuplicateKey"
        assert "example.com" not in refused.message
    assert many.value.metadata["position"] == "1"


def bson_of(**fields: Any) -> bytes:  # noqa: ANN401  the values of a document are of any type
    return bytes(bson.encode({"_id": bson.ObjectId(), **fields}))


async def test_a_document_against_the_rules_is_told_which(
    client: MongoClient, mongodb: Mongo, mongodb_database: str
) -> None:
    rules = {"$jsonSchema": {"required": ["name"], "properties": {"name": {"bsonType": "string"}}}}
    await mongodb[mongodb_database].create_collection("c", validator=rules)

    with pytest.raises(StudioError) as refused, errors.translated():
        await client.collection(mongodb_database, "c").insert_one(RawBSONDocument(bson_of(name=1)))

    assert reason_name(refused.value.reason) == "DOCUMENT_INVALID"
    assert refused.value.metadata["server_error"] == "DocumentValidationFailure"
    assert len(refused.value.metadata.get("err_info", "")) <= errors.MAX_TEXT


async def test_commands_that_a_server_lacks_or_refuses(client: MongoClient, mongodb_database: str) -> None:
    unknown = await refusal(client, {"noSuchCommand": 1})
    wrong = await refusal(client, {"find": "c", "filter": {"$nonsense": 1}}, mongodb_database)

    assert reason_name(unknown.reason) == "NOT_SUPPORTED"
    assert reason_name(wrong.reason) == "DB_QUERY_ERROR"
    assert "$nonsense" in wrong.message


async def test_a_missing_permission_is_named(start_mongodb: MongoFactory, open_client: OpenClient) -> None:
    server = start_mongodb(users=(MongoUser("reader", "pw", ({"role": "read", "db": "shop"},)),))

    refused = await refusal(
        open_client(server.url_of("reader", "pw")), {"insert": "c", "documents": [{}]}, "shop"
    )

    assert reason_name(refused.reason) == "DB_PERMISSION_DENIED"
    assert "insert" in refused.metadata["permission"]
    assert "grantRolesToUser" in refused.hint


async def test_a_connection_that_ends_in_the_middle_of_a_change_leaves_its_outcome_unknown(
    mongodb_server: MongoServer, open_client: OpenClient, mongodb_database: str
) -> None:
    async with FaultProxy("127.0.0.1", mongodb_server.port) as proxy:
        url = mongodb_server.url.replace(f":{mongodb_server.port}", f":{proxy.port}") + "&retryWrites=false"
        client = open_client(url)
        await client.command("admin", {"ping": 1})
        proxy.stall()
        with pytest.raises(StudioError) as hanging, errors.translated(), pymongo.timeout(0.3):
            await client.collection(mongodb_database, "c").insert_one(RawBSONDocument(bson_of(a=1)))
        assert reason_name(hanging.value.reason) == "DB_TIMEOUT"
        assert hanging.value.metadata["outcome"] == "unknown"
        proxy.resume()
        await proxy.refuse()
        proxy.cut()
        refused = await refusal(client, {"ping": 1})
    assert code_of(refused) in PASSING
    assert refused.metadata["outcome"] in {"not_done", "unknown"}


@pytest.mark.parametrize(
    ("error", "reason", "outcome"),
    [
        (driver.AutoReconnect("h:1: connection closed"), "DB_CONNECTION_FAILED", "unknown"),
        (driver.NetworkTimeout("h:1: timed out"), "DB_TIMEOUT", "unknown"),
        (driver.ServerSelectionTimeoutError("no servers"), "DB_CONNECTION_FAILED", "not_done"),
        (driver.WaitQueueTimeoutError("timeout"), "RESOURCE_EXHAUSTED", "not_done"),
        (driver.NotPrimaryError("not primary", {"code": 10107}), "DB_UNAVAILABLE", "unknown"),
        (driver.ExecutionTimeout("too long", 50, {"code": 50}), "DB_TIMEOUT", "unknown"),
        (driver.DocumentTooLarge("BSON document too large"), "PAYLOAD_TOO_LARGE", "not_done"),
        (
            driver.ConfigurationError("reports wire version 5, but requires at least 9"),
            "DB_PROTOCOL_ERROR",
            "",
        ),
        (driver.InvalidURI("bad"), "INVALID_CONNECTION_STRING", ""),
        (InvalidBSON("bad"), "DB_QUERY_ERROR", ""),
        (ConnectionResetError("reset"), "DB_CONNECTION_FAILED", "unknown"),
    ],
)
def test_errors_of_the_driver(error: Exception, reason: str, outcome: str) -> None:
    found = errors.to_studio_error(error)

    assert (reason_name(found.reason), found.metadata.get("outcome", "")) == (reason, outcome)
