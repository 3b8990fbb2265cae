"""Which traces there are: settings, a caller's `traceparent`, and what is on the way to another service."""

from __future__ import annotations

from contextvars import copy_context

import pytest
from pydantic import SecretStr, ValidationError

from services.runtime import context, tracing
from services.runtime.trace_settings import TraceSettings

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "invalid",
    [
        "",
        TRACE,
        f"00-{TRACE}-{SPAN}",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{TRACE}-{SPAN}-01-more",
    ],
)
def test_what_is_no_traceparent_counts_as_none(invalid: str) -> None:
    assert (tracing.trace_id(invalid), tracing.parts(invalid)) == ("", None)


def test_a_traceparent() -> None:
    given = f"00-{TRACE}-{SPAN}-01"
    assert tracing.trace_id(given) == TRACE
    assert tracing.parts(given) == (int(TRACE, 16), int(SPAN, 16), 1)


def test_untraced_services_pass_the_callers_traceparent_on() -> None:
    given = f"00-{TRACE}-{SPAN}-00"
    inside = copy_context()
    inside.run(context.traceparent.set, given)
    assert inside.run(tracing.onward) == given
    assert tracing.onward() == ""


@pytest.mark.parametrize(
    ("sampler", "argument", "part"),
    [
        ("parentbased_always_on", 0.5, 1.0),
        ("always_off", 0.5, 0.0),
        ("traceidratio", 0.25, 0.25),
        ("parentbased_traceidratio", 0.01, 0.01),
    ],
)
def test_samplers(sampler: str, argument: float, part: float) -> None:
    settings = TraceSettings.model_validate(
        {"otel_traces_sampler": sampler, "otel_traces_sampler_arg": argument}
    )
    assert settings.sampled_part() == part


def test_where_traces_go() -> None:
    settings = TraceSettings(
        otel_exporter_otlp_endpoint="https://collector:4318/base/",
        otel_exporter_otlp_headers=SecretStr("X-Key=a%20b, other=c=d"),
    )
    assert settings.is_traced
    assert settings.traces_url == "https://collector:4318/base/v1/traces"
    assert settings.trace_headers() == {"x-key": "a b", "other": "c=d"}
    assert not TraceSettings().is_traced
    off = TraceSettings(otel_exporter_otlp_endpoint="http://collector:4318", otel_sdk_disabled=True)
    assert not off.is_traced


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("otel_exporter_otlp_endpoint", "collector:4318"),
        ("otel_exporter_otlp_endpoint", "http://user:hidden-5ecret@collector"),
        ("otel_exporter_otlp_endpoint", "http://collector?key=hidden-5ecret"),
        ("otel_exporter_otlp_headers", "hidden-5ecret"),
        ("otel_exporter_otlp_headers", "key=hidden-5ecret%0d%0ax: y"),
        ("otel_exporter_otlp_protocol", "grpc"),
        ("otel_traces_sampler", "jaeger_remote"),
        ("otel_traces_sampler_arg", "2"),
    ],
)
def test_what_cannot_be_used_is_refused_without_being_shown(name: str, value: str) -> None:
    with pytest.raises(ValidationError) as raised:
        TraceSettings.model_validate({name: value})
    assert "hidden-5ecret" not in str(raised.value)
