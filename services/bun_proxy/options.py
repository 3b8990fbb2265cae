"""From a base URL and a database's config to where requests go, and with which key.

The registry stores `https://[[user]:key@]host[:port][/base/path]` in one canonical form. Config: `auth_header` (default
`Authorization`) and `auth_scheme` (default `Bearer` there, else none) say how the key travels; `answer_timeout_s`,
`idle_timeout_s`, `max_request_bytes` and `max_response_bytes` replace the service's own; `http2` set to false keeps an
API from being spoken to in HTTP/2.
"""

from __future__ import annotations

import base64
import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from services.bun_proxy.limits import Limits
from services.runtime.errors import StudioError
from services.runtime.http_names import OF_THE_MESSAGE, TOKEN
from studio.options.v1.errors_pb2 import ERROR_REASON_INVALID_CONNECTION_STRING

DEFAULT_PORTS = {"http": 80, "https": 443}
AUTHORIZATION = "authorization"


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """Where requests go, and with which key."""

    tls: bool
    host: str
    """Name or address, IPv6 without brackets."""
    port: int
    authority: bytes
    """The `Host` of requests."""
    base_path: str
    """What each path begins with, percent-encoded, without a slash at the end; empty for none."""
    auth_header: bytes
    """Name of the header that holds the key, in lower case; callers' own of this name are dropped, key or not."""
    auth_value: bytes | None = field(repr=False)
    """What it holds; None where no key is stored."""
    http2: bool = True
    """Whether HTTP/2 is used where the API has it; it is agreed on by TLS, so never without."""

    @property
    def origin(self) -> str:
        """`https://api.example.com:8443`: scheme, host and port, as messages name them."""
        return f"{'https' if self.tls else 'http'}://{self.authority.decode()}"


def parse(text: str, config: Mapping[str, object]) -> ApiOptions:
    """The options of a base URL.

    Raises:
        StudioError: INVALID_CONNECTION_STRING.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise _unusable("The base URL can't be read.") from None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or not text.isascii():
        raise _unusable("The base URL begins with http:// or https:// and names a host.")
    default = DEFAULT_PORTS[parts.scheme]
    host = parts.hostname
    name = f"[{host}]" if ":" in host else host
    header, value = _authentication(unquote(parts.username or ""), unquote(parts.password or ""), config)
    return ApiOptions(
        tls=parts.scheme == "https",
        host=host,
        port=port or default,
        authority=(name if port in {None, default} else f"{name}:{port}").encode(),
        base_path=parts.path.rstrip("/"),
        auth_header=header,
        auth_value=value,
        http2=parts.scheme == "https" and _flag(config, "http2", default=True),
    )


def limits_of(config: Mapping[str, object], limits: Limits) -> Limits:
    """The service's bounds with those that a database's config replaces.

    Raises:
        StudioError: INVALID_CONNECTION_STRING.
    """
    return dataclasses.replace(
        limits,
        answer_timeout_s=_number(
            config, "answer_timeout_s", limits.answer_timeout_s, limits.longest_timeout_s
        ),
        idle_timeout_s=_number(config, "idle_timeout_s", limits.idle_timeout_s, limits.longest_timeout_s),
        max_request_bytes=_at_most(config, "max_request_bytes", limits.max_request_bytes),
        max_response_bytes=_at_most(config, "max_response_bytes", limits.max_response_bytes),
    )


def _authentication(username: str, key: str, config: Mapping[str, object]) -> tuple[bytes, bytes | None]:
    header = _token(config, "auth_header", AUTHORIZATION).lower()
    if header in OF_THE_MESSAGE:
        raise _unusable(f"auth_header: {header} can't carry a key.")
    if not key:
        return header.encode(), None
    if username:
        value = "Basic " + base64.b64encode(f"{username}:{key}".encode()).decode()
    else:
        scheme = _token(config, "auth_scheme", "Bearer" if header == AUTHORIZATION else "")
        value = f"{scheme} {key}" if scheme else key
    if not value.isprintable():
        raise _unusable("The key holds a character that no header can carry.")
    return header.encode(), value.encode()


def _token(config: Mapping[str, object], name: str, default: str) -> str:
    value = config.get(name)
    if value is None:
        return default
    # A scheme may be empty: the key alone.
    if not isinstance(value, str) or ((value or name == "auth_header") and not TOKEN.fullmatch(value)):
        raise _unusable(f"{name}: must be a name of letters, digits and hyphens.")
    return value


def _flag(config: Mapping[str, object], name: str, *, default: bool) -> bool:
    value = config.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise _unusable(f"{name}: must be true or false.")
    return value


def _number(config: Mapping[str, object], name: str, default: float, most: float) -> float:
    value = config.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _unusable(f"{name}: must be a number.")
    if not 0 < value <= most:
        raise _unusable(f"{name}: must be more than 0 and at most {most:g}.")
    return float(value)


def _at_most(config: Mapping[str, object], name: str, limit: int) -> int:
    """A bound that a config may narrow, not widen."""
    wanted = int(_number(config, name, 0, math.inf) if config.get(name) is not None else 0)
    return min(filter(None, (wanted, limit)), default=0)


def _unusable(message: str) -> StudioError:
    return StudioError(ERROR_REASON_INVALID_CONNECTION_STRING, message, metadata={"stage": "parse"})
