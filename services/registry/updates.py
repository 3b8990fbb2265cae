"""Changes of registered databases. No gRPC, no SQL.

A change of single parts of a connection opens the stored string, replaces the parts, and seals it anew. It is stored
only where what it was made from is still what is stored; else it is made again from what is stored now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.struct_pb2 import Struct

from services.registry import connection_strings
from services.registry.config import check_config, check_for_type
from services.registry.connection_strings import Changes, Connection
from services.registry.databases import Databases, check_text
from services.registry.flags import Flags
from services.registry.store import Database, Edit, NewConnection, OvertakenError, Sealed, Store
from services.registry.vault import Vault
from services.runtime.access import not_found
from services.runtime.crypto import SealedValueError
from services.runtime.errors import StudioError, invalid_argument
from services.runtime.logs import get_logger
from studio.options.v1.errors_pb2 import (
    ERROR_REASON_CONFLICT,
    ERROR_REASON_CONNECTION_UNREADABLE,
    ERROR_REASON_REGISTRY_UNAVAILABLE,
)

MAX_TRIES = 5
"""Changes in a row that may overtake one."""
PARTS = ("host", "port", "username", "password", "database_name", "tls")
_EMPTY: dict[str, Any] = {"port": 0, "username": "", "password": "", "database_name": "", "tls": False}
_CAN_BE_EMPTIED = frozenset({"description", "config", *_EMPTY})
FIELDS = frozenset({"name", "description", "connection_string", "config", "status", *PARTS})
"""What an update mask may name."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be changed; None leaves a field as it is."""

    name: str | None = None
    description: str | None = None
    config: dict[str, Any] | None = None
    status: str | None = None
    connection_string: str | None = field(default=None, repr=False)
    parts: Changes | None = None
    skip_test: bool = False


def wanted(given: dict[str, Any], mask: Sequence[str], *, skip_test: bool) -> Wanted:
    """What a request wants.

    Args:
        given: the fields that are set.
        mask: those to change, where the request says it; one that is not set is emptied.
        skip_test: whether a changed connection is stored untested.

    Raises:
        StudioError: INVALID_ARGUMENT.
    """
    unknown = [path for path in mask if path not in FIELDS]
    if unknown:
        shown = unknown[0] if unknown[0].isidentifier() else "of that name"
        raise invalid_argument("update_mask", f"there is no field {shown[:64]} to change")
    chosen = {name: given.get(name) for name in mask} if mask else given
    for name, value in chosen.items():
        if value is None and name not in _CAN_BE_EMPTIED:
            raise invalid_argument(name, "can't be emptied")
    values = {name: _EMPTY.get(name, "") if value is None else value for name, value in chosen.items()}
    parts = {name: values[name] for name in PARTS if name in values}
    if parts and "connection_string" in values:
        raise invalid_argument("connection_string", "excludes its parts: give either")
    description = values.get("description")
    check_text(description=description or "")
    return Wanted(
        name=values.get("name"),
        description=description,
        config=check_config(values["config"] or Struct()) if "config" in values else None,
        status=values.get("status"),
        connection_string=values.get("connection_string"),
        parts=Changes(**parts) if parts else None,
        skip_test=skip_test,
    )


class Updates:
    """Changes databases.

    Args:
        databases: finds them and tests their connections.
        store: where they are kept.
        vault: opens and seals their connection strings.
        flags: which engines are switched on.
    """

    def __init__(self, databases: Databases, store: Store, vault: Vault, flags: Flags) -> None:
        self._databases = databases
        self._store = store
        self._vault = vault
        self._flags = flags

    async def update(self, database_id: str, change: Wanted) -> Database:
        """Changes a database; a changed connection is tested first, unless `skip_test` says otherwise.

        Raises:
            StudioError: DB_NOT_FOUND, ALREADY_EXISTS, REGISTRY_READ_ONLY, ENGINE_DISABLED; the test's own reason when
                it failed; CONFLICT when others changed the database faster, again and again.
        """
        self._store.check_writable(database_id)
        for _ in range(MAX_TRIES):
            row = await self._databases.get(database_id)
            if row.stale:  # before a test is made in vain
                raise StudioError(
                    ERROR_REASON_REGISTRY_UNAVAILABLE, "The platform database can't be reached; try again."
                )
            self._flags.check(row.type)
            if change.config is not None:
                check_for_type(row.type, change.config)
            if change.name not in (None, row.name):
                await self._store.check_free(row.project_ref, str(change.name))
            try:
                updated = await self._store.update(await self._edit(row, change))
            except OvertakenError:
                continue
            if updated is None:
                raise not_found()
            log.info("database.updated", database_id=row.id, type=row.type, host=updated.host)
            return updated
        raise StudioError(
            ERROR_REASON_CONFLICT,
            "Others change the connection of this database at the same time; look at it again before you repeat this.",
        )

    async def _edit(self, row: Database, change: Wanted) -> Edit:
        connection, based_on = None, None
        if change.connection_string is not None or change.parts is not None:
            stored = await self._stored(row, change)
            connection = self._changed(row, stored, change)
            # What is given whole does not depend on what was there.
            based_on = stored.ciphertext if stored and change.parts is not None and connection else None
        return Edit(
            id=row.id,
            name=change.name,
            description=change.description,
            config=change.config,
            status=change.status,
            connection=await self._sealed(row, change, connection) if connection else None,
            based_on=based_on,
        )

    async def _stored(self, row: Database, change: Wanted) -> Sealed | None:
        """What is stored; None where it can't be read, which does not matter to what replaces it."""
        try:
            return await self._databases.sealed(row.id)
        except StudioError as error:
            if error.reason != ERROR_REASON_CONNECTION_UNREADABLE or change.connection_string is None:
                raise
            return None

    def _changed(self, row: Database, stored: Sealed | None, change: Wanted) -> Connection | None:
        """The new connection; None where it is the one that is stored."""
        url = self._opened(stored, change) if stored else None
        if change.parts is None or url is None:
            new = connection_strings.parse(row.type, change.connection_string or "")
        else:
            new = connection_strings.amend(row.type, url, change.parts)
        return None if new.url == url else new

    def _opened(self, stored: Sealed, change: Wanted) -> str | None:
        try:
            return self._vault.open(stored.ciphertext, row_id=stored.id, type_=stored.type)
        except SealedValueError as error:
            if change.connection_string is not None:
                return None
            raise StudioError(
                ERROR_REASON_CONNECTION_UNREADABLE,
                f"The stored connection of {stored.name!r} can't be read, so no part of it can be changed: {error}.",
                hint="Give the whole connection_string.",
            ) from error

    async def _sealed(self, row: Database, change: Wanted, connection: Connection) -> NewConnection:
        ciphertext = self._vault.seal(connection.url, row_id=row.id, type_=row.type)
        if not change.skip_test:
            config = change.config if change.config is not None else row.config or {}
            await self._databases.check_connects(row.type, row.id, ciphertext, config)
        return NewConnection(
            ciphertext=ciphertext,
            host=connection.parts.host,
            port=connection.parts.port,
            database_name=connection.parts.database_name,
            username=connection.parts.username,
            connected=not change.skip_test,
        )
