"""Tests a connection and says which stage failed, why, and what to try: on a connection of its own, in 5 s at most.

The stages are those that every connection goes through (`dialer`); what is added here is a closer look at a server
that answers something unexpected, and what a successful login may do.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from services.redis_svc import info
from services.redis_svc.closer_look import PROBE_S, closer_look
from services.redis_svc.connection import Connection
from services.redis_svc.dialer import Dialer, Stage
from services.redis_svc.limits import Limits
from services.redis_svc.replies import Command, Reply, ServerError, pack
from services.redis_svc.url import parse
from services.runtime.addresses import AddressPolicy
from services.runtime.errors import StudioError


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a test found."""

    stage: Stage
    """The stage that failed; DONE when none did."""
    latency_ms: float
    """Time of the whole test."""
    message: str
    """One sentence, without secrets."""
    hint: str = ""
    """What to try next."""
    error_code: str = ""
    """The reason's name; empty on success."""
    server_version: str = ""
    """What the server says of itself."""

    @property
    def success(self) -> bool:
        """Whether the server answered and accepted the login."""
        return self.stage is Stage.DONE


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
        dialer = Dialer(options, policy, bound, allow_unix=allow_unix)
        try:
            connection = await dialer.dial()
        except StudioError as error:
            raise await closer_look(dialer, error) from None
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
