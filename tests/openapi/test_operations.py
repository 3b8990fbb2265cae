"""Every operation of the document, with requests that it allows and that it forbids.

Whatever is sent: no answer is a 5xx, and every answer is one that the document describes, in status, headers, content
type and body. `make fuzz` sends more, with another seed each time.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.openapi.campaign import READ_TIMEOUT_S, SUCCEEDED, operations, run
from tests.openapi.world import World

OPERATIONS = operations()


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=READ_TIMEOUT_S) as client:
        yield client


@pytest.fixture
def filled(world: World) -> World:
    world.fill()
    return world


@pytest.mark.parametrize("name", OPERATIONS)
def test_answers_as_the_document_says(name: str, filled: World, http: httpx.Client) -> None:
    run(OPERATIONS[name], filled, http)


def test_requests_lead_to_what_is_there() -> None:
    """Else the answers above would all be refusals, and say little."""
    if len(SUCCEEDED) < len(OPERATIONS):
        pytest.skip("not all operations were called")
    never = sorted(name for name, times in SUCCEEDED.items() if not times)
    assert len(never) < len(OPERATIONS) / 4, "\n".join(never)
