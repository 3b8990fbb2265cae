"""Who gets past the gateway: a JWT that one of the known keys signed, or what looks like an API key.

A first, coarse check that spares the services bad requests. It knows no roles; every service verifies the token
again and decides, because gRPC callers do not pass here.
"""

from __future__ import annotations

import base64
import json
from urllib.parse import urlsplit

from pydantic import SecretStr

from gateway import console
from gateway.errors import Config
from gateway.settings import GatewaySettings
from services.runtime.auth import api_keys, sessions

JWKS_CLUSTER = "jwks"
JWT_AUTHN = "envoy.filters.http.jwt_authn"
SESSION = "session"
"""Under this name the rate of a session finds its claims."""
CLOCK_SKEW_S = 5
"""As the services allow; Envoy's own default is 60."""

TOKENS_REMEMBERED = 1000
"""Of each provider, by each of Envoy's workers; the one that was not used for the longest goes."""

JWKS_CACHE_S = 15
"""Envoy fetches the set 5 s before this is over, and never for a key id that it does not know: so long a token that is
signed with a new key may be refused."""
JWKS_TIMEOUT_S = 5


def jwt_authn(settings: GatewaySettings) -> Config:
    """Envoy's `JwtAuthentication`: every path needs a token, CORS preflights apart."""
    providers = {}
    if settings.jwt_secret is not None:
        jwks = inline_jwks(settings.jwt_secret.get_secret_value().encode())
        providers["secret"] = _provider({"local_jwks": {"inline_string": jwks}, **_REMEMBERED})
    if settings.jwt_jwks_url is not None:
        providers["jwks"] = _provider({"remote_jwks": _remote_jwks(settings.jwt_jwks_url)})
    if settings.service_token_secret is not None:
        providers["session"] = _session(settings.service_token_secret)
    each = [{"provider_name": name} for name in providers]
    return {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        "providers": providers,
        # The first rule that matches counts, and a path that none matches would need no token: the last is for all.
        "rules": [
            *(console.needs_no_token() if console.is_enabled(settings) else []),
            {"match": {"prefix": "/", "headers": [_api_key()]}},
            {
                "match": {"prefix": "/"},
                "requires": each[0] if len(each) == 1 else {"requires_any": {"requirements": each}},
            },
        ],
        # A preflight carries no token, by definition: https://fetch.spec.whatwg.org/#cors-preflight-fetch
        "bypass_cors_preflight": True,
    }


def _api_key() -> Config:
    """What looks like an API key. Envoy can't know whether it counts, and leaves that to the services.

    A second header would be joined to the first by a comma, which the form does not have. Its length is the services'
    to check: Envoy refuses an expression that counts so far.
    """
    form = f"[Bb]earer {api_keys.BEGINNING}[0-9A-Za-z]+"
    return {"name": "authorization", "string_match": {"safe_regex": {"regex": form}}}


def inline_jwks(secret: bytes) -> str:
    """The key set with one HS256 key: https://www.rfc-editor.org/rfc/rfc7518#section-6.4.

    Naming the algorithm in the key is what refuses a token that claims another one.
    """
    key = base64.urlsafe_b64encode(secret).rstrip(b"=").decode()
    return json.dumps({"keys": [{"kty": "oct", "alg": "HS256", "k": key}]})


def _provider(source: Config) -> Config:
    return {
        **source,
        **_CHECKS,
        # Without this, `?access_token=` is accepted as well, and tokens end in logs and histories.
        # The scheme's case is free (https://www.rfc-editor.org/rfc/rfc9110#section-11.1); Envoy compares bytes.
        "from_headers": [
            {"name": "authorization", "value_prefix": scheme} for scheme in ("Bearer ", "bearer ")
        ],
    }


def _session(secret: SecretStr) -> Config:
    """Sessions of browsers: a token of ours, which counts in its cookie alone."""
    return {
        "local_jwks": {"inline_string": inline_jwks(sessions.signing_key(secret))},
        **_CHECKS,
        **_REMEMBERED,
        "issuer": sessions.ISSUER,
        "payload_in_metadata": SESSION,
        "from_cookies": list(sessions.COOKIES),
    }


_CHECKS: Config = {
    # The services verify it again, and take the caller from it.
    "forward": True,
    "require_expiration": True,
    "clock_skew_seconds": CLOCK_SKEW_S,
}

# A token that was right is not verified again before it ends (here within a minute; at the services, which verify it
# again, within CLOCK_SKEW_S). A seventh of what a small request cost. Only where the key never changes: what a key of
# the JWKS has signed must be refused once that key is gone.
_REMEMBERED: Config = {"jwt_cache_config": {"jwt_cache_size": TOKENS_REMEMBERED}}


def _remote_jwks(url: str) -> Config:
    return {
        "http_uri": {"uri": url, "cluster": JWKS_CLUSTER, "timeout": f"{JWKS_TIMEOUT_S}s"},
        "cache_duration": f"{JWKS_CACHE_S}s",
        # Fetched before the first request and renewed before it expires. `fast_listener`: a key server that is
        # down does not keep the gateway from starting; tokens are refused with 503 until it answers.
        "async_fetch": {"fast_listener": True, "failed_refetch_duration": "1s"},
        # Envoy's own back-off begins with a second, in which callers wait. A try may take as long as the longest one.
        "retry_policy": {"num_retries": 2, "retry_back_off": {"base_interval": "0.1s", "max_interval": "2s"}},
    }


def origin(url: str) -> tuple[str, int, bool]:
    """Host, port and whether to use TLS, of a URL."""
    parts = urlsplit(url)
    tls = parts.scheme == "https"
    return parts.hostname or "", parts.port or (443 if tls else 80), tls
