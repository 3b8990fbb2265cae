"""The route table, derived from the contract.

A REST request meets two routes. The first is found by its path and method: unknown paths end there with 404,
wrong methods with 405, switched-off engines with the variable that switches them on. Then the transcoder turns
the request into `/package.Service/Method`, and the second route leads to the service. Native gRPC callers
arrive at the second at once. An rpc without a REST form has neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from gateway import console, engines, forwarding, paths, pg_meta
from gateway.errors import METADATA, Config
from gateway.fields import body_names
from gateway.filters import with_original_path, without_grpc_headers
from gateway.names import DISABLED, HEADER_MUTATION, TRANSCODER
from gateway.retries import retries
from gateway.settings import GatewaySettings
from services.runtime.contract import Contract, HttpRule, Method
from services.runtime.errors import reason_name
from studio.options.v1 import errors_pb2 as e

SAFE_TO_REPEAT = "connect-failure,refused-stream"
"""The service has not seen the request. Its own UNAVAILABLE is an answer: it has tried already."""

IDEMPOTENT = f"{SAFE_TO_REPEAT},reset-before-request,reset"
"""The connection broke: harmless to repeat where nothing changes."""

DEADLINE_MARGIN_S = 0.5
"""Envoy waits this much longer than the service may work, so that the service's own answer wins."""

OK = 200
NO_SUCH_PATH = "There is no such path."
FORWARDING_OFF = "Requests to Bun APIs are not forwarded: set BUN_PROXY_HTTP_ADDRESS."

REQUEST_TIMEOUT_S = 120
"""From the end of a request's headers to the end of its body: 16 MiB at 1 Mbit/s. Streams of requests have no end."""

STREAM_IDLE_S = 300
"""A stream that says nothing for so long, in either direction, is closed."""


def virtual_host(contract: Contract, settings: GatewaySettings, directory: Path) -> Config:
    """The one virtual host, for every domain.

    Args:
        contract: what is served.
        settings: of the gateway.
        directory: where files for Envoy may be written.
    """
    return {
        "name": "api",
        "domains": ["*"],
        "routes": list(routes(contract, settings, directory)),
    }


def routes(contract: Contract, settings: GatewaySettings, directory: Path) -> Iterator[Config]:
    """All routes; the first that matches a request is its own."""
    yield from _preflights(settings)
    yield from _refused_paths()
    enabled = {area.name for area in engines.AREAS if engines.addresses(area, settings)}
    public = [method for method in contract.methods.values() if method.http and not method.is_internal]
    for method in public:
        if method.area in enabled:
            yield _grpc_route(method, settings)
    disabled = {area: engines.why_disabled(area, settings) for area in engines.AREAS}
    for area, sentence in disabled.items():
        if sentence is not None:
            match = {"prefix": f"/studio.{area.name}.", "grpc": {}}
            yield _answer(match, 404, e.ERROR_REASON_ENGINE_DISABLED, sentence)
    # Whatever else calls itself gRPC must not get past a REST route: the transcoder would let it through.
    yield _answer({"prefix": "/", "grpc": {}}, 404, e.ERROR_REASON_ROUTE_NOT_FOUND, NO_SUCH_PATH)
    yield from _rest_routes(contract, settings, [method for method in public if method.area in enabled])
    if engines.forwards(settings):
        yield from forwarding.routes(settings)
    elif "bun" in enabled:
        match = {"safe_regex": {"regex": forwarding.PATHS}}
        yield _answer(match, 404, e.ERROR_REASON_ENGINE_DISABLED, FORWARDING_OFF)
    if pg_meta.is_enabled(settings):
        yield pg_meta.route(settings, {TRANSCODER: DISABLED, HEADER_MUTATION: with_original_path()})
    else:
        match = {"path_separated_prefix": pg_meta.PREFIX}
        yield _answer(match, 404, e.ERROR_REASON_ENGINE_DISABLED, pg_meta.WHY_DISABLED)
    for area, sentence in disabled.items():
        if sentence is not None:
            match = {"path_separated_prefix": area.path_prefix}
            yield _answer(match, 404, e.ERROR_REASON_ENGINE_DISABLED, sentence)
    yield from console.routes(settings, directory)
    yield _answer({"prefix": "/"}, 404, e.ERROR_REASON_ROUTE_NOT_FOUND, NO_SUCH_PATH)


