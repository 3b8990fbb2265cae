"""Tests a connection and says which stage failed, why, and what to try: on connections of its own, in 5 s at most.

The stages: `parse`, then `srv` (whom DNS names for `mongodb+srv://`), for each server named `address`, `dns`, `tcp`,
`tls` and `protocol`, looked at by `probe`; then, by the driver, `topology` (finding a server that may be used),
`authentication` and `permission`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pymongo

from services.mongo_svc import errors
from services.mongo_svc.client import MongoClient
from services.mongo_svc.limits import Limits
from services.mongo_svc.options import MongoOptions, Seed, parse
from services.mongo_svc.probe import Hello, Probe
from services.runtime.addresses import AddressPolicy
from services.runtime.diagnosis import DONE, Diagnosis
from services.runtime.durations import milliseconds
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

PROBED = 8
"""Servers of a connection string that are looked at."""
ANSWER_S = 0.7
"""Seconds that are left for saying why the driver found no server: it looks at the clock every half a second."""
PROBE_SHARE = 0.5
"""Part of the time that the first look at the servers may take."""


async def diagnose(
    text: str,
    config: Mapping[str, object],
    *,
    policy: AddressPolicy,
    limits: Limits,
    allow_unix: bool = False,
    tls_directory: Path | None = None,
) -> Diagnosis:
    """Tests a connection string. Raises nothing for what is wrong with it or with the server.

    Args:
        text: the connection string.
        config: the database's settings that are not secret.
        policy: which addresses may be dialled.
        limits: how long it may take.
        allow_unix: whether Unix sockets may be dialled.
        tls_directory: where certificates that it names must be.
    """
    loop = asyncio.get_running_loop()
    begin = loop.time()
    try:
        options = parse(text, config, tls_directory=tls_directory)
        bound = dataclasses.replace(
            limits, connect_timeout_s=limits.diagnosis_s, command_timeout_s=limits.diagnosis_s, close_s=0.2
        )
        client = MongoClient(options, policy, bound, allow_unix=allow_unix)
        try:
            async with asyncio.timeout(limits.diagnosis_s):
                version, message, hint = await _test(client)
        finally:
            await client.aclose()
    except TimeoutError:
        return _failed(begin, _took_too_long(limits.diagnosis_s))
    except StudioError as error:
        return _failed(begin, error)
    return Diagnosis(DONE, _milliseconds(begin), message, hint, server_version=version)


def _failed(begin: float, error: StudioError) -> Diagnosis:
    return Diagnosis(
        stage=error.metadata.get("stage", "protocol"),
        latency_ms=_milliseconds(begin),
        message=error.message,
        hint=error.hint,
        error_code=error.reason_name,
    )


def _milliseconds(begin: float) -> float:
    return milliseconds(asyncio.get_running_loop().time() - begin)


async def _test(client: MongoClient) -> tuple[str, str, str]:
    """Version, sentence and hint."""
    options, bound_s = client.options, client.limits.diagnosis_s * PROBE_SHARE
    end_s = asyncio.get_running_loop().time() + client.limits.diagnosis_s - ANSWER_S
    looks = await _look(client, await _seeds(client, bound_s), bound_s)
    hello = _choose(looks)
    if options.replica_set and hello.set_name != options.replica_set:
        raise errors.wrong_set_name(options.replica_set, hello.set_name or "no member of any")
    with pymongo.timeout(max(ANSWER_S, end_s - asyncio.get_running_loop().time())):
        version, may_list = await _log_in(client)
    hints = [
        f"{seed.where} can't be used: {found.message}"
        for seed, found in looks
        if isinstance(found, StudioError)
    ]
    if not may_list:
        hints.append("The user may list no database: an administrator of the server can grant it a role.")
    return version, f"MongoDB {version} answers: {hello.topology}.".replace("  ", " "), " ".join(hints)


async def _seeds(client: MongoClient, bound_s: float) -> Sequence[Seed]:
    """The servers that the connection string names, or DNS for it."""
    if not client.options.srv_host:
        return client.options.seeds[:PROBED]
    try:
        with errors.translated():
            async with asyncio.timeout(bound_s):
                await client.driver.aconnect()
    except StudioError as error:
        if error.reason == e.ERROR_REASON_DB_TIMEOUT:
            error.metadata["stage"] = "srv"
        raise
    addresses = sorted(client.driver.topology_description.server_descriptions())
    return [Seed(host, port or 0) for host, port in addresses[:PROBED]]


async def _look(
    client: MongoClient, seeds: Sequence[Seed], bound_s: float
) -> Sequence[tuple[Seed, Hello | StudioError]]:
    # Exactly what the driver will use. PyOpenSSL's is for its synchronous client alone.
    context = cast("ssl.SSLContext | None", client.driver.options.pool_options._ssl_context)  # noqa: SLF001
    probes = (Probe(seed, client.guard, context).look(bound_s) for seed in seeds)
    answers = await asyncio.gather(*probes, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, StudioError):
            raise answer
    return [
        (seed, answer)
        for seed, answer in zip(seeds, answers, strict=True)
        if isinstance(answer, (Hello, StudioError))
    ]


def _choose(looks: Sequence[tuple[Seed, Hello | StudioError]]) -> Hello:
    """What a server that answers says; where none does, why the first doesn't."""
    for _, found in looks:
        if isinstance(found, Hello):
            return found
    for _, found in looks:
        if isinstance(found, StudioError):
            raise found
    raise StudioError(
        e.ERROR_REASON_DB_CONNECTION_FAILED, "DNS names no server for the host.", metadata={"stage": "srv"}
    )


async def _log_in(client: MongoClient) -> tuple[str, bool]:
    """The server's version, and whether the user may list any database."""
    try:
        await client.command("admin", {"connectionStatus": 1})
        version = str((await client.command("admin", {"buildInfo": 1})).get("version", ""))
    except StudioError as error:
        raise _explained(error, client.options) from None
    command: dict[str, Any] = {"listDatabases": 1, "nameOnly": True, "authorizedDatabases": True}
    try:
        listed = await client.command("admin", command)
    except StudioError as error:
        if error.reason == e.ERROR_REASON_DB_PERMISSION_DENIED:
            return version, False
        raise _explained(error, client.options) from None
    return version, bool(listed.get("databases"))


def _explained(error: StudioError, options: MongoOptions) -> StudioError:
    """The error with what is known of the login: a wrong database to look the user up in is the commonest mistake."""
    if error.reason == e.ERROR_REASON_DB_INVALID_CREDENTIALS and options.has_login:
        other = (
            ""
            if options.auth_source == "admin"
            else "; many users are created in admin: try authSource=admin"
        )
        error.hint = f"{error.hint} The user was looked up in {options.auth_source}{other}."
    return error


def _took_too_long(seconds: float) -> StudioError:
    return StudioError(
        e.ERROR_REASON_DB_TIMEOUT,
        f"Testing the connection took longer than {seconds:g} s.",
        hint="A server hangs, or a firewall drops packets.",
        metadata={"stage": "topology"},
    )
