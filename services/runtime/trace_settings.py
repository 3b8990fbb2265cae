"""What says whether and where traces go: OpenTelemetry's own variables, read once, the same for services and gateway.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ and, of the exporter,
https://opentelemetry.io/docs/specs/otel/protocol/exporter/.
"""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from services.runtime.base_settings import Settings

TRACES_PATH = "/v1/traces"
_HEADER = re.compile(r"[a-zA-Z0-9!#$%&'*.^_`|~-]+")
"""A name: https://www.rfc-editor.org/rfc/rfc9110#section-5.1."""

Sampler = Literal[
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
]


class TraceSettings(Settings):
    """Where traces go, if anywhere."""

    otel_exporter_otlp_endpoint: str | None = None
    """`http(s)://host:port` of a collector that takes OTLP over HTTP; without it nothing is traced."""
    otel_exporter_otlp_headers: SecretStr | None = None
    """`name=value,…`, percent-encoded: what the collector wants to see, such as a key."""
    otel_exporter_otlp_protocol: Literal["http/protobuf"] = "http/protobuf"
    """The only one there is here."""
    otel_service_name: str | None = Field(default=None, max_length=200)
    """What the process is called in traces, in place of its own name."""
    otel_resource_attributes: str | None = None
    """`name=value,…` on every span: of the place where it runs, say."""
    otel_traces_sampler: Sampler = "parentbased_always_on"
    """Which requests are traced. `parentbased_…` leaves it to the caller's `traceparent`, where there is one; without
    that prefix the gateway ignores it. Services follow their callers in any case."""
    otel_traces_sampler_arg: float = Field(default=1.0, ge=0, le=1)
    """Of `…traceidratio`: the part of requests that is traced, from 0 to 1."""
    otel_sdk_disabled: bool = False
    """True switches traces off, whatever else is set."""

    @property
    def is_traced(self) -> bool:
        """Whether traces go anywhere."""
        return self.otel_exporter_otlp_endpoint is not None and not self.otel_sdk_disabled

    @property
    def traces_url(self) -> str:
        """Where they go."""
        return (self.otel_exporter_otlp_endpoint or "").rstrip("/") + TRACES_PATH

    def trace_headers(self) -> dict[str, str]:
        """What goes with them.

        Raises:
            ValueError: they are not as OpenTelemetry writes them; with a sentence that shows none.
        """
        if self.otel_exporter_otlp_headers is None:
            return {}
        found = {}
        for each in self.otel_exporter_otlp_headers.get_secret_value().split(","):
            name, equals, value = (part.strip() for part in each.partition("="))
            plain = unquote(value)
            if not equals or not _HEADER.fullmatch(name) or not plain.isprintable():
                raise ValueError("OTEL_EXPORTER_OTLP_HEADERS must be name=value, comma-separated")
            found[name.lower()] = plain
        return found

    def sampled_part(self) -> float:
        """Of requests without a `traceparent`, the part that is traced."""
        name = self.otel_traces_sampler.removeprefix("parentbased_")
        return {"always_on": 1.0, "always_off": 0.0}.get(name, self.otel_traces_sampler_arg)

    @field_validator("otel_exporter_otlp_endpoint")
    @classmethod
    def _collector(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if (
            parts.scheme not in {"http", "https"}
            or not parts.hostname
            or parts.username is not None
            or parts.query
            or parts.fragment
        ):
            raise ValueError("must be an http or https URL without credentials or query")
        return value

    @model_validator(mode="after")
    def _headers_can_be_read(self) -> TraceSettings:
        self.trace_headers()
        return self
