"""A connection as the user gave it, whole or in parts, made into one connection string."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from google.protobuf.struct_pb2 import Struct

from services.registry import connection_strings
from services.registry.connection_strings import Connection, Parts
from services.runtime.errors import invalid_argument


def stored_type(type_: str) -> str:
    """The type by the name the schema has for it."""
    return "postgres" if type_ == "postgresql" else type_


@dataclass(frozen=True, slots=True)
class Target:
    """A connection as the user gave it: as a URL, or in parts."""

    type: str
    """As in `TYPES`, or `postgresql`."""
    connection_string: str = field(repr=False)
    parts: Parts
    config: Struct
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Options of the engine's URL, not percent-encoded."""

    def stored_type(self) -> str:
        """The type by the name the schema has for it."""
        return stored_type(self.type)

    def connection(self) -> Connection:
        """The connection string, checked.

        Raises:
            StudioError: INVALID_CONNECTION_STRING; INVALID_ARGUMENT where a part contradicts the URL.
        """
        if not self.connection_string:
            return connection_strings.build(self.stored_type(), self.parts, self.options)
        connection = connection_strings.parse(self.stored_type(), self.connection_string, self.options)
        for name in ("host", "port", "username", "password", "database_name"):
            given = getattr(self.parts, name)
            if given and given != getattr(connection.parts, name):
                raise invalid_argument(name, "differs from what connection_string says: give it in one place")
        if self.parts.tls and not connection.parts.tls:
            raise invalid_argument("tls", "connection_string asks for no TLS: give it in one place")
        return connection
