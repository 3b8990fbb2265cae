"""Fixtures for the tests of the local system."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from deploy.local import ports
from deploy.local.state import State
from tests.support.launcher import Launcher


class Launch(Protocol):
    """Starts `make run`'s program in the test's state directory."""

    def __call__(
        self,
        *,
        environment: dict[str, str] | None = None,
        through: Sequence[str] = (),
        arguments: Sequence[str] = (),
        port: int | None = None,
    ) -> Launcher:
        """On `port`, or a free one; 0 gives none."""


@pytest.fixture
def state() -> Iterator[State]:
    """A state directory in a folder that only its owner may enter, as one under /root is."""
    parent = Path(tempfile.mkdtemp(prefix="studio-local-"))
    state = State(parent / "state")
    state.create()
    yield state
    state.remove()
    shutil.rmtree(parent)


@pytest.fixture
def launch(state: State) -> Iterator[Launch]:
    """Starts the launcher; what is still there at the end of the test is ended."""
    started: list[Launcher] = []

    def start(
        *,
        environment: dict[str, str] | None = None,
        through: Sequence[str] = (),
        arguments: Sequence[str] = (),
        port: int | None = None,
    ) -> Launcher:
        chosen = {} if port == 0 else {"GATEWAY_PORT": str(port or ports.pick())}
        launcher = Launcher(
            state.path, environment=chosen | (environment or {}), through=through, arguments=arguments
        )
        started.append(launcher)
        return launcher

    yield start
    for launcher in started:
        launcher.close()
