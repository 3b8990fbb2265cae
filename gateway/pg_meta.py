"""PostgreSQL: requests that Envoy leads to pg-meta by itself, after the registry has decided about each.

The registry knows the caller's rights and the connection: it answers with the header that leads pg-meta to the
database, or with a refusal. Where it can't be asked, nothing passes. What pg-meta answers is passed on as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gateway import paths, sds
from gateway.errors import METADATA
from gateway.retries import retries
from gateway.settings import GatewaySettings
from services.runtime import client_address, confirmation
from services.runtime.auth import identity

Config = dict[str, Any]

PREFIX = "/api/platform/pg-meta"
CLUSTER = "pg_meta"
REGISTRY_CLUSTER = "registry_decisions"
"""The registry once more: calls on this cluster carry a token of the services' own, not the user's."""
SERVICE = "pg-meta"
"""What users and operators call it."""
WHY_DISABLED = "PostgreSQL management is not enabled: set PG_META_URL."

EXT_AUTHZ = "envoy.filters.http.ext_authz"
TOKEN_NAME = "service_token"  # noqa: S105  a name, not a token
DECISION_TIMEOUT_S = 7
"""The registry gives up after 6 s, with an answer."""
IDLE_MARGIN_S = 5
HEALTH_PATH = "/health"

_FILTERS = "type.googleapis.com/envoy.extensions.filters.http"
_NOT_PASSED_ON = (
    # The user's token, and what belongs to this origin.
    "authorization",
    "cookie",
    client_address.HEADER,
    confirmation.HEADER,
    identity.AUTHORITY,
    identity.CSRF_TOKEN,
    # What pg-meta takes as settings: whose connection it is, and under which name it shows in the database.
    "pg",
    "x-pg-application-name",
    "x-supabase-info",
)
_TOLD = (
    *sorted(identity.HEADERS - {identity.VERB}),
    "content-type",
    "x-request-id",
    client_address.HEADER,
    confirmation.HEADER,
)
"""Headers that the registry decides by, or notes."""
_NOT_PASSED_BACK = (
    # pg-meta lets every origin read its answers; who may is said by this gateway.
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-expose-headers",
    "set-cookie",
)


def is_enabled(settings: GatewaySettings) -> bool:
    """Whether there is a pg-meta."""
    return settings.pg_meta_url is not None


def route(settings: GatewaySettings, filters: Config) -> Config:
    """The route of every path of pg-meta.

    Args:
        settings: of the gateway.
        filters: what other filters do on it.
    """
    return {
        "match": {"path_separated_prefix": PREFIX},
        "metadata": {"filter_metadata": {METADATA: {"service": SERVICE, "as_it_is": 1}}},
        "typed_per_filter_config": {
            **filters,
            EXT_AUTHZ: {"@type": f"{_FILTERS}.ext_authz.v3.ExtAuthzPerRoute", "check_settings": {}},
        },
        "request_headers_to_remove": list(_NOT_PASSED_ON),
        "response_headers_to_remove": list(_NOT_PASSED_BACK),
        "route": {
            "cluster": CLUSTER,
            "timeout": f"{settings.gateway_pg_meta_timeout_s:.3f}s",
            # A query says nothing until it has all rows; the deadline above is what ends it.
            "idle_timeout": f"{settings.gateway_pg_meta_timeout_s + IDLE_MARGIN_S:.3f}s",
            "regex_rewrite": {
                "pattern": {"regex": f"^{paths.regex(PREFIX)}/[^/]+/?(.*)$"},
                "substitution": r"/\1",
            },
            # pg-meta has not seen the request. Anything else may have changed something.
            "retry_policy": retries("connect-failure"),
        },
    }


def ext_authz(settings: GatewaySettings) -> Config:
    """The filter that asks the registry; it acts on the routes that switch it on."""
    return {
        "@type": f"{_FILTERS}.ext_authz.v3.ExtAuthz",
        "transport_api_version": "V3",
        "grpc_service": {
            "envoy_grpc": {"cluster_name": REGISTRY_CLUSTER},
            "timeout": f"{DECISION_TIMEOUT_S}s",
            # Deciding changes nothing, so a registry that dies meanwhile leaves the question to another one.
            "retry_policy": retries("connect-failure,refused-stream,reset-before-request,reset"),
        },
        # Closed: a request about which nobody has decided does not pass.
        "failure_mode_allow": False,
        "status_on_error": {"code": "ServiceUnavailable"},
        # Of those who may only read the registry reads the SQL, all of it or none.
        "with_request_body": {
            "max_request_bytes": settings.gateway_pg_meta_max_request_bytes,
            "allow_partial_message": False,
            "pack_as_bytes": True,
        },
        "allowed_headers": {"patterns": [{"exact": name} for name in _TOLD]},
    }


def credential(token_file: Path) -> Config:
    """The filter that puts the service token on calls of the registry; `service_token` keeps the file fresh."""
    return {
        "name": "envoy.filters.http.credential_injector",
        "typed_config": {
            "@type": f"{_FILTERS}.credential_injector.v3.CredentialInjector",
            "overwrite": True,
            "credential": {
                "name": "envoy.http.injected_credentials.generic",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.http.injected_credentials.generic.v3.Generic",
                    "header": "authorization",
                    "credential": sds.source(token_file, TOKEN_NAME),
                },
            },
        },
    }
