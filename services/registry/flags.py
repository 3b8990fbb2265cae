"""Which engines are switched on: the flags mean what they mean to the gateway (`gateway/engines.py`).

`false` switches an engine off: nothing of it is created, tested or changed; what is registered is still listed, and can
be deleted. Whether an engine's service runs here is another question: without one, connections can be stored untested.
"""

from __future__ import annotations

from collections.abc import Mapping

from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_ENGINE_DISABLED

VARIABLES = {
    "redis": ("Redis", "ENABLE_REDIS_MANAGEMENT"),
    "mongodb": ("MongoDB", "ENABLE_MONGODB_MANAGEMENT"),
    "bun_api": ("Bun API", "ENABLE_BUN_API_MANAGEMENT"),
}
"""What users call an engine and the variable that switches it off; PostgreSQL has none."""


class Flags:
    """The flags.

    Args:
        enabled: by type; a type that is missing is switched on.
    """

    def __init__(self, enabled: Mapping[str, bool]) -> None:
        self._enabled = enabled

    def check(self, type_: str) -> None:
        """Refuses what is switched off.

        Raises:
            StudioError: ENGINE_DISABLED, naming the variable.
        """
        if not self._enabled.get(type_, True):
            title, variable = VARIABLES[type_]
            raise StudioError(
                ERROR_REASON_ENGINE_DISABLED, f"{title} management is switched off: {variable} is false."
            )
