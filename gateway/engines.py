"""Which area of the contract is served by which service, and what switches it on.

The areas stand in the contract (`studio.<area>.v1`); their addresses and flags stand in the settings. An
area that is off keeps its paths: they say what switches it on.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.settings import Address, GatewaySettings


@dataclass(frozen=True, slots=True)
class Area:
    """One area of the contract and the service behind it."""

    name: str
    """As in the contract's packages and in paths: `redis`."""
    title: str
    """What users call it."""
    service: str
    """Name of the service, as users and operators know it; Envoy's cluster bears it too."""
    address_variable: str
    """The variable with the service's addresses."""
    flag_variable: str | None
    """The variable that switches it off; None where it can't be."""
    path_prefix: str
    """Its paths lie below this one."""


AREAS = (
    Area("registry", "Registry", "registry", "REGISTRY_ADDRESS", None, "/api/platform/databases"),
    Area(
        "redis", "Redis", "redis_svc", "REDIS_SVC_ADDRESS", "ENABLE_REDIS_MANAGEMENT", "/api/platform/redis"
    ),
    Area(
        "mongodb",
        "MongoDB",
        "mongo_svc",
        "MONGO_SVC_ADDRESS",
        "ENABLE_MONGODB_MANAGEMENT",
        "/api/platform/mongodb",
    ),
    Area(
        "bun", "Bun API", "bun_proxy", "BUN_PROXY_ADDRESS", "ENABLE_BUN_API_MANAGEMENT", "/api/platform/bun"
    ),
)

BY_NAME = {area.name: area for area in AREAS}

FORWARDING = "bun_proxy_http"
"""Envoy's cluster of bun_proxy's port for the requests that it forwards."""


def addresses(area: Area, settings: GatewaySettings) -> tuple[Address, ...]:
    """Where the area's service listens; empty when it is switched off."""
    found: tuple[Address, ...] = getattr(settings, area.address_variable.lower())
    return found if _flag(area, settings) else ()


def forwards(settings: GatewaySettings) -> bool:
    """Whether requests to Bun APIs are forwarded."""
    return bool(addresses(BY_NAME["bun"], settings) and settings.bun_proxy_http_address)


def why_disabled(area: Area, settings: GatewaySettings) -> str | None:
    """A sentence that says what switches the area on; None when it is on."""
    if addresses(area, settings):
        return None
    if not _flag(area, settings):
        return f"{area.title} management is switched off: {area.flag_variable} is false."
    return (
        f"{area.title} management is not enabled: set {area.flag_variable}=true and {area.address_variable}."
    )


def _flag(area: Area, settings: GatewaySettings) -> bool:
    return area.flag_variable is None or bool(getattr(settings, area.flag_variable.lower()))
