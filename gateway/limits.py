"""How much one client may ask for: requests a second by address and by credential, and refused credentials.

Envoy's local rate limit keeps a token bucket for each address and each credential it has seen lately, shared by all
workers; how many buckets there are is bounded, and the one that was not used for the longest goes. Services have limits
of their own by the caller's role. What Envoy can't bound is how many streams one caller has: services do.
"""

from __future__ import annotations

import json
from pathlib import Path

from gateway import auth
from gateway.errors import REFUSED, Config, body
from gateway.settings import GatewaySettings
from services.runtime import client_address
from services.runtime.errors import reason_name
from studio.options.v1.errors_pb2 import ERROR_REASON_RESOURCE_EXHAUSTED

BURST_S = 2
"""A client that was quiet may send at once what it may send in so many seconds."""
MAX_BUCKETS = 10_000
"""Addresses, and credentials, that are told apart at a time."""
TOO_MANY_REFUSED = "Too many credentials that were refused came from this address: try again in a while."

_TYPE = "type.googleapis.com/envoy.extensions.filters.http"


def by_address(settings: GatewaySettings) -> list[Config]:
    """Filters for before the token's check: nobody makes this process check more signatures than that."""
    address = {"v4_prefix_mask_len": 32, "v6_prefix_mask_len": client_address.IPV6_PREFIX}
    return _rate_limit(
        "addresses",
        settings.gateway_rate_per_address,
        {"masked_remote_address": [{"masked_remote_address": address}]},
    )


def by_credential(settings: GatewaySettings) -> list[Config]:
    """Filters for behind it: nobody makes up credentials to push others' buckets out."""
    # Of a session its id: other cookies, and a renewal, would make another credential of it.
    path = [{"key": auth.SESSION}, {"key": "sid"}]
    session = {
        "descriptor_key": auth.SESSION,
        "metadata_key": {"key": auth.JWT_AUTHN, "path": path},
        "skip_if_absent": True,
    }
    header = {"header_name": "authorization", "descriptor_key": "authorization", "skip_if_absent": True}
    return _rate_limit(
        "credentials",
        settings.gateway_rate_per_caller,
        {
            "authorization": [{"request_headers": header}],
            auth.SESSION: [{"metadata": session}],
        },
    )


def counting(settings: GatewaySettings) -> str:
    """The script that counts refused credentials, to stand before others; empty where they are not counted."""
    if not settings.gateway_max_refused_per_address:
        return ""
    text = (Path(__file__).parent / "lua" / "attempts.lua").read_text()
    reason = reason_name(ERROR_REASON_RESOURCE_EXHAUSTED)
    shown = json.dumps(body(TOO_MANY_REFUSED, reason, retryable=True)["json_format"], separators=(",", ":"))
    for name, value in {
        "MOST": str(settings.gateway_max_refused_per_address),
        "MARK": REFUSED,
        "MESSAGE": TOO_MANY_REFUSED,
        "BODY": shown,
    }.items():
        text = text.replace(f"@{name}@", value)
    return text


def _rate_limit(name: str, per_second: int, keys: dict[str, list[Config]]) -> list[Config]:
    if not per_second:
        return []
    bucket = {
        "max_tokens": per_second * BURST_S,
        "tokens_per_fill": per_second,
        "fill_interval": "1s",
    }
    everybody = {"numerator": 100, "denominator": "HUNDRED"}
    config = {
        "@type": f"{_TYPE}.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": name,
        "filter_enabled": {"default_value": everybody},
        "filter_enforced": {"default_value": everybody},
        # A request without any of the keys has no bucket of its own, and is not counted.
        "always_consume_default_token_bucket": False,
        "token_bucket": {"max_tokens": 2**31 - 1, "tokens_per_fill": 2**31 - 1, "fill_interval": "1s"},
        "rate_limits": [{"actions": actions} for actions in keys.values()],
        # An entry without a value stands for any: each that is seen has a bucket.
        "descriptors": [{"entries": [{"key": key}], "token_bucket": bucket} for key in keys],
        "max_dynamic_descriptors": MAX_BUCKETS,
        "rate_limited_as_resource_exhausted": True,
    }
    return [{"name": f"studio.limits.{name}", "typed_config": config}]
