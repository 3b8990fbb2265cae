"""Adds the connections of the environment to those of another store; they can be read and used, not changed.

They are sealed when the process starts, with their engine's key and bound to their id, like stored ones. Their revision
is a keyed digest of what they say, so that it is the same in every replica and after a restart.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from services.registry.environment import PROJECT_REF, Named, shown
from services.registry.store import Store, grants
from services.registry.store.postgres import name_taken
from services.registry.store.rows import (
    Change,
    Database,
    Edit,
    Entry,
    Filters,
    Grant,
    Grants,
    Key,
    Known,
    Listed,
    NewDatabase,
    Request,
    Sealed,
)
from services.registry.store.shelf import Shelf, order
from services.registry.vault import Vault
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import (
    ERROR_REASON_CONNECTION_UNREADABLE,
    ERROR_REASON_REGISTRY_READ_ONLY,
    ERROR_REASON_REGISTRY_UNAVAILABLE,
)

# When a variable was set is not known; the start of a process would differ between replicas.
_NO_TIME = datetime.fromtimestamp(0, UTC)
_PURPOSE = b"studio-databases/v1/environment-revision"


class WithEnvironment:
    """A store and the connections of the environment.

    Args:
        stored: where the others are.
        named: what the environment names.
        vault: seals them.
        secret: shared by the replicas, for the revisions.
        version: counts what changes in the platform database; None while that can't be heard of.
    """

    def __init__(
        self,
        stored: Store,
        named: Iterable[Named],
        vault: Vault,
        secret: str,
        version: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._stored = stored
        self._version = version
        self._grants: dict[str, Grants] = {}
        self._grants_version: int | None = None
        self._named = {each.variable.id: each for each in named}
        key = hmac.digest(secret.encode(), _PURPOSE, hashlib.sha256)
        self._shelf = Shelf(_entry(each, vault, key) for each in self._named.values())

    async def list_page(self, filters: Filters, after: Key | None, limit: int) -> Listed:
        """See `Store.list_page`."""
        own = (await self._granted()).list_page(filters, after, limit)
        try:
            page = await self._stored.list_page(filters, after, limit)
        except StudioError as error:
            if error.reason != ERROR_REASON_REGISTRY_UNAVAILABLE or not len(self._shelf):
                raise
            return Listed(own, stale=True)
        # Each source has its own first `limit` rows, so the first `limit` of both together are among them.
        return Listed(sorted([*page.rows, *own], key=order)[:limit], page.stale) if own else page

    async def own(self, filters: Filters) -> list[Database]:
        """The connections of the environment that a list would show."""
        return (await self._granted()).list_page(filters, None, len(self._shelf))

    async def get(self, database_id: str) -> Database | None:
        """See `Store.get`."""
        if database_id.lower() in self._named:
            return (await self._granted()).get(database_id)
        return await self._stored.get(database_id)

    def check_writable(self, database_id: str) -> None:
        """See `Store.check_writable`; the error names the variable."""
        named = self._named.get(database_id.lower())
        if named is not None:
            raise StudioError(
                ERROR_REASON_REGISTRY_READ_ONLY,
                f"The connection {named.variable.database!r} comes from the variable {named.used} and can't be changed "
                "here: change the variable and restart the registry.",
            )
        self._stored.check_writable(database_id)

    async def check_free(self, project_ref: str, name: str) -> None:
        """See `Store.check_free`."""
        if project_ref == PROJECT_REF and any(
            name == each.variable.database for each in self._named.values()
        ):
            raise name_taken(name)
        await self._stored.check_free(project_ref, name)

    async def insert(self, new: NewDatabase) -> Database:
        """See `Store.insert`."""
        return await self._stored.insert(new)

    async def request(self, request_id: str) -> Request | None:
        """See `Store.request`."""
        return await self._stored.request(request_id)

    async def update(self, edit: Edit) -> Database | None:
        """See `Store.update`."""
        self.check_writable(edit.id)
        return await self._stored.update(edit)

    async def delete(self, database_id: str) -> bool:
        """See `Store.delete`."""
        self.check_writable(database_id)
        return await self._stored.delete(database_id)

    async def sealed(self, database_id: str) -> Sealed | None:
        """See `Store.sealed`.

        Raises:
            StudioError: CONNECTION_UNREADABLE for a variable that can't be read.
        """
        own = None
        if database_id.lower() in self._named:
            own = (await self._granted()).sealed(database_id)
        if own is None:
            return await self._stored.sealed(database_id)
        if not own.ciphertext:
            hint = self._shelf.get(database_id)
            raise StudioError(ERROR_REASON_CONNECTION_UNREADABLE, hint.hint if hint else "")
        return own

    async def replace_ciphertext(self, database_id: str, old: str, new: str) -> None:
        """See `Store.replace_ciphertext`."""
        await self._stored.replace_ciphertext(database_id, old, new)

    async def record_success(self, database_id: str, tested: str) -> None:
        """See `Store.record_success`; of the environment's own it is known while the process runs."""
        for entry in self._shelf:
            if entry.database.id == database_id:
                now = datetime.now(UTC)
                row = dataclasses.replace(entry.database, status="active", last_connected_at=now)
                self._shelf.put(dataclasses.replace(entry, database=row))
                return
        await self._stored.record_success(database_id, tested)

    async def changes(self, type_: str, known: Sequence[Known]) -> list[Change]:
        """See `Store.changes`."""
        own = [each for each in known if each.id.lower() in self._named]
        others = [each for each in known if each.id.lower() not in self._named]
        changes = [*self._shelf.changes(type_, own), *await self._stored.changes(type_, others)]
        told = {each.id for each in changes}
        rest = [each for each in known if each.id not in told]
        # Read, never remembered: whoever watches has heard of nothing for a while.
        return changes + grants.changes(rest, await self._stored.grants([each.id for each in rest]))

    async def grants(self, database_ids: Sequence[str]) -> dict[str, Grants]:
        """See `Store.grants`."""
        return await self._stored.grants(database_ids)

    async def list_grants(self, database_id: str) -> list[Grant]:
        """See `Store.list_grants`."""
        return await self._stored.list_grants(database_id)

    async def put_grant(
        self, database_id: str, subject: str, role: str, created_by: str, *, stored: bool = True
    ) -> Grant:
        """See `Store.put_grant`."""
        stored = stored and database_id.lower() not in self._named
        try:
            return await self._stored.put_grant(database_id, subject, role, created_by, stored=stored)
        finally:
            self._grants_version = None

    async def delete_grant(self, database_id: str, grant_id: str) -> bool:
        """See `Store.delete_grant`."""
        try:
            return await self._stored.delete_grant(database_id, grant_id)
        finally:
            self._grants_version = None

    async def _granted(self) -> Shelf:
        """The connections with the grants on them; in an outage those that were known last."""
        version = self._version()
        if self._named and (version is None or version != self._grants_version):
            try:
                self._grants = await self._stored.grants(list(self._named))
            except StudioError as error:
                if error.reason != ERROR_REASON_REGISTRY_UNAVAILABLE:
                    raise
            else:
                self._grants_version = version
        if not self._grants:
            return self._shelf
        return Shelf(_with_grants(entry, self._grants.get(entry.database.id)) for entry in self._shelf)


