"""What can be done with registered databases: create, list, get, test, resolve. No gRPC, no SQL.

Update, delete, health and rotation of keys will stand here beside them.
"""

from __future__ import annotations

import dataclasses
import uuid
from dataclasses import dataclass, field

from google.protobuf.struct_pb2 import Struct

from services.registry import connection_strings
from services.registry.config import check_config
from services.registry.connection_strings import Connection, Parts
from services.registry.engines import Engines
from services.registry.paging import DEFAULT_PAGE_SIZE, PageTokens
from services.registry.store import Database, Filters, Key, NewDatabase, Sealed, Store
from services.registry.vault import Vault
from services.runtime.crypto import SealedValueError
from services.runtime.errors import FieldViolation, StudioError, invalid_argument, reason_name
from services.runtime.logs import get_logger
from studio.options.v1 import errors_pb2 as reasons
from studio.registry.v1.database_pb2 import ConnectionDiagnosis

_REASONS = {reason_name(value): value for value in reasons.ErrorReason.values()}

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """A connection as the user gave it: as a URL, or in parts."""

    type: str
    """As in `TYPES`, or `postgresql`."""
    connection_string: str = field(repr=False)
    parts: Parts
    config: Struct

    def stored_type(self) -> str:
        """The type by the name the schema has for it."""
        return "postgres" if self.type == "postgresql" else self.type

    def connection(self) -> Connection:
        """The connection string, checked.

        Raises:
            StudioError: INVALID_CONNECTION_STRING; INVALID_ARGUMENT where a part contradicts the URL.
        """
        if not self.connection_string:
            return connection_strings.build(self.stored_type(), self.parts)
        connection = connection_strings.parse(self.stored_type(), self.connection_string)
        for name in ("host", "port", "username", "password", "database_name"):
            given = getattr(self.parts, name)
            if given and given != getattr(connection.parts, name):
                raise invalid_argument(name, "differs from what connection_string says: give it in one place")
        if self.parts.tls and not connection.parts.tls:
            raise invalid_argument("tls", "connection_string asks for no TLS: give it in one place")
        return connection


class Databases:
    """The registered databases.

    Args:
        store: where they are kept.
        vault: seals and opens their connection strings.
        engines: tests connections.
        pages: makes page tokens.
    """

    def __init__(self, store: Store, vault: Vault, engines: Engines, pages: PageTokens) -> None:
        self._store = store
        self._vault = vault
        self._engines = engines
        self._pages = pages

    async def create(
        self, target: Target, *, project_ref: str, name: str, description: str, skip_test: bool
    ) -> Database:
        """Tests, encrypts and stores a connection.

        Raises:
            StudioError: the request is wrong, the name is taken, or the test failed (its stage in the metadata).
        """
        _check_text(project_ref=project_ref, description=description)
        type_, connection, config = target.stored_type(), target.connection(), check_config(target.config)
        await self._store.check_free(project_ref, name)
        row_id = str(uuid.uuid4())
        ciphertext = self._vault.seal(connection.url, row_id=row_id, type_=type_)
        if not skip_test:
            diagnosis = await self._engines.diagnose(
                type_, row_id=row_id, ciphertext=ciphertext, config=config
            )
            if not diagnosis.success:
                raise _test_failed(diagnosis)
        stored = await self._store.insert(
            NewDatabase(
                id=row_id,
                project_ref=project_ref,
                name=name,
                type=type_,
                description=description,
                ciphertext=ciphertext,
                host=connection.parts.host,
                port=connection.parts.port,
                database_name=connection.parts.database_name,
                username=connection.parts.username,
                config=config,
                connected=not skip_test,
            )
        )
        log.info("database.created", database_id=row_id, type=type_, host=connection.parts.host)
        return stored

    async def list_page(
        self, filters: Filters, *, page_size: int, page_token: str
    ) -> tuple[list[Database], str]:
        """One page and the token of the next; an empty one on the last.

        Raises:
            StudioError: INVALID_CURSOR.
        """
        _check_text(project_ref=filters.project_ref, search=filters.search)
        if filters.type == "postgresql":
            filters = dataclasses.replace(filters, type="postgres")
        scope = dataclasses.astuple(filters)
        after = Key(*self._pages.read(scope, page_token, fields=3)) if page_token else None
        size = page_size or DEFAULT_PAGE_SIZE
        # One more than asked for tells whether there is a next page.
        found = await self._store.list_page(filters, after, size + 1)
        page = found[:size]
        token = self._pages.make(scope, dataclasses.astuple(page[-1].key())) if len(found) > size else ""
        return page, token

    async def get(self, database_id: str) -> Database:
        """One database.

        Raises:
            StudioError: DB_NOT_FOUND.
        """
        found = await self._store.get(database_id)
        if found is None:
            raise _not_found()
        return found

    async def test_unsaved(self, target: Target) -> ConnectionDiagnosis:
        """Tests a connection without storing anything of it.

        Raises:
            StudioError: the request is wrong; a connection that fails is an answer.
        """
        type_, connection, config = target.stored_type(), target.connection(), check_config(target.config)
        row_id = str(uuid.uuid4())
        ciphertext = self._vault.seal(connection.url, row_id=row_id, type_=type_)
        return await self._engines.diagnose(type_, row_id=row_id, ciphertext=ciphertext, config=config)

    async def test_saved(self, database_id: str) -> ConnectionDiagnosis:
        """Tests a registered database and notes a success.

        Raises:
            StudioError: DB_NOT_FOUND, CONNECTION_UNREADABLE.
        """
        sealed = await self.sealed(database_id)
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

    async def sealed(self, database_id: str, type_: str = "") -> Sealed:
        """A connection with its ciphertext in today's format; a legacy one is encrypted anew on the way.

        Args:
            database_id: which one.
            type_: a database of another type is not found; empty for any.

        Raises:
            StudioError: DB_NOT_FOUND; CONNECTION_UNREADABLE for a legacy value that no passphrase opens.
        """
        found = await self._find(database_id, type_)
        try:
            renewed = self._vault.renew(found.ciphertext, row_id=found.id, type_=found.type)
        except SealedValueError as error:
            raise StudioError(
                reasons.ERROR_REASON_CONNECTION_UNREADABLE,
                f"The stored connection of {found.name!r} can't be read: {error}.",
                hint="set the key it was written with among the retired keys, or save the connection again",
            ) from error
        if renewed is None:
            return found
        await self._store.replace_ciphertext(found.id, found.ciphertext, renewed)
        log.info("database.encrypted_anew", database_id=found.id, type=found.type)
        # Read again for its revision, and because another replica may have been faster.
        return await self._find(database_id, type_)

    async def _find(self, database_id: str, type_: str) -> Sealed:
        found = await self._store.sealed(database_id)
        if found is None or (type_ and found.type != type_):
            raise _not_found()
        return found


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


def _not_found() -> StudioError:
    return StudioError(reasons.ERROR_REASON_DB_NOT_FOUND, "There is no database of this id.")


def _check_text(**fields: str) -> None:
    for name, value in fields.items():
        if "\0" in value:
            raise invalid_argument(name, "a NUL character can't be stored")
