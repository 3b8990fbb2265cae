"""A load of calls that are safe to repeat, which goes on while replicas come and go; it counts what failed."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence

import httpx

from benchmarks.http_load import Client, Target, connect

RETRY_S = 0.02
NOBODY_S = 20.0
ANSWER_S = 30.0
"""A call that gets no answer for so long has failed: it must not keep the load from ending."""
MORE_S = 120.0


class Load:
    """Closed loops, each on a connection of its own.

    Args:
        gateways: addresses of gateways; as a load balancer would, it goes to the first that says that it is well.
        port: of all of them.
        token: of the caller.
        paths: what is asked, by a name for the report.
    """

    def __init__(self, gateways: Sequence[str], port: int, token: str, paths: Mapping[str, str]) -> None:
        self.gateways = list(gateways)
        self.answered: Counter[str] = Counter()
        """Successes by name of what was asked."""
        self.failures: list[str] = []
        """What was no success: the name, and how it failed."""
        self._port = port
        self._token = token
        self._paths = paths
        self._stopped = False

    @contextlib.asynccontextmanager
    async def running(self, connections: int) -> AsyncIterator[Load]:
        """Runs until the block ends, `connections` for each path."""
        async with asyncio.TaskGroup() as group:
            for name, path in self._paths.items():
                for _ in range(connections):
                    group.create_task(self._loop(name, path))
            try:
                yield self
            finally:
                self._stopped = True

    async def more(self, calls: int) -> None:
        """Returns when so many more calls of each kind have been answered."""
        before = Counter(self.answered)
        async with asyncio.timeout(MORE_S):
            while any(self.answered[name] - before[name] < calls for name in self._paths):  # noqa: ASYNC110  as it is
                await asyncio.sleep(RETRY_S)

    async def _loop(self, name: str, path: str) -> None:
        target, client = await self._connected()
        while not self._stopped:
            if client.is_lost:  # closed between two calls: none of them has failed
                target, client = await self._connected()
            try:
                async with asyncio.timeout(ANSWER_S):
                    answer = await client.ask(target.get(path))
            except OSError as error:
                client.close()
                self.failures.append(f"{name}: {error!r}")
                target, client = await self._connected()
                continue
            head = answer.partition(b"\r\n\r\n")[0].lower()
            if head[9:10] == b"2":
                self.answered[name] += 1
            else:
                self.failures.append(f"{name}: {answer[:600]!r}")
            if b"\r\nconnection: close" in head:
                client.close()
                target, client = await self._connected()
        client.close()

    async def _connected(self) -> tuple[Target, Client]:
        async with asyncio.timeout(NOBODY_S), httpx.AsyncClient(trust_env=False) as probe:
            while True:
                for host in self.gateways:
                    with contextlib.suppress(OSError, httpx.TransportError):
                        well = await probe.get(f"http://{host}:{self._port}/healthz")
                        if well.status_code == 200:
                            target = Target(host, self._port, self._token)
                            return target, await connect(target)
                await asyncio.sleep(RETRY_S)
