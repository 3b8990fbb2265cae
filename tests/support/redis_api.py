"""A Redis database's REST routes, as a client calls them."""

from __future__ import annotations

import base64
from typing import Any

from tests.support.engine_api import EngineApi, Json

__all__ = ["Json", "RedisApi", "blob", "content"]


class RedisApi(EngineApi):
    """The routes under `/api/platform/redis/{database_id}`."""

    TYPE = "redis"


def blob(content: bytes) -> dict[str, str]:
    """Bytes as a request gives them."""
    return {"value_base64": base64.b64encode(content).decode()}


def content(blob: dict[str, Any]) -> bytes:
    """Bytes as an answer gives them."""
    if "value_base64" in blob:
        return base64.b64decode(blob["value_base64"])
    return str(blob["value"]).encode()
