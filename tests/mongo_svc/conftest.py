"""Fixtures of the MongoDB service's tests: clients of ours, and servers that are odd on purpose."""

from __future__ import annotations

import dataclasses
import gc
import warnings
from collections.abc import AsyncIterator, Iterator
from typing import Protocol

import pytest

from services.mongo_svc.client import MongoClient
from services.mongo_svc.limits import DEFAULTS
from services.mongo_svc.options import parse
from services.runtime.addresses import AddressPolicy
from tests.support.odd_servers import StartServer, odd_servers, unused_port


class OpenClient(Protocol):
    """Makes a client of ours; limits by name."""

    def __call__(self, url: str, *, policy: AddressPolicy | None = None, **limits: float) -> MongoClient: ...


@pytest.fixture(autouse=True, scope="module")
def what_the_driver_left() -> Iterator[None]:
    """PyMongo leaves a connection open when a call is cancelled while it is made; Python closes it, with a warning.

    Here, so that the warning does not come in another test.
    """
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
async def open_client() -> AsyncIterator[OpenClient]:
    clients: list[MongoClient] = []

    def open_(url: str, *, policy: AddressPolicy | None = None, **limits: float) -> MongoClient:
        limited = dataclasses.replace(DEFAULTS, **limits)  # type: ignore[arg-type]  # ints among them
        client = MongoClient(parse(url), policy or AddressPolicy(), limited)
        clients.append(client)
        return client

    yield open_
    for client in clients:
        await client.aclose()


@pytest.fixture
async def client(mongodb_url: str, open_client: OpenClient) -> MongoClient:
    """A client of the shared MongoDB."""
    return open_client(mongodb_url)


@pytest.fixture
async def start_server() -> AsyncIterator[StartServer]:
    async with odd_servers() as start:
        yield start


@pytest.fixture
def closed_port() -> int:
    """A loopback port where nobody listens."""
    return unused_port()