def _with_grants(entry: Entry, given: Grants | None) -> Entry:
    return Entry(
        dataclasses.replace(entry.database, grants=given),
        dataclasses.replace(entry.sealed, grants=given or {}),
    )


def _entry(named: Named, vault: Vault, key: bytes) -> Entry:
    variable, parts, hint, ciphertext = named.variable, shown(named), named.hint, ""
    text = named.connection.url if named.connection else ""
    if named.connection is not None:
        try:
            ciphertext = vault.seal(text, row_id=variable.id, type_=variable.type)
        except StudioError as error:  # no key for this type here
            hint = f"{named.used} can't be used: {error.message}"
    said = json.dumps([vault.current_key_id(variable.type), variable.type, variable.database, text])
    return Entry(
        Database(
            id=variable.id,
            project_id="",
            project_ref=PROJECT_REF,
            project_name="",
            organization_name="",
            organization_slug="",
            name=variable.database,
            type=variable.type,
            description=f"From the variable {named.used}",
            host=parts.host,
            port=parts.port,
            database_name=parts.database_name,
            username=parts.username,
            config=None,
            status="active" if ciphertext else "error",
            last_connected_at=None,
            created_at=_NO_TIME,
            updated_at=_NO_TIME,
            source="environment",
            hint=hint,
        ),
        Sealed(
            id=variable.id,
            type=variable.type,
            ciphertext=ciphertext,
            revision=hmac.digest(key, said.encode(), hashlib.sha256).hex()[:32],
            name=variable.database,
            project_ref=PROJECT_REF,
            config={},
        ),
    )
