"""The record of requests to pg-meta: what was decided, since what comes of it happens elsewhere."""

from __future__ import annotations

from collections.abc import Awaitable

from services.registry.pg_meta.requests import Granted, Request
from services.registry.pg_meta.routes import PREFIX, Asked, Kind
from services.runtime import context
from services.runtime.audit import events, targets
from services.runtime.audit.log import AuditLog, Recipe, Record
from services.runtime.context import Caller
from studio.options.v1 import access_pb2 as access


class Decisions:
    """Records them.

    Args:
        audit: the registry's record.
    """

    def __init__(self, audit: AuditLog) -> None:
        self._catalog_read = Recipe(audit, "postgres.catalog.read", access.EFFECT_READS)
        self._catalog_change = Recipe(audit, "postgres.catalog.change", access.EFFECT_CHANGES)
        self._catalog_delete = Recipe(audit, "postgres.catalog.delete", access.EFFECT_ENDANGERS)
        self._sql_read = Recipe(audit, "postgres.sql.read", access.EFFECT_READS)
        self._sql_run = Recipe(audit, "postgres.sql.run", access.EFFECT_ENDANGERS)

    async def recorded(
        self, caller: Caller, asked: Asked, request: Request, decision: Awaitable[Granted]
    ) -> Granted:
        """What is decided, recorded before the request may pass.

        Raises:
            StudioError: as the decision; AUDIT_UNAVAILABLE where a change can't be recorded.
        """
        if asked.kind is Kind.TEXT:
            return await decision
        record = Record(self._recipe(asked, request, changes=asked.kind is not Kind.READ), caller)
        record.database_id = asked.database_id
        # Without the query. SQL is in the body, and no name.
        path = request.target.partition("?")[0].removeprefix(f"{PREFIX}{asked.database_id}")
        record.note({"method": request.method, "path": targets.shown(path)})
        context.record.set(record)
        try:
            granted = await decision
        except BaseException as error:
            record.end(*events.outcome_of(error))
            raise
        record.allow(self._recipe(asked, request, changes=granted.changes))
        return granted

    def _recipe(self, asked: Asked, request: Request, *, changes: bool) -> Recipe:
        if asked.kind is Kind.SQL:
            return self._sql_run if changes else self._sql_read
        if not changes:
            return self._catalog_read
        return self._catalog_delete if request.method == "DELETE" else self._catalog_change
