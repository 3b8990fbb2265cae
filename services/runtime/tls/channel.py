"""A gRPC channel whose certificates are renewed while it is used.

gRPC's Python channels keep the credentials they were made with (https://github.com/grpc/grpc/issues/41779). So this
one makes another when the files have changed: calls begin on the newest, an older one is closed after its last call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Self

import grpc

from services.runtime.tls.files import CertificateFiles
from services.runtime.tls.material import Material

Open = Callable[[Material], grpc.aio.Channel]


class ReloadingChannel(grpc.aio.Channel):
    """The channel.

    Args:
        files: what it shows and trusts.
        open_: makes a channel with that.
    """

    def __init__(self, files: CertificateFiles, open_: Open) -> None:
        self._files = files
        self._open = open_
        self._used = files.current()
        self._newest = _Generation(open_(self._used))
        self._older: set[_Generation] = set()
        """With calls that still run: at most one for each call."""
        self._closing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """Closes every connection; calls that still run have `grace` seconds."""
        older, self._older = self._older, set()
        await asyncio.gather(*(each.channel.close(grace) for each in (self._newest, *older)), *self._closing)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:  # noqa: FBT001, FBT002  gRPC's signature
        """Of the connection that the next call takes."""
        return self._current().channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Of the same."""
        await self._current().channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Waits until it is connected."""
        await self._current().channel.channel_ready()

    def unary_unary(self, method: str, *args: Any, **options: Any) -> Any:  # noqa: ANN401  as gRPC's stubs call it
        """See `grpc.aio.Channel`."""
        return self._callable("unary_unary", method, args, options)

    def unary_stream(self, method: str, *args: Any, **options: Any) -> Any:  # noqa: ANN401  as above
        """See `grpc.aio.Channel`."""
        return self._callable("unary_stream", method, args, options)

    def stream_unary(self, method: str, *args: Any, **options: Any) -> Any:  # noqa: ANN401  as above
        """See `grpc.aio.Channel`."""
        return self._callable("stream_unary", method, args, options)

    def stream_stream(self, method: str, *args: Any, **options: Any) -> Any:  # noqa: ANN401  as above
        """See `grpc.aio.Channel`."""
        return self._callable("stream_stream", method, args, options)

    def _callable(
        self, kind: str, method: str, args: tuple[Any, ...], options: dict[str, Any]
    ) -> Callable[..., Any]:
        def make(channel: grpc.aio.Channel) -> Callable[..., Any]:
            made: Callable[..., Any] = getattr(channel, kind)(method, *args, **options)
            return made

        def begin(*args: Any, **options: Any) -> Any:  # noqa: ANN401  any request, any call
            generation = self._current()
            call = generation.method(kind, method, make)(*args, **options)
            generation.running += 1
            call.add_done_callback(lambda _: self._ended(generation))
            return call

        return begin

    def _current(self) -> _Generation:
        material = self._files.current()
        if material is not self._used:
            self._used = material
            former, self._newest = self._newest, _Generation(self._open(material))
            self._older.add(former)
            self._close_unused(former)
        return self._newest

    def _ended(self, generation: _Generation) -> None:
        generation.running -= 1
        if generation in self._older:
            self._close_unused(generation)

    def _close_unused(self, generation: _Generation) -> None:
        if generation.running == 0:
            self._older.discard(generation)
            task = asyncio.get_running_loop().create_task(generation.channel.close(), name="channel close")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


class _Generation:
    """A channel with one set of certificates, and how many calls it carries."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.running = 0
        self._methods: dict[tuple[str, str], Callable[..., Any]] = {}
        """By kind and path: as many as the contract has, however many stubs are made."""

    def method(
        self, kind: str, path: str, make: Callable[[grpc.aio.Channel], Callable[..., Any]]
    ) -> Callable[..., Any]:
        found = self._methods.get((kind, path))
        if found is None:
            found = self._methods[kind, path] = make(self.channel)
        return found
