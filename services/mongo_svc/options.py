"""From a connection string and a database's config to the options of a client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True, slots=True)
class MongoOptions:
    """Where and as whom to connect."""

    uri: str
    """The connection string, as the driver takes it; holds the password."""
    database_name: str
    """The database that it names; empty for none."""


def parse(text: str, config: Mapping[str, object]) -> MongoOptions:
    """The options of a connection string.

    Raises:
        StudioError: INVALID_CONNECTION_STRING.
    """
    del config
    return MongoOptions(uri=text, database_name=unquote(urlsplit(text).path.lstrip("/")))
