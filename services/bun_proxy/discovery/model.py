"""What is known of an API's routes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a route takes beside a body; fields as in the contract."""

    name: str
    place: str
    required: bool
    type: str
    format: str
    description: str
    values: tuple[str, ...]
    default: str
    deprecated: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a route may answer; fields as in the contract."""

    status: str
    description: str
    content_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """Something that an API can be asked; fields as in the contract."""

    method: str
    path: str
    proxy_path: str
    operation_id: str
    summary: str
    description: str
    tags: tuple[str, ...]
    deprecated: bool
    parameters: tuple[Parameter, ...]
    content_types: tuple[str, ...]
    body_required: bool
    outcomes: tuple[Outcome, ...]
    security: tuple[str, ...]
    is_public: bool

    @property
    def key(self) -> tuple[str, str]:
        """By which routes are sorted; there are no two of one key."""
        return self.path, self.method


@dataclass(frozen=True, slots=True)
class Document:
    """An OpenAPI document."""

    path: str
    """Where it was found, below the base path."""
    format: str
    title: str
    version: str
    description: str
    routes: tuple[Route, ...]
    """Sorted by their keys."""
    skipped: int
    warnings: tuple[str, ...]
    tags: tuple[str, ...]
    fetched_at: float
    """In seconds since 1970."""
