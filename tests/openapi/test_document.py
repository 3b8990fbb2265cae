"""The OpenAPI document: it is valid, it has every route, and it says of each what the contract says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from services.runtime import openapi
from services.runtime.contract import load_contract
from tests.support.local_system import LocalSystem

ROOT = Path(__file__).parents[2]
API = "/api/platform"
UUID = {"type": "string", "format": "uuid"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi.build()


def operation(document: dict[str, Any], verb: str, path: str) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"][f"{API}{path}"][verb.lower()]
    return found


def schema(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"][name]
    return found


def parameter(document: dict[str, Any], path: str, name: str) -> dict[str, Any]:
    listed = operation(document, "GET", path)["parameters"]
    found: dict[str, Any] = next(each for each in listed if each["name"] == name)
    return found


def test_it_is_valid_by_the_specification(document: dict[str, Any]) -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_every_rest_form_of_the_contract_is_an_operation(document: dict[str, Any]) -> None:
    forms = {
        (rule.verb.lower(), rule.template)
        for method in load_contract().methods.values()
        for rule in method.http
    }
    described = {
        (verb, path)
        for path, item in document["paths"].items()
        for verb, each in item.items()
        if verb != "parameters" and "default" not in each["responses"] and "x-action" in each
    }
    assert described == forms


def test_internal_rpcs_are_not_in_it(document: dict[str, Any]) -> None:
    assert "ResolveConnection" not in json.dumps(document)


def test_operations_have_ids_of_their_own(document: dict[str, Any]) -> None:
    ids = [
        each["operationId"]
        for item in document["paths"].values()
        for verb, each in item.items()
        if verb != "parameters"
    ]
    assert len(ids) == len(set(ids))
    assert operation(document, "PUT", "/databases/{id}")["operationId"] == "registryUpdateDatabasePut"


def test_an_operation_says_who_may_call_it_and_what_it_does(document: dict[str, Any]) -> None:
    found = operation(document, "POST", "/redis/{database_id}/key/delete")
    assert (found["x-role"], found["x-action"], found["x-effect"]) == (
        "developer",
        "redis.key.delete",
        "endangers",
    )
    assert {"$ref": "#/components/parameters/confirmation"} in found["parameters"]
    assert found["security"] == [{"bearer": []}, {"apiKey": []}, {"session": [], "csrf": []}]
    assert operation(document, "GET", "/databases")["x-any-caller"]
    assert operation(document, "GET", "/databases")["security"][-1] == {"session": []}


def test_fields_in_the_path_are_not_in_the_body(document: dict[str, Any]) -> None:
    found = operation(document, "POST", "/redis/{database_id}/set")
    assert found["parameters"][0] | {"description": ""} == {
        "name": "database_id",
        "in": "path",
        "required": True,
        "description": "",
        "schema": UUID,
    }
    assert "database_id" not in schema(document, "RedisSetValueRequest")["properties"]


def test_rules_beside_fields_are_keywords(document: dict[str, Any]) -> None:
    created = schema(document, "RegistryCreateDatabaseRequest")
    assert created["required"] == ["project_ref", "name", "type"]
    assert created["properties"]["name"] | {"description": ""} == {
        "type": "string",
        "minLength": 1,
        "maxLength": 63,
        "pattern": "^[a-z0-9-]+$",
        "description": "",
    }
    assert created["properties"]["options"]["maxProperties"] == 64
    assert created["properties"]["options"]["propertyNames"] == {"maxLength": 128}
    assert created["properties"]["password"]["writeOnly"]
    assert created["additionalProperties"] is False
    size = parameter(document, "/databases", "page_size")["schema"]
    assert size == {"type": "integer", "format": "int32", "minimum": 0, "maximum": 1000}


def test_what_json_schema_cannot_say_is_said_in_words(document: dict[str, Any]) -> None:
    assert (
        "Rules: give connection_string, or host"
        in schema(document, "RegistryCreateDatabaseRequest")["description"]
    )
    name = parameter(document, "/redis/{database_id}/get", "key")
    assert "Exactly one of `key`, `key_base64`." in name["description"]


def test_fields_that_exclude_each_other(document: dict[str, Any]) -> None:
    either = {"oneOf": [{"required": ["key"]}, {"required": ["key_base64"]}]}
    assert either in schema(document, "RedisSetValueRequest")["allOf"]


def test_answers_have_their_zero_values_but_not_what_is_absent(document: dict[str, Any]) -> None:
    database = schema(document, "RegistryDatabase")
    assert "port" in database["required"]
    assert "last_connected_at" not in database["required"]
    assert database["properties"]["created_at"]["format"] == "date-time"


def test_documents_of_mongodb_are_of_any_shape(document: dict[str, Any]) -> None:
    assert set(schema(document, "MongodbReplaceDocumentBody")["properties"]["document"]) == {"description"}
    body = operation(document, "PUT", "/mongodb/{database_id}/documents")["requestBody"]
    assert set(body["content"]) == {"application/json", "application/bson"}


def test_a_bare_array_with_what_it_cannot_carry_in_headers(document: dict[str, Any]) -> None:
    answer = operation(document, "GET", "/databases")["responses"]["200"]
    assert answer["content"]["application/json"]["schema"]["type"] == "array"
    assert set(answer["headers"]) == {"x-next-page-token", "x-stale"}


@pytest.mark.parametrize(
    ("verb", "path", "status", "types"),
    [
        ("POST", "/databases", "201", {"application/json"}),
        ("DELETE", "/databases/{id}", "204", set()),
        ("GET", "/redis/{database_id}/analysis", "200", {"text/event-stream"}),
        ("POST", "/redis/{database_id}/export", "200", {"application/x-ndjson"}),
        ("POST", "/mongodb/{database_id}/documents/stream", "200", {"application/bson"}),
        ("GET", "/mongodb/{database_id}/gridfs/download", "200", {"*/*"}),
        ("POST", "/mongodb/{database_id}/changes", "200", {"text/event-stream", "application/bson"}),
    ],
)
def test_successes(document: dict[str, Any], verb: str, path: str, status: str, types: set[str]) -> None:
    answers = operation(document, verb, path)["responses"]
    assert next(iter(answers)) == status
    assert set(answers[status].get("content", {})) == types


def test_a_request_that_is_a_stream_is_a_body_of_bytes(document: dict[str, Any]) -> None:
    body = operation(document, "POST", "/mongodb/{database_id}/import")["requestBody"]
    assert set(body["content"]) == {"application/octet-stream"}


def test_engines_that_are_switched_off_are_left_out() -> None:
    document = openapi.build(["registry", "redis"])
    areas = {path.removeprefix(API).split("/")[1] for path in document["paths"] if path.startswith(API)}
    assert "redis" in areas
    assert not areas & {"mongodb", "bun", "pg-meta"}
    assert not [name for name in document["components"]["schemas"] if name.startswith("Mongodb")]


async def test_the_gateway_serves_it_to_whoever_has_a_token(system: LocalSystem) -> None:
    async with system.client("read_only") as http:
        answer = await http.get(f"{API}/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == openapi.build()
    assert system.http.get(f"{API}/openapi.json").status_code == 401


def test_the_registry_prints_it(document: dict[str, Any]) -> None:
    command = [sys.executable, "-m", "services.registry", "openapi"]
    printed = subprocess.run(command, capture_output=True, check=True, cwd=ROOT).stdout
    assert json.loads(printed) == document