def _preflights(settings: GatewaySettings) -> Iterator[Config]:
    """Preflights of allowed origins. The CORS filter answers them, but only on a route that leads somewhere.

    They never get there; those of other origins find no route but the ones that refuse.
    """
    if not settings.cors_allow_origins:
        return
    any_origin = {"name": "origin", "present_match": True}
    origins = "|".join(re.escape(origin) for origin in settings.cors_allow_origins)
    listed = {"name": "origin", "string_match": {"safe_regex": {"regex": origins}}}
    headers = [
        {"name": ":method", "string_match": {"exact": "OPTIONS"}},
        {"name": "access-control-request-method", "present_match": True},
        any_origin if "*" in settings.cors_allow_origins else listed,
    ]
    action = {"cluster": engines.BY_NAME["registry"].service}
    if engines.forwards(settings):
        yield {
            "match": {"safe_regex": {"regex": forwarding.PATHS}, "headers": headers},
            "typed_per_filter_config": forwarding.preflights(settings),
            "route": action,
        }
    yield {"match": {"prefix": "/", "headers": headers}, "route": action}


def _refused_paths() -> Iterator[Config]:
    """Paths that no client of good faith sends."""
    reason = e.ERROR_REASON_INVALID_ARGUMENT
    for expression, invert, sentence in (
        (paths.UTF8_TARGET, True, "The path or the query holds escapes that are not UTF-8."),
        (paths.CONTROL_ESCAPE, False, "The path holds a control character."),
        (paths.ODD_SEGMENTS, False, "The path holds an empty segment, '.' or '..'."),
    ):
        header = {
            "name": ":path",
            "string_match": {"safe_regex": {"regex": expression}},
            "invert_match": invert,
        }
        yield _answer({"prefix": "/", "headers": [header]}, 400, reason, sentence)


def _grpc_route(method: Method, settings: GatewaySettings) -> Config:
    area = engines.BY_NAME[method.area]
    safe = all(rule.verb == "GET" for rule in method.http)
    action: Config = {
        "cluster": area.service,
        "retry_policy": retries(IDEMPOTENT if safe else SAFE_TO_REPEAT),
    }
    route: Config = {
        "match": {"path": method.path, "grpc": {}},
        "metadata": _metadata(service=area.service, **_rest_form(method)),
        # For native callers; a transcoded request has passed the filter when it gets here.
        "typed_per_filter_config": {TRANSCODER: DISABLED},
        "route": action,
    }
    if method.client_streaming:
        # What has begun to flow can't be repeated, and keeping it to repeat it would take memory.
        del action["retry_policy"]
    if method.server_streaming or method.client_streaming:
        # The listener's bound of all that take and give one message does not hold for them.
        action |= {"timeout": "0s", "idle_timeout": f"{STREAM_IDLE_S}s", "max_stream_duration": _at_most(0)}
        return route
    deadline_s = settings.gateway_request_timeout_s
    action["timeout"] = f"{deadline_s + DEADLINE_MARGIN_S:.3f}s"
    # gRPC servers know this header alone; Envoy's `timeout` does not set it. A native caller's own stays.
    route["request_headers_to_add"] = [
        {
            "header": {"key": "grpc-timeout", "value": f"{round(deadline_s * 1000)}m"},
            "append_action": "ADD_IF_ABSENT",
        }
    ]
    return route


