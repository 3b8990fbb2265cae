"""Generated requests through the gateway: drawn from the document by Schemathesis, and the answers held against it.

https://schemathesis.readthedocs.io/
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import httpx
import jsonschema
import schemathesis
from hypothesis import HealthCheck, Phase, given, reject, seed, settings
from schemathesis import Case, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from services.runtime import openapi
from tests.openapi.world import Settling, World

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES") or 5)
"""Requests an operation, for each kind of data: what fits the document, and what does not."""
SEED = int(os.environ.get("FUZZ_SEED") or 7)
READ_TIMEOUT_S = 30.0
MAX_CHUNKS = 1000
"""Of an answer; whoever has read so many hangs up."""
ENDLESS = {"redisMonitor", "redisSubscribe", "redisWatchKeyspace", "mongodbWatchChanges"}
"""Streams that end when the caller hangs up, which is after the first chunk."""
KEEPS_IDS_FROM = "f8000000"
"""Generated ids from here on, a few, are not replaced by one that is registered."""

AnyCase = Case[Any]

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

SUCCEEDED: Counter[str] = Counter()
"""Requests that were answered with success, by operation."""

DOCUMENT: dict[str, Any] = openapi.build()


def _config() -> schemathesis.Config:
    return schemathesis.Config.from_dict(
        {"generation": {"with-security-parameters": False, "allow-x00": True}, "seed": SEED}
    )


def operations() -> Mapping[str, Any]:
    """The operations of the contract by their ids; what is passed on to others answers as they like."""
    schema = schemathesis.openapi.from_dict(DOCUMENT, config=_config())
    found: list[Any] = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    by_id = {each.definition.raw["operationId"]: each for each in found}
    return {
        name: each
        for name, each in by_id.items()
        if "x-action" in each.definition.raw and "default" not in each.definition.raw["responses"]
    }


def run(operation: Any, world: World, http: httpx.Client) -> None:  # noqa: ANN401  its class is not public
    """Sends an operation's requests, half of them such as the document forbids.

    Raises:
        Exception: an answer is not as the document says; with the request as a curl command.
    """
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        if mode is GenerationMode.NEGATIVE and not _can_be_wrong(operation):
            continue

        @seed(SEED)
        @settings(
            max_examples=EXAMPLES,
            database=None,
            deadline=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case: AnyCase) -> None:
            _place(case, world)
            answer = _send(case, world, http)
            SUCCEEDED[operation.definition.raw["operationId"]] += answer.status_code < 300
            case.validate_response(answer, checks=CHECKS)
            for event in _events(answer):
                _check_event(case, event)

        check()


def _can_be_wrong(operation: Any) -> bool:  # noqa: ANN401  as above
    return bool(operation.definition.raw.get("parameters") or operation.body)


def _place(case: AnyCase, world: World) -> None:
    """Leads a request to what is there, most of the time."""
    first, _, rest = case.path.removeprefix("/api/platform/").partition("/")
    route = rest.partition("/")[2]
    for name, value in case.path_parameters.items():
        if not isinstance(value, str) or value < KEEPS_IDS_FROM:
            case.path_parameters[name] = world.ids.get(first, value)
    raw = case.operation.definition.raw
    named = {each["name"] for each in raw.get("parameters", ()) if each.get("in") == "query"}
    case.query = Settling(first, route, named, as_text=True)(dict(case.query))
    if isinstance(case.body, dict):
        case.body = Settling(first, route, _fields(raw), as_text=False)(case.body)


def _fields(raw: Mapping[str, Any]) -> Collection[str]:
    """The fields of an operation's body."""
    reference: str = raw["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    found: Mapping[str, Any] = DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]]["properties"]
    return found


def _send(case: AnyCase, world: World, http: httpx.Client) -> Response:
    wanted = case.as_transport_kwargs(base_url=world.url)
    headers = {name: value for name, value in wanted["headers"].items() if name.lower() != "authorization"}
    try:
        request = http.build_request(
            wanted["method"],
            wanted["url"],
            params=wanted["params"] or None,
            headers=headers | dict(world.headers),
            json=wanted.get("json"),
            content=wanted.get("data"),
        )
    except httpx.InvalidURL:  # longer than the client sends
        reject()
    answer = http.send(request, stream=True)
    try:
        content = b"".join(_content(answer, case))
    finally:
        answer.close()
    shown = httpx.Response(answer.status_code, headers=answer.headers, request=request)
    shown.headers.pop("content-encoding", None)
    shown._content = content  # noqa: SLF001  decoded already
    shown.elapsed = answer.elapsed
    return Response.from_httpx(shown, verify=False)


def _content(answer: httpx.Response, case: AnyCase) -> Iterator[bytes]:
    is_endless = answer.is_success and case.operation.definition.raw["operationId"] in ENDLESS
    for count, chunk in enumerate(answer.iter_bytes(), start=1):
        yield chunk
        if is_endless or count >= MAX_CHUNKS:
            return


def _events(answer: Response) -> list[Any]:
    if answer.headers.get("content-type") != ["text/event-stream"]:
        return []
    whole = answer.content.decode().rpartition("\n\n")[0]
    return [json.loads(each.removeprefix("data: ")) for each in whole.split("\n\n") if each]


def _check_event(case: AnyCase, event: Any) -> None:  # noqa: ANN401  JSON
    schema = case.operation.definition.raw["responses"]["200"]["content"]["text/event-stream"]["x-event"]
    if set(event) == {"error"}:
        schema = {
            "type": "object",
            "properties": {"error": DOCUMENT["components"]["schemas"]["OptionsStreamError"]},
        }
    jsonschema.validate(event, schema | {"components": DOCUMENT["components"]})
