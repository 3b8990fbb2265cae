"""Writes that failed among others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.mongo_svc import errors
from services.runtime.errors import StudioError


@dataclass(frozen=True, slots=True)
class Failure:
    """A write that failed."""

    index: int
    """Its place in the request, from 0."""
    error: StudioError
    """Why."""


def of_server(details: Mapping[str, Any]) -> Failure:
    """An element of the server's `writeErrors`."""
    about = {name: value for name, value in details.items() if name != "op"}  # the document itself
    return Failure(int(details["index"]), errors.of_code(int(details.get("code", 0)), "", about))
