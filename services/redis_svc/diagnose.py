"""Tests a connection and says which stage failed, why, and what to try: on a connection of its own, in 5 s at most.

The stages are those that every connection goes through (`dialer`), and those of finding the servers behind Sentinels
(`sentinel`, `master`) and of a Cluster (`cluster`), each of whose masters is connected to. What is added here is a
closer look at a server that answers something unexpected, and what a successful login may do.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Mapping

from services.redis_svc import info
from services.redis_svc.closer_look import PROBE_S, closer_look
from services.redis_svc.cluster import UNREACHABLE, Cluster
from services.redis_svc.connection import Connection
from services.redis_svc.dialer import Dialer, Stage
from services.redis_svc.limits import Limits
from services.redis_svc.replies import Command, Reply, ServerError, pack
from services.redis_svc.sentinel import Sentinels
from services.redis_svc.topology import Topology
from services.redis_svc.url import RedisOptions, parse
from services.runtime.addresses import AddressPolicy
from services.runtime.diagnosis import Diagnosis
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

MAX_NODES = 32
"""Masters of a Cluster that a test connects to."""


async def diagnose(
    text: str,
    config: Mapping[str, object],
    *,
    policy: AddressPolicy,
    limits: Limits,
    allow_unix: bool = False,
) -> Diagnosis:
    """Tests a connection string. Raises nothing for what is wrong with it or with the server.

    Args:
        text: the connection string.
        config: the database's settings that are not secret.
        policy: which addresses may be dialled.
        limits: how long it may take.
        allow_unix: whether Unix sockets may be dialled.
    """
    loop = asyncio.get_running_loop()
    begin = loop.time()
    try:
        options = parse(text, config)
        bound = dataclasses.replace(
            limits, connect_timeout_s=limits.diagnosis_s - PROBE_S, command_timeout_s=limits.diagnosis_s
        )
        connection = await _connect(options, policy, bound, allow_unix=allow_unix)
        version, message, hint = await _look_around(connection)
    except StudioError as error:
        return Diagnosis(
            stage=Stage(error.metadata.get("stage", Stage.PARSE)),
            latency_ms=_milliseconds(begin),
            message=error.message,
            hint=error.hint,
            error_code=error.reason_name,
        )
    return Diagnosis(
        stage=Stage.DONE, latency_ms=_milliseconds(begin), message=message, hint=hint, server_version=version
    )


async def _connect(
    options: RedisOptions, policy: AddressPolicy, limits: Limits, *, allow_unix: bool
) -> Connection:
    """A connection to a server of the topology, when all of it can be reached."""
    if options.topology is Topology.STANDALONE:
        dialer = Dialer(options, policy, limits, allow_unix=allow_unix)
        try:
            return await dialer.dial()
        except StudioError as error:
            raise await closer_look(dialer, error) from None
    try:
        async with asyncio.timeout(limits.connect_timeout_s):
            if options.topology is Topology.SENTINEL:
                return await Sentinels(options, policy, limits).dial()
            return await _connect_to_all(options, policy, limits)
    except TimeoutError:
        raise StudioError(
            e.ERROR_REASON_DB_TIMEOUT,
            f"Finding the servers took longer than {limits.connect_timeout_s:g} s.",
            hint="A firewall may drop the packets, or a server hangs.",
            metadata={"stage": options.topology.value},
        ) from None


async def _connect_to_all(options: RedisOptions, policy: AddressPolicy, limits: Limits) -> Connection:
    """A connection to a node of the Cluster, once each master has taken one: a map of slots alone says little."""
    cluster = Cluster(options, policy, limits)
    try:
        await cluster.ready()
        answers = await asyncio.gather(
            *(cluster.dial(link.where) for link in cluster.links[:MAX_NODES]), return_exceptions=True
        )
    finally:
        await cluster.aclose()
    connections = [answer for answer in answers if isinstance(answer, Connection)]
    failure = next((answer for answer in answers if isinstance(answer, BaseException)), None)
    if failure is None:
        for spare in connections[1:]:
            spare.close()
        return connections[0]
    for connection in connections:
        connection.close()
    if isinstance(failure, StudioError) and failure.reason in UNREACHABLE:
        raise StudioError(
            failure.reason,
            f"The Redis Cluster can be asked, but one of its masters can't be reached: {failure.message}",
            hint=failure.hint,
            metadata={"stage": Stage.CLUSTER},
        )
    raise failure


def _milliseconds(begin: float) -> float:
    return round((asyncio.get_running_loop().time() - begin) * 1000, 3)


async def _look_around(connection: Connection) -> tuple[str, str, str]:
    """Version, sentence and hint. A user who may do little is logged in all the same: the hint says what is missing."""
    commands: dict[str, Command] = {
        "HELLO": (b"HELLO",),
        "INFO": (b"INFO", b"server"),
        "SCAN": (b"SCAN", b"0", b"COUNT", b"1"),
    }
    replies: dict[str, Reply] = {}
    try:
        with contextlib.suppress(TimeoutError, StudioError):
            async with asyncio.timeout(PROBE_S):
                answers = await connection.submit(pack(commands.values()), len(commands))
                replies = dict(zip(commands, answers, strict=True))
    finally:
        connection.close()
        await connection.wait_closed()
    name, version = _version(replies.get("INFO"), replies.get("HELLO"))
    denied = [
        command
        for command, reply in replies.items()
        if isinstance(reply, ServerError) and reply.prefix == "NOPERM"
    ]
    hint = f"The user may not run {' and '.join(denied)}: what needs them will be refused." if denied else ""
    return version, f"{name} {version} answers.".replace("  ", " "), hint


def _version(info_reply: Reply, hello: Reply) -> tuple[str, str]:
    if isinstance(info_reply, bytes):
        server = info.parse(info_reply).get("server", {})
        for name, key in (("Valkey", "valkey_version"), ("Redis", "redis_version")):
            if key in server:
                return name, str(server[key])
    if isinstance(hello, list):
        said = dict(zip(hello[::2], hello[1::2], strict=False))
        name_, version = said.get(b"server"), said.get(b"version")
        if isinstance(name_, bytes) and isinstance(version, bytes):
            return name_.decode("utf-8", "replace").capitalize(), version.decode("utf-8", "replace")
    return "The server", ""
