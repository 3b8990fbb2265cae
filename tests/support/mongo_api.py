"""A MongoDB database's REST routes, as a client calls them."""

from __future__ import annotations

from tests.support.engine_api import EngineApi, Json

__all__ = ["Json", "MongoApi"]


class MongoApi(EngineApi):
    """The routes under `/api/platform/mongodb/{database_id}`."""

    TYPE = "mongodb"
