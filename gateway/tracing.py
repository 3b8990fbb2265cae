"""Traces by Envoy: its part of each request, and the id by which its log, the services and their traces go together.

Off unless `OTEL_EXPORTER_OTLP_ENDPOINT` is set. A path names keys and its query holds them, so no span has it: what a
request was about, the service's span says by the rpc.
"""

from __future__ import annotations

from typing import Any

from gateway.settings import GatewaySettings

Config = dict[str, Any]

CLUSTER = "otel_collector"
EXPORT_TIMEOUT_S = 5
MAX_SPANS = 2048
"""Spans that wait for the collector, a worker; more are dropped."""
METADATA = "studio.trace"
"""Where the log finds the id in a caller's `traceparent`, while Envoy itself traces nothing."""
_TRACEPARENT = "^(?:00-([0-9a-f]{32})-.*|.*)$"
"""All that matches: what is no `traceparent` becomes nothing."""


def tracing(settings: GatewaySettings) -> Config:
    """The `tracing` of Envoy's `HttpConnectionManager`, as a part of it; nothing where nothing is traced."""
    if not settings.is_traced:
        return {}
    headers = [
        {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        for name, value in settings.trace_headers().items()
    ]
    return {
        "tracing": {
            # Of requests without a `traceparent`; others are traced as it says.
            "random_sampling": {"value": 100 * settings.sampled_part()},
            # Asked for by `x-client-trace-id`, which is nobody's.
            "client_sampling": {"value": 0},
            "max_path_tag_length": 0,
            "provider": {
                "name": "envoy.tracers.opentelemetry",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
                    "service_name": settings.otel_service_name or "gateway",
                    "http_service": {
                        "http_uri": {
                            "uri": settings.traces_url,
                            "cluster": CLUSTER,
                            "timeout": f"{EXPORT_TIMEOUT_S}s",
                        },
                        "request_headers_to_add": headers,
                    },
                    "max_cache_size": MAX_SPANS,
                    **_resource(settings),
                },
            },
        }
    }


def ignored_headers(settings: GatewaySettings) -> tuple[str, ...]:
    """What clients have no say in: with a sampler that asks no parent, which requests are traced, and as what."""
    is_own = settings.is_traced and not settings.otel_traces_sampler.startswith("parentbased_")
    return ("traceparent", "tracestate") if is_own else ()


def caller_trace_id(settings: GatewaySettings) -> list[Config]:
    """A filter that keeps the id in a caller's `traceparent` for the log, where Envoy has no trace of its own."""
    if settings.is_traced:
        return []
    rule = {
        "header": "traceparent",
        "on_header_present": {
            "metadata_namespace": METADATA,
            "key": "id",
            "regex_value_rewrite": {"pattern": {"regex": _TRACEPARENT}, "substitution": "\\1"},
        },
        "remove": False,
    }
    config = {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.header_to_metadata.v3.Config",
        "request_rules": [rule],
    }
    return [{"name": "studio.caller_trace_id", "typed_config": config}]


def logged_id(settings: GatewaySettings) -> str:
    """Envoy's format of the trace's id for the log."""
    return "%TRACE_ID%" if settings.is_traced else f"%DYNAMIC_METADATA({METADATA}:id)%"


def _resource(settings: GatewaySettings) -> Config:
    if settings.otel_resource_attributes is None:
        return {}
    detector = "type.googleapis.com/envoy.extensions.tracers.opentelemetry.resource_detectors.v3"
    return {
        "resource_detectors": [
            {
                "name": "envoy.tracers.opentelemetry.resource_detectors.environment",
                "typed_config": {"@type": f"{detector}.EnvironmentResourceDetectorConfig"},
            }
        ]
    }
