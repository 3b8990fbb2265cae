"""Names of Envoy's HTTP filters, by which routes switch them off or tell them something."""

from __future__ import annotations

from typing import Any

TYPE = "type.googleapis.com/envoy.extensions.filters.http"
TRANSCODER = "envoy.filters.http.grpc_json_transcoder"
HEADER_MUTATION = "envoy.filters.http.header_mutation"
CORS = "envoy.filters.http.cors"
COMPRESSOR = "envoy.filters.http.compressor"
CLIENT_ADDRESS = "studio.client_address"
LUA = "studio.gateway"
"""The Lua filter's name is the key of the route metadata that it reads: `errors.METADATA`."""

DISABLED: dict[str, Any] = {
    "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig",
    "disabled": True,
}
"""What a route says of a filter that it does without."""
