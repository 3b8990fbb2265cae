"""What is known about the call being served, for whoever runs inside it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, TypeAlias

from google.protobuf.message import Message

from studio.options.v1.access_pb2 import ROLE_INTERNAL, Role

if TYPE_CHECKING:
    from services.runtime.access import Registered
    from services.runtime.audit.log import Record
    from services.runtime.contract import Method
    from services.runtime.rights import Stream


Headers: TypeAlias = tuple[tuple[str, str | bytes], ...]
"""Names and values, in the order in which they came."""


class HasMetadata(Protocol):
    """gRPC's context of a call, as far as its headers go."""

    def invocation_metadata(self) -> Iterable[tuple[str, str | bytes]] | None:
        """The headers."""


class Credential(StrEnum):
    """What a caller shows."""

    TOKEN = "token"  # noqa: S105  a name
    """A JWT of the platform's."""
    API_KEY = "api_key"
    SESSION = "session"
    """The cookie of a browser that signed in."""
    SERVICE = "service"
    """The token of another service of this system."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as far as the credential tells."""

    subject: str
    """The token's `sub`; for a service its name."""
    role: Role.ValueType
    """What the caller is; ROLE_UNSPECIFIED for a valid token without a role of ours."""
    projects: frozenset[str] | None = None
    """Short names of the projects to which the token is limited; None for all."""
    credential: Credential = Credential.TOKEN
    """By what the caller is known."""
    credential_id: str = ""
    """Id of the API key or session, or of a token that opens one session; empty for any other token."""
    expires_at: float = math.inf
    """When the credential ends, in seconds since 1970."""
    is_anonymous: bool = False
    """Supabase's `anon` key, which anybody may hold: no grant counts for it."""

    @property
    def is_service(self) -> bool:
        """Whether another service of this system calls."""
        return self.role == ROLE_INTERNAL


request_id: ContextVar[str] = ContextVar("request_id", default="")
traceparent: ContextVar[str] = ContextVar("traceparent", default="")
"""As the caller sent it, where it is valid: https://www.w3.org/TR/trace-context/#traceparent-header."""
trace_id: ContextVar[str] = ContextVar("trace_id", default="")
"""Of the trace that the call is part of, here or with its caller; empty for none."""
address: ContextVar[str] = ContextVar("address", default="")
"""IP address of the client, as the gateway saw it; empty where it is not known."""
caller: ContextVar[Caller | None] = ContextVar("caller", default=None)
last_event: ContextVar[Message | None] = ContextVar("last_event", default=None)
"""What the call has written to its stream last; None before the first message."""
method: ContextVar[Method | None] = ContextVar("method", default=None)
"""The rpc that is called, as the contract has it."""
record: ContextVar[Record | None] = ContextVar("record", default=None)
"""What the audit log will say of the call; None where it says nothing."""
database: ContextVar[Registered | None] = ContextVar("database", default=None)
"""The registered database that the call is about, once `authorize` has found it: also where it then refuses."""
stream: ContextVar[Stream | None] = ContextVar("stream", default=None)
"""The call itself, where it lasts and may have to end before it is done."""
_headers: ContextVar[tuple[HasMetadata, Headers] | None] = ContextVar("headers", default=None)
deadline: ContextVar[float | None] = ContextVar("deadline", default=None)
"""Time of the event loop at which the caller stops waiting."""


def headers_of(context: HasMetadata) -> Headers:
    """The headers of a call, names in lower case: gRPC makes them anew, some 20 µs long, each time it is asked."""
    known = _headers.get()
    if known is not None and known[0] is context:
        return known[1]
    found = tuple(context.invocation_metadata() or ())
    _headers.set((context, found))
    return found


def current_caller() -> Caller:
    """Who calls, inside of a handler: the steps before it have let nobody through without."""
    found = caller.get()
    if found is None:
        raise RuntimeError("no call is being served here")
    return found


def is_cancelled() -> bool:
    """Whether this task was cancelled, and has not noticed.

    The handler of a caller that goes away is cancelled once, and Python 3.11's `asyncio.wait_for`, which drivers of
    databases use, swallows that when it comes in the moment in which what it waits for is done. So long work asks.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def remaining_s(at_most_s: float) -> float:
    """Seconds that work for the current call may take: what is left of its deadline, `at_most_s` at most."""
    end = deadline.get()
    if end is None:
        return at_most_s
    return max(0.0, min(at_most_s, end - asyncio.get_running_loop().time()))


def shared() -> Context:
    """A context for work that several calls wait for: with the id of the one that caused it, without its deadline.

    The others must not fail because the first had little time.
    """
    context = copy_context()
    context.run(deadline.set, None)
    context.run(caller.set, None)
    context.run(method.set, None)
    context.run(record.set, None)
    context.run(database.set, None)
    context.run(stream.set, None)
    context.run(_headers.set, None)
    return context
