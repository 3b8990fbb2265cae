"""Envoy's HTTP filters, in the order in which a request meets them; an answer meets them from the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gateway import auth, engines, limits, pg_meta, tracing
from gateway.names import CLIENT_ADDRESS, COMPRESSOR, CORS, DISABLED, HEADER_MUTATION, LUA, TRANSCODER, TYPE
from gateway.settings import GatewaySettings
from services.runtime import client_address, confirmation
from services.runtime.auth import identity
from services.runtime.contract import Contract

Config = dict[str, Any]

COUNTING = "counting"
"""Name of the script that only counts refused credentials."""
_COUNTING_ALONE = "function envoy_on_response(handle) is_refusal(handle) end"

COMPRESS_FROM_BYTES = 16 * 1024
"""Smaller answers cost more to compress than to send."""

NOT_OF_GRPC = r".*[^:a-z0-9_.-].*|.*-bin"
"""Names of headers that HTTP allows and gRPC does not, or whose value it takes for base64.

https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, `Custom-Metadata`.
"""

PREFLIGHT_CACHE_S = 600


def http_filters(contract: Contract, settings: GatewaySettings, descriptors: Path) -> list[Config]:
    """The chain."""
    return [
        # First: whoever decides about a request may ask where it comes from.
        _filter(CLIENT_ADDRESS, _client_address()),
        *tracing.caller_trace_id(settings),
        *_hsts(settings),
        _filter(COMPRESSOR, _compressor()),
        # Before whatever may refuse a request, so that a page can read the refusal.
        _filter(CORS, {"@type": f"{TYPE}.cors.v3.Cors"}),
        _filter("studio.healthz", _health_check("/healthz")),
        _filter("studio.readyz", _health_check("/readyz", _ready_clusters(settings))),
        *limits.by_address(settings),
        _filter(auth.JWT_AUTHN, auth.jwt_authn(settings)),
        *limits.by_credential(settings),
        *_decisions(settings),
        # Before the transcoder: it sees a request's body as it came, and an answer after it has become JSON. After
        # the token's check: nobody's body is read who has none.
        _filter(LUA, _lua(settings)),
        _filter(HEADER_MUTATION, {"@type": f"{TYPE}.header_mutation.v3.HeaderMutation"}),
        _filter(TRANSCODER, _transcoder(contract, settings, descriptors)),
        _filter(
            "envoy.filters.http.router",
            # No `x-envoy-upstream-service-time` and the like to clients.
            {"@type": f"{TYPE}.router.v3.Router", "suppress_envoy_headers": True},
        ),
    ]


def _hsts(settings: GatewaySettings) -> list[Config]:
    """First, so that it sees every answer last: https://www.rfc-editor.org/rfc/rfc6797#section-6.1.

    It speaks for this origin, so nobody behind it has a say.
    """
    if settings.gateway_tls_certificate is None or settings.gateway_hsts_max_age_s == 0:
        return []
    header = {"key": "strict-transport-security", "value": f"max-age={settings.gateway_hsts_max_age_s}"}
    mutation = {"append": {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}
    config = {
        "@type": f"{TYPE}.header_mutation.v3.HeaderMutation",
        "mutations": {"response_mutations": [mutation]},
    }
    return [_filter("studio.hsts", config)]


def _decisions(settings: GatewaySettings) -> list[Config]:
    """Off, but for the routes that switch it on."""
    if not pg_meta.is_enabled(settings):
        return []
    return [{**_filter(pg_meta.EXT_AUTHZ, pg_meta.ext_authz(settings)), "disabled": True}]


def cors_policy(settings: GatewaySettings) -> Config:
    """Which pages of other origins may call the API; belongs to the virtual host."""
    origins = settings.cors_allow_origins
    matchers = [{"safe_regex": {"regex": ".*"}} if origin == "*" else {"exact": origin} for origin in origins]
    return {
        "@type": f"{TYPE}.cors.v3.CorsPolicy",
        "allow_origin_string_match": matchers,
        "allow_methods": "GET, POST, PUT, PATCH, DELETE",
        "allow_headers": f"authorization, content-type, accept, {confirmation.HEADER}",
        "expose_headers": "x-next-page-token, x-stale, x-request-id, retry-after, content-disposition",
        "max_age": str(PREFLIGHT_CACHE_S),
        # Pages of other origins show a token, in a header that they set themselves: the cookie is for our own.
        "allow_credentials": False,
    }


def without_grpc_headers() -> Config:
    """For REST routes: what gRPC means by a header, the gateway says, not the client.

    `grpc-timeout` would replace the deadline; `grpc-encoding` would have the service unpack what is not packed. And of
    a header that gRPC can't carry a service would end the call, which is a 500 for the caller.
    """
    matchers: list[Config] = [
        {"prefix": "grpc-", "ignore_case": True},
        {"safe_regex": {"regex": NOT_OF_GRPC}},
    ]
    return {
        "@type": f"{TYPE}.header_mutation.v3.HeaderMutationPerRoute",
        "mutations": {
            "request_mutations": [{"remove_on_match": {"key_matcher": matcher}} for matcher in matchers]
        },
    }


def without_reshaping(settings: GatewaySettings) -> Config:
    """For routes whose answers stay as they are: all that the script does there is to count refused credentials."""
    if not limits.counting(settings):
        return DISABLED
    return {"@type": f"{TYPE}.lua.v3.LuaPerRoute", "name": COUNTING}


def with_original_path() -> Config:
    """For routes that change the path: keeps the client's for the access log."""
    original = {"key": "x-envoy-original-path", "value": "%REQ(:PATH)%"}
    return {
        "@type": f"{TYPE}.header_mutation.v3.HeaderMutationPerRoute",
        "mutations": {"request_mutations": [{"append": {"header": original}}]},
    }


