"""Settings of Bun APIs are checked when they are stored, and what is stored their service can use."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct

from services.bun_proxy import options
from services.bun_proxy.limits import DEFAULTS
from services.bun_proxy.probe.places import places_of
from services.registry.bun_config import check_bun_config
from services.runtime.errors import StudioError
from tests.registry.harness import Registry, failing

USABLE: list[dict[str, Any]] = [
    {},
    {"auth_header": "X-Api-Key", "auth_scheme": ""},
    {"auth_scheme": "Token", "health_path": "/api/health;v=1", "openapi_path": "/docs/a%20b.json"},
    {"health_path": "/", "openapi_path": ""},
    {"answer_timeout_s": 0.5, "idle_timeout_s": 300, "max_request_bytes": 1, "max_response_bytes": 1e12},
    {"auth_header": None, "health_path": None, "max_request_bytes": None},
    {"read_only": True, "color": "red", "owner": {"team": ["a"]}},
]
UNUSABLE: list[tuple[str, Any, str]] = [
    ("auth_header", "X Key", "the name of a header"),
    ("auth_header", "", "the name of a header"),
    ("auth_header", 5, "the name of a header"),
    ("auth_header", "x\r\ny", "the name of a header"),
    ("auth_header", "Host", "can't carry a key"),
    ("auth_header", "Transfer-Encoding", "can't carry a key"),
    ("auth_scheme", "two words", "before the key"),
    ("auth_scheme", False, "before the key"),
    ("health_path", "health", "begins with a slash"),
    ("health_path", "/a?b=c", "has no query"),
    ("health_path", "/a b", "percent-encoded"),
    ("health_path", "/a%2", "percent-encoded"),
    ("health_path", "//host/x", "empty segments"),
    ("openapi_path", "/a/../b", "'..'"),
    ("openapi_path", "/a/%2e%2E/b", "'..'"),
    ("openapi_path", "/a/..;x/b", "'..'"),
    ("openapi_path", "/a%2fb", "escaped slash"),
    ("openapi_path", "/a%00", "control character"),
    ("openapi_path", "/é", "percent-encoded"),
    ("openapi_path", "/" + "a" * 600, "a path"),
    ("openapi_path", "https://host/x", "begins with a slash"),
    ("answer_timeout_s", 0, "seconds"),
    ("answer_timeout_s", "30", "seconds"),
    ("idle_timeout_s", 301, "seconds"),
    ("idle_timeout_s", True, "seconds"),
    ("max_request_bytes", 1.5, "whole number"),
    ("max_response_bytes", -1, "whole number"),
]


@pytest.mark.parametrize("config", USABLE)
def test_what_the_registry_takes_the_service_can_use(config: dict[str, Any]) -> None:
    check_bun_config(config)
    options.parse("https://:key@host/base", config)
    options.limits_of(config, DEFAULTS)
    places_of(config)


@pytest.mark.parametrize(("name", "value", "says"), UNUSABLE)
def test_what_the_service_can_not_use_is_refused(name: str, value: object, says: str) -> None:
    with pytest.raises(StudioError) as refused:
        check_bun_config({name: value})
    assert refused.value.violations[0].field == f"config.{name}"
    assert says in refused.value.message


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("authHeader", "auth_header"),
        ("healthPath", "health_path"),
        ("readOnly", "read_only"),
        ("AUTH_SCHEME", "auth_scheme"),
        ("max-request-bytes", "max_request_bytes"),
        ("answerTimeoutS", "answer_timeout_s"),
    ],
)
def test_a_name_that_is_nearly_right_is_not_ignored(name: str, right: str) -> None:
    with pytest.raises(StudioError, match=f"config.{name}: is written {right}"):
        check_bun_config({name: "x"})


async def test_settings_are_checked_where_a_database_is_made_tested_and_changed(registry: Registry) -> None:
    config = Struct()
    config.update({"health_path": "up"})
    made = {"type": "bun_api", "connection_string": "https://:key@host"}
    created = await registry.create(**made, name="api", skip_test=True)
    calls = (
        lambda: registry.create(**made, name="other", config=config, skip_test=True),
        lambda: registry.test(**made, config=config),
        lambda: registry.update(created.id, config=config),
    )
    for call in calls:
        async with failing("INVALID_ARGUMENT", grpc.StatusCode.INVALID_ARGUMENT) as failure:
            await call()
        assert failure.message.startswith("config.health_path: ")
    # Another type's settings are none of its business.
    await registry.create(name="redis", config=config, skip_test=True)