def _at_most(seconds: float) -> Config:
    """A bound of the whole stream, from its headers on; 0 for none.

    Not for the route of an rpc that has a deadline: Envoy takes it for the only bound of gRPC, and forgets `timeout`.
    """
    return {"max_stream_duration": f"{seconds:.3f}s"}


def _rest_form(method: Method) -> dict[str, str | int]:
    """What `lua/errors.lua` does to a success of this rpc, if anything."""
    form: dict[str, str | int] = {}
    if method.success_status != OK:
        form["success_status"] = method.success_status
    if method.http[0].response_body:
        form["response_body"] = method.http[0].response_body
    return form


def _rest_routes(
    contract: Contract, settings: GatewaySettings, methods: Sequence[Method]
) -> Iterator[Config]:
    """A route for each method of each known path, then one a path that says which methods there are.

    A path that is a template as it stands (`databases/test`) has the methods of that one alone: `test` is no id. A
    path of variables may match several templates: its methods are those of all.
    """
    rules = sorted(
        ((rule, method) for method in methods for rule in method.http),
        key=lambda each: paths.specificity(each[0].template),
    )
    templates = list(dict.fromkeys(rule.template for rule, _ in rules))
    for template in filter(paths.is_literal, templates):
        own = [(rule, method) for rule, method in rules if rule.template == template]
        yield from (_rest_route(rule, method, contract, settings) for rule, method in own)
        yield _wrong_method(_match(template), sorted(rule.verb for rule, _ in own))
    for rule, method in rules:
        if not paths.is_literal(rule.template):
            yield _rest_route(rule, method, contract, settings)
    for template in templates:
        if paths.is_literal(template):
            continue
        sample = paths.sample(template)
        verbs = {rule.verb for rule, _ in rules if re.fullmatch(paths.regex(rule.template), sample)}
        yield _wrong_method(_match(template), sorted(verbs))


def _match(template: str) -> Config:
    if paths.is_literal(template):
        return {"path": template}
    return {"safe_regex": {"regex": paths.regex(template)}}


def _rest_route(rule: HttpRule, method: Method, contract: Contract, settings: GatewaySettings) -> Config:
    service = engines.BY_NAME[method.area].service
    is_verb = {"name": ":method", "string_match": {"exact": rule.verb}}
    route: Config = {
        "match": {**_match(rule.template), "headers": [is_verb]},
        "metadata": _metadata(service=service),
        "typed_per_filter_config": {HEADER_MUTATION: without_grpc_headers()},
        "route": {"cluster": service},
    }
    # Until the transcoder has read what it must, and the service's route takes over.
    route["route"]["max_stream_duration"] = _at_most(0 if method.client_streaming else REQUEST_TIMEOUT_S)
    names = body_names(contract, method) if rule.body == "*" else ""
    if names:
        route["metadata"] = _metadata(service=service, body_fields=names)
        # The script reads the whole body; without this it is refused past the connection's buffer.
        route["request_body_buffer_limit"] = settings.gateway_max_request_bytes
    return route


def _wrong_method(match: Config, allowed: Sequence[str]) -> Config:
    verbs = ", ".join(allowed)
    sentence = f"This path does not take the method of the request; it takes {verbs}."
    route = _answer(match, 405, e.ERROR_REASON_METHOD_NOT_ALLOWED, sentence)
    route["response_headers_to_add"] = [{"header": {"key": "allow", "value": verbs}}]
    return route


def _answer(match: Config, status: int, reason: e.ErrorReason.ValueType, sentence: str) -> Config:
    """A route that answers by itself; `errors.local_replies` writes the body from its metadata."""
    return {
        "match": match,
        "metadata": _metadata(error_code=reason_name(reason), message=sentence),
        # Else the transcoder refuses the request first, and knows neither 405 nor the engine's flag.
        "typed_per_filter_config": {TRANSCODER: DISABLED},
        "direct_response": {"status": status},
    }


def _metadata(**values: str | int) -> Config:
    return {"filter_metadata": {METADATA: values}}
