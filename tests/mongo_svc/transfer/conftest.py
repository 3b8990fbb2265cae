"""A client of the shared MongoDB, as the engine's modules take it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.mongo_svc.client import MongoClient
from services.mongo_svc.limits import DEFAULTS
from services.mongo_svc.options import parse
from services.runtime.addresses import AddressPolicy


@pytest.fixture
async def client(mongodb_url: str) -> AsyncIterator[MongoClient]:
    """Its connections."""
    opened = MongoClient(parse(mongodb_url, {}), AddressPolicy(), DEFAULTS)
    yield opened
    await opened.aclose()
