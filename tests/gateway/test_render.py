"""The configuration that is rendered: what follows from the contract, what from the settings, what never shows."""

from __future__ import annotations

import json
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2
from pydantic import SecretStr

from deploy.local import ports
from gateway import __main__, auth, clusters, fields, paths, render, routes, run, tracing
from gateway.settings import GatewaySettings
from services.runtime.auth import sessions
from services.runtime.contract import Contract, HttpRule, load_contract
from tests.gateway.harness import JWT_SECRET, ROOT

SERVICE_SECRET = "services-of-the-gateway-tests-0123456789"
FILES = render.Files(Path("/state"))


def settings(**values: Any) -> GatewaySettings:  # noqa: ANN401  any setting
    return GatewaySettings(**{"jwt_secret": JWT_SECRET, "redis_svc_address": "redis:1", **values})


def rendered(**values: Any) -> dict[str, Any]:  # noqa: ANN401  any setting
    return render.bootstrap(load_contract(), settings(**values), FILES)


EVERY_ENGINE: dict[str, Any] = {"mongo_svc_address": "mongo:1", "bun_proxy_address": "bun:1"}


def route_list(contract: Contract | None = None, **values: Any) -> list[dict[str, Any]]:  # noqa: ANN401  as above
    return list(routes.routes(contract or load_contract(), settings(**values), Path("unused")))


@pytest.fixture
def state(tmp_path: Path) -> Iterator[render.Files]:
    with run.state_directory(settings(gateway_state_dir=tmp_path / "s")) as files:
        yield files


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"redis_svc_address": ""},
        {"cors_allow_origins": "*"},
        {"jwt_jwks_url": "https://example.com/.well-known/jwks.json"},
        {"jwt_secret": None, "jwt_jwks_url": "https://example.com:8443/jwks.json"},
        {"admin_address": "127.0.0.1:9901"},
        {"gateway_host": "::"},
        {"redis_svc_address": "a.internal:1,b.internal:2,[::1]:3"},
    ],
)
def test_envoy_takes_what_is_rendered_without_a_warning(state: render.Files, values: dict[str, Any]) -> None:
    chosen = settings(**values)
    run.write_files(chosen, state)
    result = subprocess.run(
        [run.find_envoy(chosen), "--mode", "validate", "--log-level", "warning", "-c", state.bootstrap],
        capture_output=True,
        text=True,
        check=False,
    )
    # Validating fetches the key set as well, which no test's machine can.
    said = [line for line in result.stderr.splitlines() if "fetch" not in line]
    assert (result.returncode, said) == (0, [])


def test_what_envoy_refuses_stops_the_start(state: render.Files) -> None:
    state.bootstrap.write_text('{"static_resources": {"clusters": [{"name": ""}]}}')
    with pytest.raises(SystemExit, match="Envoy refuses the configuration"):
        run.validate(run.find_envoy(settings()), state)


def test_files_are_for_their_owner_alone(state: render.Files) -> None:
    run.write_files(settings(), state)
    run.write_files(settings(), state)
    modes = [
        stat.S_IMODE(path.stat().st_mode) for path in (state.directory, state.bootstrap, state.descriptors)
    ]
    assert modes == [0o700, 0o600, 0o600]


def test_a_temporary_directory_goes_away() -> None:
    with run.state_directory(settings(gateway_state_dir=None)) as files:
        assert stat.S_IMODE(files.directory.stat().st_mode) == 0o700
    assert not files.directory.exists()


def test_a_state_directory_too_deep_for_a_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    with (
        pytest.raises(SystemExit, match="GATEWAY_STATE_DIR"),
        run.state_directory(settings(gateway_state_dir=deep)),
    ):
        pass


@pytest.mark.parametrize("binary", ["/nonexistent/envoy", "/tmp"])
def test_a_binary_that_is_none(binary: str) -> None:
    with pytest.raises(SystemExit, match="ENVOY_BINARY"):
        run.find_envoy(settings(envoy_binary=binary))


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        chosen = settings(
            gateway_host="127.0.0.1", GATEWAY_PORT=taken.getsockname()[1], gateway_state_dir=tmp_path / "s"
        )
        with pytest.raises(SystemExit, match="GATEWAY_PORT"):
            run.run(chosen)