def _client_address() -> Config:
    """Tells services where a request comes from and which host it asked for.

    What clients say under these names, the listener has removed.
    """
    headers = {
        client_address.HEADER: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
        identity.AUTHORITY: "%REQ(:AUTHORITY)%",
    }
    appended = [
        {"append": {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}
        for name, value in headers.items()
    ]
    return {
        "@type": f"{TYPE}.header_mutation.v3.HeaderMutation",
        "mutations": {"request_mutations": appended},
    }


def _filter(name: str, config: Config) -> Config:
    return {"name": name, "typed_config": config}


def _transcoder(contract: Contract, settings: GatewaySettings, descriptors: Path) -> Config:
    services = dict.fromkeys(method.service for method in contract.methods.values() if method.http)
    return {
        "@type": f"{TYPE}.grpc_json_transcoder.v3.GrpcJsonTranscoder",
        "proto_descriptor": str(descriptors),
        "services": list(services),
        # A failure's HTTP status, and its google.rpc.Status as the body. Needs error_details.proto among the
        # descriptors: without it an error with details ends as an empty body.
        "convert_grpc_status": True,
        "print_options": {
            "preserve_proto_field_names": True,
            "always_print_primitive_fields": True,
            # Progress events of long work: https://html.spec.whatwg.org/multipage/server-sent-events.html
            "stream_newline_delimited": True,
            "stream_sse_style_delimited": True,
        },
        # Without all three a request that does not fit passes on and ends as 503, and a body may replace what
        # the path says.
        "request_validation_options": {
            "reject_unknown_method": True,
            "reject_unknown_query_parameters": True,
            "reject_binding_body_field_collisions": True,
        },
        # Forms and URLSearchParams write a space as `+`.
        "query_param_unescape_plus": True,
        # Both: past the first a request is answered with 413, past the second an answer with 500. The buffer
        # limit of the connection counts where they are not set, and it is 1 MiB.
        "max_request_body_size": settings.gateway_max_request_bytes,
        "max_response_body_size": settings.gateway_max_response_bytes,
    }


def _lua(settings: GatewaySettings) -> Config:
    source = Path(__file__).parent / "lua" / "errors.lua"
    counting = limits.counting(settings)
    config: Config = {
        "@type": f"{TYPE}.lua.v3.Lua",
        "default_source_code": {"inline_string": counting + source.read_text()},
    }
    if counting:
        config["source_codes"] = {COUNTING: {"inline_string": counting + _COUNTING_ALONE}}
    return config


def _health_check(path: str, clusters: Config | None = None) -> Config:
    """Answers a health check by itself: 200, or 503 once the gateway drains or a cluster is not well."""
    config: Config = {
        "@type": f"{TYPE}.health_check.v3.HealthCheck",
        "pass_through_mode": False,
        "headers": [{"name": ":path", "string_match": {"exact": path}}],
    }
    if clusters is not None:
        config["cluster_min_healthy_percentages"] = clusters
    return config


def _ready_clusters(settings: GatewaySettings) -> Config:
    # One healthy replica is enough to serve.
    names = [area.service for area in engines.AREAS if engines.addresses(area, settings)]
    if engines.forwards(settings):
        names.append(engines.FORWARDING)
    if pg_meta.is_enabled(settings):
        names.append(pg_meta.CLUSTER)
    return {name: {"value": 1} for name in names}


def _compressor() -> Config:
    return {
        "@type": f"{TYPE}.compressor.v3.Compressor",
        "response_direction_config": {
            # Of the types that are compressed by default JSON is one.
            "common_config": {"min_content_length": COMPRESS_FROM_BYTES},
            # It has no content-length, and so counts as long: its nothing would become a gzip trailer.
            "uncompressible_response_codes": [204],
            # An ETag would have to change with the encoding.
            "disable_on_etag_header": True,
        },
        "compressor_library": {
            "name": "gzip",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip",
                # Keys and documents shrink to a tenth at any level; the processor is what is scarce.
                "compression_level": "BEST_SPEED",
                "memory_level": 8,
                "window_bits": 15,
            },
        },
    }
