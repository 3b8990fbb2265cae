"""Writes that failed among others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pymongo.errors import WriteError

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
    text = str(details.get("errmsg", ""))
    about = {name: value for name, value in details.items() if name != "op"}  # the document itself
    error = errors.to_studio_error(WriteError(text, details.get("code"), about))
    return Failure(int(details["index"]), error)