def test_render_prints_no_secret(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_SECRET", JWT_SECRET)
    monkeypatch.setenv("SERVICE_TOKEN_SECRET", SERVICE_SECRET)
    assert __main__.main(["render"]) == 0
    text = capsys.readouterr().out
    assert json.loads(text)["static_resources"]
    assert JWT_SECRET not in text
    for key in (JWT_SECRET.encode(), sessions.signing_key(SecretStr(SERVICE_SECRET))):
        assert json.loads(auth.inline_jwks(key))["keys"][0]["k"] not in text
    assert SERVICE_SECRET not in text
    assert render.MASK in text


def test_render_is_the_same_each_time() -> None:
    command = [sys.executable, "-m", "gateway", "render"]
    environment = {"JWT_SECRET": JWT_SECRET, "GATEWAY_PORT": str(ports.pick()), "PYTHONHASHSEED": "random"}
    first, second = (
        subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True).stdout
        for _ in range(2)
    )
    assert first == second


def test_the_transcoders_descriptors_lack_only_what_envoy_refuses() -> None:
    contract = load_contract()
    found = descriptor_pb2.FileDescriptorSet.FromString(render.transcoder_descriptors(contract))
    rules = [
        method.options.Extensions[annotations_pb2.http]
        for file in found.file
        for service in file.service
        for method in service.method
        if method.options.HasExtension(annotations_pb2.http)
    ]
    assert rules
    assert not [rule for rule in rules if rule.response_body]
    assert "google/rpc/error_details.proto" in {file.name for file in found.file}
    # What was given is untouched.
    assert any(rule.response_body for method in contract.methods.values() for rule in method.http)


def test_every_public_rpc_has_a_route_and_no_internal_one() -> None:
    grpc_paths = {
        route["match"]["path"]
        for route in route_list(**EVERY_ENGINE)
        if "grpc" in route["match"] and "path" in route["match"]
    }
    public = {path for path, method in load_contract().methods.items() if method.http}
    assert grpc_paths == public
    assert not [path for path in grpc_paths if load_contract().methods[path].is_internal]


def test_an_engine_without_address_or_flag_has_no_routes_and_says_why() -> None:
    for values, sentence in (
        (
            {"redis_svc_address": ""},
            "Redis management is not enabled: set ENABLE_REDIS_MANAGEMENT=true and REDIS_SVC_ADDRESS.",
        ),
        (
            {"enable_redis_management": False},
            "Redis management is switched off: ENABLE_REDIS_MANAGEMENT is false.",
        ),
    ):
        found = route_list(**values)
        assert not [route for route in found if route.get("route", {}).get("cluster") == "redis_svc"]
        messages = {
            route["metadata"]["filter_metadata"]["studio.gateway"].get("message")
            for route in found
            if route["match"].get("path_separated_prefix") == "/api/platform/redis"
        }
        assert messages == {sentence}
        names = [cluster["name"] for cluster in rendered(**values)["static_resources"]["clusters"]]
        assert names == ["registry"]


def test_streams_have_no_deadline_and_others_have() -> None:
    contract = load_contract()
    path = "/studio.redis.v1.RedisService/ListKeys"
    streaming = replace(contract.methods[path], server_streaming=True)
    found = route_list(Contract({**contract.methods, path: streaming}, contract.files))
    actions = {
        route["match"]["path"]: route
        for route in found
        if "grpc" in route["match"] and "path" in route["match"]
    }
    assert actions[path]["route"]["timeout"] == "0s"
    assert "request_headers_to_add" not in actions[path]
    other = actions["/studio.redis.v1.RedisService/GetValue"]
    assert other["route"]["timeout"] == "15.500s"
    assert other["request_headers_to_add"][0]["header"] == {"key": "grpc-timeout", "value": "15000m"}


