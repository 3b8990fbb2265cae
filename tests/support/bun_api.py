"""A registered Bun API's REST routes, as a client calls them."""

from __future__ import annotations

from tests.support.engine_api import EngineApi, Json

__all__ = ["BunApi", "Json"]


class BunApi(EngineApi):
    """The routes under `/api/platform/bun/{database_id}`."""

    TYPE = "bun"
