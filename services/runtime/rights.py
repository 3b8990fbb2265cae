"""Where a service finds out about databases and callers, and the streams that go on by a right that may be lost.

A stream may last for hours. When the grants on its database change, its caller is judged again, and the stream of one
who lost his right ends with the error that a new call would get.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from services.runtime import context as call
from services.runtime.access import Registered, Role, refusal, role_in
from services.runtime.context import Caller
from services.runtime.errors import StudioError
from services.runtime.tasks import CANCEL_AGAIN_S
from studio.options.v1.access_pb2 import ROLE_UNSPECIFIED

Find = Callable[[str], Awaitable[Registered]]
"""Finds a database by its id; raises DB_NOT_FOUND and what else prevents it."""


@dataclass(frozen=True, slots=True)
class Right:
    """What a call was let through by."""

    caller: Caller
    database: Registered
    least: Role
    """The least role on the database that it needs."""
    what: str
    """What it does, as it begins a sentence."""

    def check(self, grants: Mapping[str, Role]) -> StudioError | None:
        """Why it does not hold with these grants; None where it does."""
        granted = grants.get(self.caller.subject, ROLE_UNSPECIFIED)
        role = role_in(self.caller, self.database.project_ref, granted)
        return None if role >= self.least else refusal(role, self.least, self.what)


class Stream:
    """A call that lasts, and can be ended from outside."""

    __slots__ = ("_again", "_before", "_cancelled", "_task", "is_writing", "lost")

    def __init__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a stream is served by a task")
        self._task = task
        self._before = task.cancelling()
        self._again: asyncio.TimerHandle | None = None
        self._cancelled = False
        self.is_writing = False
        """gRPC is taking a message. Cancelling that would leave the call unable to say how it ended."""
        self.lost: StudioError | None = None
        """Why it has to end."""

    def check(self) -> None:
        """Ends it here, where it has to end.

        Raises:
            StudioError: why.
        """
        if self.lost is not None:
            raise self.lost

    def end(self, why: StudioError) -> None:
        """Cancels it, until it has ended."""
        if self.lost is None:
            self.lost = why
            self._cancel()

    def close(self) -> bool:
        """It has ended; whether somebody else has cancelled it, too."""
        if self._again is not None:
            self._again.cancel()
        if self._cancelled:
            self._task.uncancel()
        return self._task.cancelling() > self._before

    def _cancel(self) -> None:
        if not self.is_writing:  # else it looks by itself when that is done
            self._task.cancel()
            if self._cancelled:
                self._task.uncancel()  # ours counts once, however often it takes
            self._cancelled = True
        self._again = asyncio.get_running_loop().call_later(CANCEL_AGAIN_S, self._cancel)


@contextmanager
def endable() -> Iterator[Stream]:
    """The call that is being served, for a block that lasts: one `Stream`, whoever may have to end it.

    Raises:
        StudioError: why it had to end.
    """
    known = call.stream.get()
    stream = known or Stream()
    reset = call.stream.set(stream)
    try:
        yield stream
    except BaseException as error:
        if known is None and stream.close():
            raise  # somebody else has cancelled it, too
        if stream.lost is None or error is stream.lost:
            raise
        raise stream.lost from error
    else:
        if known is None:
            stream.close()
    finally:
        call.stream.reset(reset)


class Rights:
    """The databases of a service, and the streams on them."""

    def __init__(self) -> None:
        self._find: Find | None = None
        self._streams: defaultdict[str, dict[Stream, Right]] = defaultdict(dict)

    @property
    def is_used(self) -> bool:
        """Whether databases can be found."""
        return self._find is not None

    def use(self, find: Find) -> None:
        """Says how databases are found; before the first call."""
        self._find = find

    async def connection(self, database_id: str) -> Registered:
        """A database by its id.

        Raises:
            StudioError: DB_NOT_FOUND; REGISTRY_UNAVAILABLE where it is not known and can't be asked for.
        """
        if self._find is None:
            raise RuntimeError("this service has not said how it finds databases")
        return await self._find(database_id)

    def changed(self, database_id: str, grants: Mapping[str, Role]) -> None:
        """The grants on a database are these now: ends the streams that went on by what is gone."""
        for stream, right in list(self._streams.get(database_id, {}).items()):
            why = right.check(grants)
            if why is not None:
                stream.end(why)

    @asynccontextmanager
    async def while_held(self, rights: Sequence[Right]) -> AsyncIterator[None]:
        """Runs a block that lasts, as long as the rights hold.

        Raises:
            StudioError: why one does not any more.
        """
        with endable() as stream:
            for right in rights:
                self._streams[right.database.id][stream] = right
            try:
                yield
            finally:
                for right in rights:
                    known = self._streams[right.database.id]
                    known.pop(stream, None)
                    if not known:
                        del self._streams[right.database.id]
