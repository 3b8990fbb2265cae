"""What is decided about, and the decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Request:
    """A request at the gateway."""

    method: str
    target: str
    """Path and query, as the client sent them."""
    identity: tuple[tuple[str, str], ...] = field(repr=False)
    """The headers by which its caller is known."""
    content_type: str
    confirmation: str = field(repr=False)
    """The token of an earlier refusal; empty for none."""
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Granted:
    """A request that may pass."""

    headers: Mapping[str, str] = field(repr=False)
    """What it passes with; no client's header of these names does."""
    changes: bool
    """It may change something."""
