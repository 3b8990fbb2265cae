"""What can be done with registered databases: create, list, get, delete, test, resolve. No gRPC, no SQL.

Changing one stands in `updates`.
"""

from __future__ import annotations

import dataclasses
import uuid
from typing import Any

from services.registry.config import check_config, check_for_type
from services.registry.engines import Engines
from services.registry.flags import Flags
from services.registry.idempotency import Digests
from services.registry.paging import DEFAULT_PAGE_SIZE, PageTokens
from services.registry.store import (
    Database,
    Filters,
    Key,
    Listed,
    NewDatabase,
    Request,
    RequestRepeatedError,
    Sealed,
    Store,
)
from services.registry.target import Target
from services.registry.vault import Vault
from services.runtime.access import not_found
from services.runtime.audit.notes import note_database
from services.runtime.crypto import SealedValueError
from services.runtime.errors import FieldViolation, StudioError, invalid_argument, reason_name
from services.runtime.logs import get_logger
from studio.options.v1 import errors_pb2 as reasons
from studio.registry.v1.database_pb2 import ConnectionDiagnosis

_REASONS = {reason_name(value): value for value in reasons.ErrorReason.values()}

log = get_logger(__name__)


class Databases:
    """The registered databases.

    Args:
        store: where they are kept.
        vault: seals and opens their connection strings.
        engines: tests connections.
        pages: makes page tokens.
        flags: which engines are switched on.
        digests: recognises repeated requests.
    """

    def __init__(
        self,
        store: Store,
        vault: Vault,
        engines: Engines,
        pages: PageTokens,
        *,
        flags: Flags,
        digests: Digests,
    ) -> None:
        self._store = store
        self._vault = vault
        self._engines = engines
        self._pages = pages
        self._flags = flags
        self._digests = digests

    async def create(
        self,
        target: Target,
        *,
        project_ref: str,
        name: str,
        description: str,
        skip_test: bool,
        request_id: str = "",
    ) -> Database:
        """Tests, encrypts and stores a connection; a request that is repeated answers what it made.

        Raises:
            StudioError: the request is wrong, the name is taken, or the test failed (its stage in the metadata);
                CONFLICT where the request was made before, asking for something else.
        """
        check_text(project_ref=project_ref, description=description)
        type_, connection, config = target.stored_type(), target.connection(), check_config(target.config)
        check_for_type(type_, config)
        self._flags.check(type_)
        row_id = str(uuid.uuid4())
        request = None
        if request_id:
            asked = (project_ref, name, type_, description, connection.url, config, skip_test)
            request = Request(request_id.lower(), self._digests.digest(asked), row_id)
        new = await self._prepare(
            NewDatabase(
                id=row_id,
                project_ref=project_ref,
                name=name,
                type=type_,
                description=description,
                ciphertext=self._vault.seal(connection.url, row_id=row_id, type_=type_),
                host=connection.parts.host,
                port=connection.parts.port,
                database_name=connection.parts.database_name,
                username=connection.parts.username,
                config=config,
                connected=not skip_test,
                request=request,
            )
        )
        if isinstance(new, Database):
            return new
        if not skip_test:
            await self.check_connects(type_, row_id, new.ciphertext, config)
        try:
            stored = await self._store.insert(new)
        except RequestRepeatedError as repeated:
            return await self._repeated(request, repeated.request)
        note_database(stored.id, stored.name, stored.project_ref)
        log.info("database.created", database_id=row_id, type=type_, host=connection.parts.host)
        return stored

    async def _prepare(self, new: NewDatabase) -> NewDatabase | Database:
        """Refuses what can't be stored before anything slow is done; or what a repeated request has made."""
        try:
            await self._store.check_free(new.project_ref, new.name)
        except StudioError:
            # The name may be taken by what this very request made.
            if new.request is None or (first := await self._store.request(new.request.id)) is None:
                raise
            return await self._repeated(new.request, first)
        if new.request is not None and (first := await self._store.request(new.request.id)):
            return await self._repeated(new.request, first)
        return new

    async def _repeated(self, request: Request | None, first: Request) -> Database:
        if request is None or first.digest != request.digest:
            raise StudioError(
                reasons.ERROR_REASON_CONFLICT,
                "A request with this request_id was made before and asked for something else.",
                hint="Use a new request_id for each request.",
            )
        made = await self._store.get(first.database_id)
        if made is None:
            raise StudioError(
                reasons.ERROR_REASON_CONFLICT,
                "This request was made before, and what it registered has been deleted since.",
                hint="Use a new request_id to register it again.",
            )
        return made

    async def check_connects(self, type_: str, row_id: str, ciphertext: str, config: dict[str, Any]) -> None:
        """Tests a connection that is about to be stored.

        Raises:
            StudioError: it fails; the stage stands in the metadata.
        """
        diagnosis = await self._engines.diagnose(type_, row_id=row_id, ciphertext=ciphertext, config=config)
        if not diagnosis.success:
            raise _test_failed(diagnosis)

    async def delete(self, database_id: str) -> None:
        """Removes a database from the registry.

        Raises:
            StudioError: DB_NOT_FOUND, REGISTRY_READ_ONLY.
        """
        await self.get(database_id)  # the audit log shall know what it was called
        if not await self._store.delete(database_id):
            raise not_found()
        log.info("database.deleted", database_id=database_id)

    async def list_page(self, filters: Filters, *, page_size: int, page_token: str) -> tuple[Listed, str]:
        """One page and the token of the next; an empty one on the last.

        Raises:
            StudioError: INVALID_CURSOR.
        """
        check_text(project_ref=filters.project_ref, search=filters.search)
        if filters.type == "postgresql":
            filters = dataclasses.replace(filters, type="postgres")
        scope = dataclasses.astuple(filters)
        after = Key(*self._pages.read(scope, page_token, fields=3)) if page_token else None
        size = page_size or DEFAULT_PAGE_SIZE
        # One more than asked for tells whether there is a next page.
        found = await self._store.list_page(filters, after, size + 1)
        page = found.rows[:size]
        token = self._pages.make(scope, dataclasses.astuple(page[-1].key())) if len(found.rows) > size else ""
        return Listed(page, found.stale), token

    async def get(self, database_id: str) -> Database:
        """One database.

        Raises:
            StudioError: DB_NOT_FOUND.
        """
        found = await self._store.get(database_id)
        if found is None:
            raise not_found()
        note_database(found.id, found.name, found.project_ref)
        return found

    async def test_unsaved(self, target: Target) -> ConnectionDiagnosis:
        """Tests a connection without storing anything of it.

        Raises:
            StudioError: the request is wrong; a connection that fails is an answer.
        """
        type_, connection, config = target.stored_type(), target.connection(), check_config(target.config)
        check_for_type(type_, config)
        self._flags.check(type_)
        row_id = str(uuid.uuid4())
        ciphertext = self._vault.seal(connection.url, row_id=row_id, type_=type_)
        return await self._engines.diagnose(type_, row_id=row_id, ciphertext=ciphertext, config=config)

    async def test_saved(self, database_id: str) -> ConnectionDiagnosis:
        """Tests a registered database and notes a success.

        Raises:
            StudioError: DB_NOT_FOUND, CONNECTION_UNREADABLE.
        """
        sealed = await self.sealed(database_id)
        self._flags.check(sealed.type)
        diagnosis = await self._engines.diagnose(
            sealed.type, row_id=sealed.id, ciphertext=sealed.ciphertext, config=sealed.config
        )
        if diagnosis.success:
            try:
                await self._store.record_success(sealed.id, sealed.ciphertext)
            except StudioError as error:
                # The test succeeded all the same; only the note of it is missing.
                log.warning("database.success_not_recorded", database_id=sealed.id, reason=error.reason_name)
        return diagnosis

    async def resolve(self, database_id: str, type_: str) -> Sealed:
        """A connection for the service that connects to it.

        Raises:
            StudioError: as `sealed`; DB_INACTIVE for one that a user took out of use.
        """
        return await self.usable(await self.known(database_id, type_))

    async def known(self, database_id: str, type_: str = "") -> Sealed:
        """A connection as it is stored, whether or not it can be used.

        Raises:
            StudioError: DB_NOT_FOUND.
        """
        found = await self._store.sealed(database_id)
        if found is None or (type_ and found.type != type_):
            raise not_found()
        note_database(found.id, found.name, found.project_ref)
        return found

    async def usable(self, found: Sealed) -> Sealed:
        """The same in today's format, where it may be used.

        Raises:
            StudioError: as `resolve`.
        """
        found = await self._renewed(found)
        if found.deactivated:
            raise StudioError(
                reasons.ERROR_REASON_DB_INACTIVE,
                f"The database {found.name!r} was taken out of use.",
                hint="Set its status to active to use it again.",
            )
        return found

    async def sealed(self, database_id: str, type_: str = "") -> Sealed:
        """A connection with its ciphertext in today's format; a legacy one is encrypted anew on the way.

        Args:
            database_id: which one.
            type_: a database of another type is not found; empty for any.

        Raises:
            StudioError: DB_NOT_FOUND; CONNECTION_UNREADABLE for a legacy value that no passphrase opens.
        """
        return await self._renewed(await self.known(database_id, type_))

    async def _renewed(self, found: Sealed) -> Sealed:
        try:
            renewed = self._vault.renew(found.ciphertext, row_id=found.id, type_=found.type)
        except SealedValueError as error:
            raise StudioError(
                reasons.ERROR_REASON_CONNECTION_UNREADABLE,
                f"The stored connection of {found.name!r} can't be read: {error}.",
                hint="Set the key it was written with among the retired keys, or save the connection again.",
            ) from error
        if renewed is None:
            return found
        try:
            await self._store.replace_ciphertext(found.id, found.ciphertext, renewed)
        except StudioError as error:
            if error.reason != reasons.ERROR_REASON_REGISTRY_UNAVAILABLE:
                raise
            # It can be used all the same; it is stored the next time.
            return dataclasses.replace(found, ciphertext=renewed)
        log.info("database.encrypted_anew", database_id=found.id, type=found.type)
        # Read again for its revision, and because another replica may have been faster.
        return await self.known(found.id, found.type)


def _test_failed(diagnosis: ConnectionDiagnosis) -> StudioError:
    # An engine's service that is newer than we are may know reasons that we don't.
    reason = _REASONS.get(diagnosis.error_code, reasons.ERROR_REASON_DB_CONNECTION_FAILED)
    # A connection that fails is the user's mistake, also where the engine's own failure would pass by itself. Our own
    # services' failures stay what they are, except that a type without a service can't be tested however often.
    is_ours = diagnosis.stage == "service" and reason != reasons.ERROR_REASON_ENGINE_DISABLED
    return StudioError(
        reason,
        diagnosis.message,
        hint=diagnosis.hint,
        metadata={"stage": diagnosis.stage},
        violations=() if is_ours else [FieldViolation("connection_string", diagnosis.message)],
        code=None if is_ours else "FAILED_PRECONDITION",
    )


def check_text(**fields: str) -> None:
    """Refuses what PostgreSQL can't store.

    Raises:
        StudioError: INVALID_ARGUMENT.
    """
    for name, value in fields.items():
        if "\0" in value:
            raise invalid_argument(name, "a NUL character can't be stored")
