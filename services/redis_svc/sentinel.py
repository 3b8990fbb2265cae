"""The master that Sentinels know: asks them, dials it, makes sure that it is one, and follows it through a failover.

As https://redis.io/docs/latest/develop/reference/sentinel-clients/ asks of clients: any Sentinel that answers, ROLE on
the new connection, and again from the start whenever the connection is lost. Replicas are never read from.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence

from services.redis_svc.asking import NoAnswerError, first_answer
from services.redis_svc.connection import Connection
from services.redis_svc.dialer import Dialer, Stage
from services.redis_svc.errors import to_studio_error
from services.redis_svc.limits import Limits
from services.redis_svc.link import ServerLink
from services.redis_svc.payloads import has_refusal, units
from services.redis_svc.replies import Reply, ServerError, pack
from services.redis_svc.topology import Announced, Seed, Topology
from services.redis_svc.traffic import TOTALS
from services.redis_svc.url import RedisOptions
from services.runtime.addresses import AddressPolicy
from services.runtime.backoff import Backoff
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

MASTER_TIMEOUT_S = 3.0
"""To connect to the master and log in: one that hangs must not keep us from asking who its successor is."""
MAX_NAMES = 5
"""Masters that a hint names."""

_READONLY = frozenset({"READONLY"})
_UNREACHABLE = frozenset(
    {e.ERROR_REASON_DB_CONNECTION_FAILED, e.ERROR_REASON_DB_TIMEOUT, e.ERROR_REASON_DB_UNAVAILABLE}
)


class Sentinels:
    """Some Sentinels and the master they are asked for.

    Args:
        options: where they are, what they call the master, how to log in to them and to it.
        policy: which addresses may be dialled, announced ones included.
        limits: bounds.
    """

    def __init__(self, options: RedisOptions, policy: AddressPolicy, limits: Limits) -> None:
        self._options = options
        self._policy = policy
        self._limits = limits
        self._announced = Announced(options.nat_map, options.use_seed_host)
        self._seeds = list(options.seeds)  # the one that answered last comes first

    async def dial(self) -> Connection:
        """A connection to the master, logged in.

        Raises:
            StudioError: with `stage` in its metadata: `sentinel` where the Sentinels have no answer, `master` where the
                server they name can't be reached or is no master.
        """
        TOTALS.rediscoveries += 1
        return await self._dial_master(await self.find())

    async def find(self) -> Seed:
        """Where the master is.

        Raises:
            StudioError: no Sentinel answers, or none knows a master of this name.
        """
        try:
            async with asyncio.timeout(self._limits.connect_timeout_s):
                seed, master = await first_answer(self._seeds, self._ask)
        except NoAnswerError as error:
            raise self._nobody(error.failures) from None
        except TimeoutError:
            raise self._nobody([]) from None
        self._seeds.remove(seed)
        self._seeds.insert(0, seed)
        return master

    async def _ask(self, seed: Seed) -> Seed:
        options = dataclasses.replace(
            self._options,
            host=seed[0],
            port=seed[1],
            username=self._options.sentinel_username,
            password=self._options.sentinel_password,
            database=0,
            topology=Topology.STANDALONE,
        )
        seconds = self._limits.ask_timeout_s
        quick = dataclasses.replace(self._limits, connect_timeout_s=seconds, command_timeout_s=seconds)
        try:
            connection = await Dialer(options, self._policy, quick).dial()
        except StudioError as error:
            raise _not_let_in(error, options.where) from None
        try:
            name = self._options.master_name
            commands = ((b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", name), (b"SENTINEL", b"MASTERS"))
            address, masters = await connection.submit(pack(commands), len(commands))
        finally:
            connection.close()
        return self._read(address, masters, options.where, seed[0])

    def _read(self, address: Reply, masters: Reply, where: str, asked: str) -> Seed:
        match address:
            case [bytes(host), bytes(port)] if port.isdigit():
                return self._announced.reach(host.decode("utf-8", "replace"), int(port), asked)
            case None:
                known = sorted(map(_name, masters)) if isinstance(masters, list) else []
                raise StudioError(
                    e.ERROR_REASON_DB_QUERY_ERROR,
                    f"The Sentinels know no master of the name {self._options.master_name}.",
                    hint=f"They know {', '.join(known[:MAX_NAMES])}."
                    if known
                    else "They watch no master at all.",
                    metadata={"stage": Stage.SENTINEL},
                )
            case ServerError() if "unknown command" in address.text.lower():
                raise StudioError(
                    e.ERROR_REASON_DB_PROTOCOL_ERROR,
                    f"{where} is no Sentinel.",
                    hint="Sentinels listen on 26379 by default; a server itself is registered with redis://.",
                    metadata={"stage": Stage.SENTINEL},
                )
            case ServerError():
                error = to_studio_error(address, command="SENTINEL")
                error.metadata["stage"] = Stage.SENTINEL
                raise error
        raise StudioError(
            e.ERROR_REASON_DB_PROTOCOL_ERROR,
            f"{where} does not answer as a Sentinel does.",
            metadata={"stage": Stage.SENTINEL},
        )

    def _nobody(self, failures: Sequence[StudioError]) -> StudioError:
        # What a Sentinel said weighs more than that others could not be asked.
        for failure in failures:
            if failure.reason not in _UNREACHABLE:
                return failure
        count = len(self._options.seeds)
        who = "The Sentinel can't" if count == 1 else f"None of the {count} Sentinels can"
        why = f": {failures[0].message}" if failures else f" within {self._limits.connect_timeout_s:g} s."
        return StudioError(
            e.ERROR_REASON_DB_CONNECTION_FAILED,
            f"{who} be asked for the master{why}",
            hint="Check their hosts and ports (26379 by default), and that this network reaches them.",
            metadata={"stage": Stage.SENTINEL},
        )

    async def _dial_master(self, master: Seed) -> Connection:
        options = dataclasses.replace(
            self._options, host=master[0], port=master[1], topology=Topology.STANDALONE
        )
        seconds = min(self._limits.connect_timeout_s, MASTER_TIMEOUT_S)
        dialer = Dialer(options, self._policy, dataclasses.replace(self._limits, connect_timeout_s=seconds))
        try:
            connection = await dialer.dial()
        except StudioError as error:
            raise self._master_down(error, options.where) from None
        try:
            await self._check_role(connection, options.where)
        except BaseException:
            connection.close()
            raise
        return connection

    def _master_down(self, error: StudioError, where: str) -> StudioError:
        if error.reason not in _UNREACHABLE:
            return error
        return StudioError(
            error.reason,
            f"The master of {self._options.master_name} is {where}, as the Sentinels say, but: {error.message}",
            hint="A failover may be under way. If the address is one that only the servers know, give nat_map.",
            metadata={**error.metadata, "stage": Stage.MASTER},
        )

    async def _check_role(self, connection: Connection, where: str) -> None:
        (role,) = await connection.submit(pack(((b"ROLE",),)), 1)
        match role:
            case [b"master", *_]:
                return
            case ServerError() if role.prefix == "NOPERM":
                return  # it takes us, and a replica refuses the first write with READONLY
            case ServerError():
                raise to_studio_error(role, command="ROLE")
        raise StudioError(
            e.ERROR_REASON_DB_UNAVAILABLE,
            f"The Sentinels name {where} as the master of {self._options.master_name}, and it is a replica.",
            hint="A failover may be under way.",
            metadata={"stage": Stage.MASTER},
        )


class MasterLink(ServerLink):
    """The way to the master, whichever server that is."""

    def __init__(self, sentinels: Sentinels, limits: Limits) -> None:
        super().__init__(sentinels.dial, limits)

    async def request(self, payload: bytes, expected: int, *, repeatable: bool = True) -> list[Reply]:
        """As `Link.request`. What a former master refuses with READONLY, unexecuted, goes to the new one."""
        connection = self.connection
        replies = await super().request(payload, expected, repeatable=repeatable)
        if not has_refusal(replies, _READONLY):
            return replies
        parts = units(payload)
        backoff = Backoff(first_s=self._limits.backoff_s, longest_s=self._limits.backoff_cap_s)
        for _ in range(self._limits.tries):
            if self.connection is connection:
                self.leave()
            await asyncio.sleep(backoff.next_s())
            refused = [part for part in parts if part.refusal(replies, _READONLY)]
            again = b"".join(part.payload for part in refused)
            connection = self.connection
            answers = await super().request(again, sum(part.count for part in refused), repeatable=repeatable)
            for part in refused:
                replies[part.at : part.at + part.count] = answers[: part.count]
                del answers[: part.count]
            if not has_refusal(replies, _READONLY):
                break
        return replies


def _not_let_in(error: StudioError, where: str) -> StudioError:
    """The same in a Sentinel's words: its login is not the server's."""
    error.metadata["stage"] = Stage.SENTINEL
    if error.reason == e.ERROR_REASON_DB_INVALID_CREDENTIALS:
        return StudioError(
            error.reason,
            f"The Sentinel at {where} does not accept the login: {error.message}",
            hint="Its own login is given by the options sentinel_username and sentinel_password.",
            metadata=error.metadata,
        )
    return error


def _name(master: Reply) -> str:
    """The name in an entry of SENTINEL MASTERS."""
    facts = dict(zip(master[::2], master[1::2], strict=False)) if isinstance(master, list) else {}
    name = facts.get(b"name")
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else "?"
