"""Redis service or gateway as they would be if nobody asked who calls: what `access` compares the system with.

`python -m benchmarks.without_access redis_svc|gateway` starts the product's own program with some of its parts left
out. It serves everybody, so it is for benchmarks alone, and no setting of the product has it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from gateway import auth, filters
from gateway.names import CLIENT_ADDRESS
from gateway.settings import GatewaySettings
from services.runtime import server
from services.runtime.audit.log import AuditLog
from services.runtime.auth.identity import Identity
from services.runtime.contract import Contract
from services.runtime.interceptors.chain import Step
from services.runtime.limits import CallerLimits
from services.runtime.rights import Rights
from services.runtime.settings import ServiceSettings

STEPS = frozenset({"authenticate", "limit", "audit", "authorize", "confirm"})
"""What is left out around every handler."""
FILTERS = frozenset({auth.JWT_AUTHN, CLIENT_ADDRESS})
"""What is left out of Envoy's chain; its limits can be switched off: `GATEWAY`."""
GATEWAY: Mapping[str, str] = {
    "GATEWAY_RATE_PER_ADDRESS": "0",
    "GATEWAY_RATE_PER_CALLER": "0",
    "GATEWAY_MAX_REFUSED_PER_ADDRESS": "0",
}
"""Environment of such a gateway."""


def redis_svc() -> None:
    """Runs the Redis service without the steps."""
    from services.redis_svc.app import open_app  # noqa: PLC0415  the gateway needs none of it
    from services.redis_svc.settings import Settings  # noqa: PLC0415

    composed = server.steps

    def reduced(
        settings: ServiceSettings, identity: Identity, audit: AuditLog, limits: CallerLimits, rights: Rights
    ) -> list[Step]:
        steps = composed(settings, identity, audit, limits, rights)
        _check(STEPS, {step.name for step in steps})
        return [step for step in steps if step.name not in STEPS]

    server.steps = reduced
    server.run("redis_svc", Settings, open_app)


def gateway() -> None:
    """Runs the gateway without the filters."""
    from gateway.__main__ import main  # noqa: PLC0415  as above

    composed = filters.http_filters

    def reduced(contract: Contract, settings: GatewaySettings, descriptors: Path) -> list[filters.Config]:
        chain = composed(contract, settings, descriptors)
        _check(FILTERS, {each["name"] for each in chain})
        return [each for each in chain if each["name"] not in FILTERS]

    filters.http_filters = reduced
    sys.exit(main([]))


def _check(left_out: frozenset[str], present: set[str]) -> None:
    if not left_out <= present:
        raise SystemExit(f"not there to be left out: {sorted(left_out - present)}")


if __name__ == "__main__":
    {"redis_svc": redis_svc, "gateway": gateway}[sys.argv[1]]()
