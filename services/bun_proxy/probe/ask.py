"""One GET of ours, through the same pool, breaker and checks as requests that are forwarded; not among the calls."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from services import VERSION
from services.bun_proxy.client import ApiClient
from services.bun_proxy.forward import headers, paths
from services.bun_proxy.forward.messages import Head, Headers, Request, Sender
from services.runtime.durations import milliseconds
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_DB_TIMEOUT

AGENT = f"studio-databases/{VERSION}".encode()


@dataclass(frozen=True, slots=True)
class Answer:
    """What an API answers."""

    path: str
    """What was asked, below the base path."""
    status: int
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    truncated: bool
    """There is more of the body than was wanted."""
    latency_ms: float
    """Milliseconds until the headers."""

    def header(self, name: str) -> str:
        """The first header of this name; empty for none."""
        value = next(iter(headers.values(self.headers, name.encode())), b"")
        return value.decode("latin-1")

    @property
    def media_type(self) -> str:
        """Its content type without parameters, in lower case."""
        return self.header("content-type").partition(";")[0].strip().lower()

    @property
    def text(self) -> str:
        """Its body, where it may be text; what is not UTF-8 is replaced."""
        return self.body.decode("utf-8", "replace")


async def get(
    api: ApiClient, path: str, *, max_bytes: int, within_s: float, accept: str = "*/*", with_key: bool = True
) -> Answer:
    """Asks an API.

    Args:
        api: whom.
        path: below the base path.
        max_bytes: of the body that are wanted; a longer one is cut.
        within_s: seconds for the whole answer.
        accept: content types that are understood.
        with_key: whether the stored key is sent.

    Raises:
        StudioError: there is no answer, as `ApiClient.forward` says; INVALID_ARGUMENT for a path that leaves the base.
    """
    paths.check(path)
    options = api.options
    fields: Headers = [
        (b"host", options.authority),
        (b"accept", accept.encode()),
        (b"accept-encoding", b"identity"),
        (b"user-agent", AGENT),
        (b"via", b"1.1 " + headers.VIA),
    ]
    if with_key and options.auth_value is not None:
        fields.append((options.auth_header, options.auth_value))
    target = f"{options.base_path}{path}"
    request = Request(method="GET", path=target, target=target.encode(), headers=fields)
    collector = _Collector(max_bytes)
    begin = time.perf_counter()  # uvloop's own clock counts in milliseconds
    task = asyncio.create_task(api.forward(request, collector, remember=False))
    try:
        async with asyncio.timeout(within_s):
            await asyncio.wait({task, collector.enough}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
    except TimeoutError:
        raise _silent(options.origin, within_s) from None
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
    head = collector.head
    if head is None:  # not after a result
        raise _silent(options.origin, within_s)
    return Answer(
        path=path,
        status=head.status,
        headers=head.headers,
        body=bytes(collector.body[:max_bytes]),
        truncated=collector.enough.done(),
        latency_ms=milliseconds(collector.answered_at - begin),
    )


class _Collector:
    """A peer that asks without a body and keeps the beginning of the answer."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.head: Head | None = None
        self.answered_at = 0.0
        self.body = bytearray()
        self.enough: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when there is more than is wanted: an answer may have no end."""

    def attach(self, sender: Sender) -> None:
        sender.request_end([])

    def detach(self) -> None:
        """There is nothing to be told."""

    def pause_reading(self) -> None:
        """There is no body to wait with."""

    def resume_reading(self) -> None:
        """As above."""

    def respond(self, head: Head) -> None:
        self.head = head
        self.answered_at = time.perf_counter()

    def data(self, chunk: bytes) -> None:
        if not self.enough.done():
            self.body += chunk
            if len(self.body) > self._max_bytes:
                self.enough.set_result(None)

    def end(self, trailers: Headers) -> None:
        """The task ends with it."""

    def abort(self) -> None:
        """The task raises why."""


def _silent(where: str, seconds: float) -> StudioError:
    return StudioError(
        ERROR_REASON_DB_TIMEOUT,
        f"{where} did not answer within {seconds:g} s.",
        hint="It hangs or is too busy, or a firewall drops packets.",
        metadata={"stage": "http"},
    )