def test_a_body_has_a_bound_in_time_unless_it_is_a_stream() -> None:
    found = [each for each in route_list(**EVERY_ENGINE) if "route" in each]
    methods = [
        method for method in load_contract().methods.values() if method.http and not method.is_internal
    ]
    for method in methods:
        path = method.path
        (service,) = (each["route"] for each in found if each["match"].get("path") == path)
        rests = [
            each["route"]
            for each in found
            if each["match"].get("headers", [{}])[0].get("string_match") == {"exact": method.http[0].verb}
            and _matches(each, method.http[0].template)
        ]
        assert rests, path
        assert all((_longest_s(each) == 0) == method.client_streaming for each in rests), path
        is_stream = method.client_streaming or method.server_streaming
        # None here means the listener's; beside a deadline there can be none.
        assert _longest_s(service) == (0 if is_stream else None), path
        # To repeat a stream of requests, the gateway would have to keep it.
        assert ("retry_policy" in service) != method.client_streaming, path


def _longest_s(action: dict[str, Any]) -> float | None:
    bound = action.get("max_stream_duration")
    return None if bound is None else float(bound["max_stream_duration"].rstrip("s"))


def _matches(route: dict[str, Any], template: str) -> bool:
    if paths.is_literal(template):
        return bool(route["match"].get("path") == template)
    return bool(route["match"].get("safe_regex", {}).get("regex") == paths.regex(template))


def test_only_what_changes_nothing_is_repeated_after_a_broken_connection() -> None:
    contract = load_contract()
    for route in route_list():
        policy = route.get("route", {}).get("retry_policy")
        if policy is not None:
            method = contract.methods[route["match"]["path"]]
            changes = any(rule.verb != "GET" for rule in method.http)
            assert ("reset" in policy["retry_on"].split(",")) != changes
            assert "unavailable" not in policy["retry_on"]


def test_a_204_is_announced_to_the_script() -> None:
    contract = load_contract()
    path = "/studio.redis.v1.RedisService/GetStatus"
    deleting = replace(contract.methods[path], success_status=204)
    found = route_list(Contract({**contract.methods, path: deleting}, contract.files))
    (route,) = [route for route in found if route["match"].get("path") == path]
    assert route["metadata"]["filter_metadata"]["studio.gateway"]["success_status"] == 204


@pytest.mark.parametrize(
    ("template", "matches", "misses"),
    [
        ("/a/{id}", ["/a/x", "/a/a.b"], ["/a/", "/a/x/y", "/a", "/b/x"]),
        ("/a/{id}/b.c", ["/a/x/b.c"], ["/a/x/bxc"]),
        ("/a/{path=**}", ["/a/x", "/a/x/y"], ["/a/", "/a"]),
        ("/a/{name=p/*}/c", ["/a/p/x/c"], ["/a/x/c", "/a/p/x/y/c"]),
        ("/a/*/b", ["/a/x/b"], ["/a/x/y/b"]),
    ],
)
def test_templates(template: str, matches: list[str], misses: list[str]) -> None:
    expression = re.compile(paths.regex(template))
    assert [path for path in matches if not expression.fullmatch(path)] == []
    assert [path for path in misses if expression.fullmatch(path)] == []
    assert expression.fullmatch(paths.sample(template))


def test_of_two_templates_the_more_literal_comes_first() -> None:
    templates = ["/a/{path=**}", "/a/{id}", "/a/b", "/a/{id}/c", "/a/b/c"]
    assert sorted(templates, key=paths.specificity) == [
        "/a/b",
        "/a/b/c",
        "/a/{id}",
        "/a/{id}/c",
        "/a/{path=**}",
    ]


def test_bodies_that_are_bytes_have_no_fields() -> None:
    contract = load_contract()
    method = contract.methods["/studio.redis.v1.RedisService/SetValue"]
    assert ",keyBase64," in fields.body_names(contract, method)
    assert ",key_base64," in fields.body_names(contract, method)
    assert fields.body_names(contract, replace(method, request="google.api.HttpBody")) == ""
    with pytest.raises(LookupError):
        fields.body_names(contract, replace(method, request="studio.redis.v1.Nothing"))


