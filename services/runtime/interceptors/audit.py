"""Records every call that reads or changes something: who, what, about what, and how it ended.

Behind `authenticate`, so that it is known who called, and around `authorize`, so that what is refused is recorded, too.
A change is on disk as an intent before anything is done, and refused where that can't be. A stream that reads is, once
it has lasted a moment: it may go on for hours, and its service may be killed.
"""

from __future__ import annotations

import asyncio

from google.protobuf.message import Message

from services.runtime import context as call
from services.runtime.audit import events
from services.runtime.audit.log import AuditLog, Recipe, Record
from services.runtime.contract import Method
from services.runtime.interceptors.chain import Context, Handler, Request, Requests

LASTS_S = 1.0
"""Seconds after which a stream that reads is written down as one that has begun."""


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
        announced = not recipe.changes and (method.server_streaming or method.client_streaming)

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
            later = asyncio.get_running_loop().call_later(LASTS_S, record.announce) if announced else None
            try:
                answer = await handler(request, context)
            except BaseException as error:
                record.end(*events.outcome_of(error))
                raise
            finally:
                if later is not None:
                    later.cancel()
            record.end(events.OK)
            return answer

        return recorded
