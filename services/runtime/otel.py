"""OpenTelemetry behind `tracing`: imported only where traces are wanted.

Its SDK reads the other variables of its own: `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_BSP_…` (queue and batches, bounded).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider, sampling
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from services.runtime import context as call
from services.runtime import tracing
from services.runtime.trace_settings import TraceSettings
from services.runtime.tracing import Value
from services.runtime.version import VERSION

EXPORT_TIMEOUT_S = 5.0
"""Of one batch."""
MAX_VALUE_CHARS = 256
"""Of an attribute."""
INSTANCE_BYTES = 8


class Otel:
    """A tracer of OpenTelemetry.

    Args:
        service: name of this process, where the settings give it no other.
        settings: where traces go.
    """

    def __init__(self, service: str, settings: TraceSettings) -> None:
        # The environment's attributes count, this process's win.
        attributes = {
            SERVICE_NAME: settings.otel_service_name or service,
            SERVICE_VERSION: VERSION,
        }
        self._provider = TracerProvider(
            sampler=_sampler(settings),
            resource=Resource.create({**attributes, **_instance()}),
            span_limits=SpanLimits(max_attribute_length=MAX_VALUE_CHARS),
            shutdown_on_exit=False,
        )
        exporter = OTLPSpanExporter(
            endpoint=settings.traces_url, headers=settings.trace_headers(), timeout=EXPORT_TIMEOUT_S
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("studio-databases", VERSION)

    @contextlib.contextmanager
    def serving(self, name: str, attributes: Mapping[str, Value], parent: str) -> Iterator[Span | None]:
        """As `Tracer.serving`."""
        span = self._tracer.start_span(
            name,
            _context(parent),
            SpanKind.SERVER,
            attributes,
            record_exception=False,
            set_status_on_exception=False,
        )
        call.trace_id.set(f"{span.get_span_context().trace_id:032x}")
        token = contexts.attach(set_span_in_context(span))
        try:
            yield Span(span) if span.is_recording() else None
        finally:
            contexts.detach(token)
            span.end()

    def calling(self, name: str, attributes: Mapping[str, Value]) -> Span | None:
        """As `Tracer.calling`."""
        if not self.is_recording():
            return None
        span = self._tracer.start_span(
            name,
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        )
        return Span(span)

    def is_recording(self) -> bool:
        """As `Tracer.is_recording`."""
        return trace.get_current_span().is_recording()

    def traceparent(self) -> str:
        """As `Tracer.traceparent`."""
        found = trace.get_current_span().get_span_context()
        if not found.is_valid:
            return ""
        return f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags & TraceFlags.SAMPLED:02x}"

    def close(self) -> None:
        """As `Tracer.close`."""
        self._provider.shutdown()


class Span:
    """A span of OpenTelemetry."""

    __slots__ = ("_span",)

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def set(self, name: str, value: Value) -> None:
        """As `tracing.Span.set`."""
        self._span.set_attribute(name, value)

    def failed(self, kind: str) -> None:
        """As `tracing.Span.failed`."""
        self._span.set_attribute("error.type", kind)
        self._span.set_status(Status(StatusCode.ERROR))

    def end(self) -> None:
        """As `tracing.Span.end`."""
        self._span.end()


def _context(traceparent: str) -> contexts.Context:
    """Of the caller's span; empty without, so that a new trace begins."""
    found = tracing.parts(traceparent)
    if found is None:
        return contexts.Context()
    trace_id, span_id, flags = found
    parent = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
    return set_span_in_context(NonRecordingSpan(parent), contexts.Context())


def _sampler(settings: TraceSettings) -> sampling.Sampler:
    """Whoever calls a service is of this system, so its word counts; outside of it begins at the gateway."""
    part = settings.sampled_part()
    root: sampling.Sampler = sampling.TraceIdRatioBased(part)
    if part in {0.0, 1.0}:
        root = sampling.ALWAYS_ON if part else sampling.ALWAYS_OFF
    return sampling.ParentBased(root)


def _instance() -> dict[str, str]:
    """Tells replicas apart; by chance, since a host's name says more than a trace must."""
    return {SERVICE_INSTANCE_ID: os.urandom(INSTANCE_BYTES).hex()}