def test_a_rule_without_a_body_takes_any() -> None:
    contract = load_contract()
    path = "/studio.redis.v1.RedisService/SetValue"
    rule = HttpRule("POST", "/api/platform/redis/{database_id}/set", "config", "")
    found = route_list(
        Contract({**contract.methods, path: replace(contract.methods[path], http=(rule,))}, contract.files)
    )
    (route,) = [
        route
        for route in found
        if route["match"].get("safe_regex") == {"regex": paths.regex(rule.template)} and "route" in route
    ]
    assert "body_fields" not in route["metadata"]["filter_metadata"]["studio.gateway"]


def test_each_process_is_checked_as_a_whole() -> None:
    checks = {
        cluster["name"]: [check["grpc_health_check"] for check in cluster["health_checks"]]
        for cluster in rendered()["static_resources"]["clusters"]
    }
    assert checks == {"registry": [{}], "redis_svc": [{}]}


def key_set_cluster() -> dict[str, Any]:
    found = rendered(jwt_jwks_url="https://id.example.com/jwks")["static_resources"]["clusters"]
    (cluster,) = [each for each in found if each["name"] == auth.JWKS_CLUSTER]
    return cast("dict[str, Any]", cluster)


def test_only_tokens_whose_key_never_changes_are_remembered() -> None:
    """What a key of the JWKS has signed must be refused once that key is gone."""
    providers = auth.jwt_authn(settings(jwt_jwks_url="https://id.example.com/jwks"))["providers"]
    remembered = {name for name, each in providers.items() if "jwt_cache_config" in each}
    assert remembered == {name for name, each in providers.items() if "local_jwks" in each}
    assert "jwks" in providers.keys() - remembered


def test_an_address_of_the_key_sets_host_where_nobody_listens_does_not_fail_the_fetch() -> None:
    """`localhost` has two, and one of them is taken for each fetch unless all are one endpoint."""
    assert key_set_cluster()["cluster_type"]["typed_config"]["all_addresses_in_single_endpoint"]


def test_a_key_set_over_tls_is_verified() -> None:
    cluster = key_set_cluster()
    tls = cluster["transport_socket"]["typed_config"]
    assert (tls["sni"], tls["auto_sni_san_validation"]) == ("id.example.com", True)
    assert Path(clusters.trusted_authorities()).is_file()


def test_admin_is_a_socket_unless_an_address_is_set() -> None:
    assert rendered()["admin"]["address"]["pipe"]["path"] == "/state/admin.sock"
    address = rendered(admin_address="127.0.0.1:9901")["admin"]["address"]["socket_address"]
    assert address == {"address": "127.0.0.1", "port_value": 9901}


def test_slow_clients_have_bounds() -> None:
    listener = rendered()["static_resources"]["listeners"][0]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    bounded = ("request_headers_timeout", "stream_idle_timeout", "delayed_close_timeout")
    assert all(float(manager[name].rstrip("s")) > 0 for name in bounded)
    for name in ("idle_timeout", "max_stream_duration"):
        assert float(manager["common_http_protocol_options"][name].rstrip("s")) > 0


def test_traces_are_off_unless_a_collector_is_named() -> None:
    text = json.dumps(rendered())
    assert "opentelemetry" not in text
    assert tracing.CLUSTER not in text
    off = rendered(otel_exporter_otlp_endpoint="http://collector:4318", otel_sdk_disabled=True)
    assert "opentelemetry" not in json.dumps(off)


def test_traces_name_no_path_and_the_collectors_key_is_masked() -> None:
    given = settings(
        otel_exporter_otlp_endpoint="http://collector:4318",
        otel_exporter_otlp_headers="x-key=key-of-the-collector",
        otel_traces_sampler="parentbased_traceidratio",
        otel_traces_sampler_arg=0.01,
    )
    config = render.bootstrap(load_contract(), given, FILES)
    manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    assert manager["tracing"]["max_path_tag_length"] == 0
    assert manager["tracing"]["random_sampling"] == {"value": 1.0}
    assert "key-of-the-collector" in json.dumps(config)
    assert "key-of-the-collector" not in render.masked(config, given)
