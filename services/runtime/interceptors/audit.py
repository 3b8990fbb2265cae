"""Records every call that reads or changes something: who, what, about what, and how it ended.

Behind `authenticate`, so that it is known who called, and around `authorize`, so that what is refused is recorded, too.
A change is on disk as an intent before anything is done, and refused where that can't be.
"""

from __future__ import annotations

from google.protobuf.message import Message

from services.runtime import context as call
from services.runtime.audit import events
from services.runtime.audit.log import AuditLog, Recipe, Record
from services.runtime.contract import Method
from services.runtime.interceptors.chain import Context, Handler, Request, Requests


class Audit:
    """Writes to the record.

    Args:
        log: of this service.
    """

    name = "audit"

    def __init__(self, log: AuditLog) -> None:
        self._log = log

    def wrap(self, method: Method, handler: Handler) -> Handler:
        """The handler, recorded; as it is, where the contract says that the rpc has no effect."""
        if method.effect not in events.EFFECTS:
            return handler
        recipe = Recipe.of(self._log, method)

        async def recorded(request: Request, context: Context) -> Message | None:
            record = Record(recipe, call.caller.get())
            call.record.set(record)
            if isinstance(request, Requests):
                # Not read here: who may not call is refused before a body is taken in.
                request.on_first = record.see
            else:
                record.see(request)
            if recipe.changes:
                record.begin()
            try:
                answer = await handler(request, context)
            except BaseException as error:
                record.end(*events.outcome_of(error))
                raise
            record.end(events.OK)
            return answer

        return recorded
