"""Tests a connection and says which stage failed, why, and what to try: on connections of its own, in 5 s at most.

The stages: `parse`, `address`, `dns`, `tcp`, `tls`, `http` (what answers is no HTTP, or fails), `authentication` (it
refuses the key, or asks for one), `done`. A request to the health path is the test.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Mapping

from services.bun_proxy.client import ApiClient
from services.bun_proxy.forward.calls import CallLog
from services.bun_proxy.forward.connection import UpstreamConnection
from services.bun_proxy.forward.dialing import Dialer
from services.bun_proxy.limits import Limits
from services.bun_proxy.options import ApiOptions, limits_of, parse
from services.bun_proxy.probe import bounds
from services.bun_proxy.probe.health import Status, judge, look
from services.bun_proxy.probe.identity import identify
from services.bun_proxy.probe.places import Places, places_of
from services.runtime.addresses import AddressPolicy
from services.runtime.diagnosis import DONE, Diagnosis
from services.runtime.durations import milliseconds
from services.runtime.errors import StudioError, reason_name
from studio.options.v1 import errors_pb2 as e

_STAGES = {Status.HEALTHY: DONE, Status.UNAUTHORIZED: "authentication", Status.UNHEALTHY: "http"}


async def diagnose(
    text: str, config: Mapping[str, object], *, policy: AddressPolicy, limits: Limits
) -> Diagnosis:
    """Tests a base URL. Raises nothing for what is wrong with it or with the API.

    Args:
        text: the base URL.
        config: the database's settings that are not secret.
        policy: which addresses may be dialled.
        limits: the service's bounds.
    """
    begin = time.perf_counter()
    try:
        options, places = parse(text, config), places_of(config)
        limited = dataclasses.replace(
            limits_of(config, limits),
            connect_timeout_s=bounds.CONNECT_S,
            # A size that callers are held to says nothing of the connection.
            max_response_bytes=0,
        )
        api = ApiClient("", options, policy, limited, CallLog(1, 1))
        try:
            found = await _test(api, places, policy, limited)
        finally:
            await api.aclose()
    except StudioError as error:
        return Diagnosis(
            stage=error.metadata.get("stage", "http"),
            latency_ms=_milliseconds(begin),
            message=error.message,
            hint=error.hint,
            error_code=error.reason_name,
        )
    return dataclasses.replace(found, latency_ms=_milliseconds(begin))


def _milliseconds(begin: float) -> float:
    return milliseconds(time.perf_counter() - begin)


async def _test(api: ApiClient, places: Places, policy: AddressPolicy, limits: Limits) -> Diagnosis:
    end = asyncio.get_running_loop().time() + bounds.DIAGNOSIS_S
    try:
        answer = await look(api, places, within_s=bounds.DIAGNOSIS_S - bounds.KNOCK_S)
    except StudioError as error:
        if not api.options.tls and error.metadata.get("stage") == "http":
            await _explain(error, api.options, policy, limits)
        raise
    verdict = judge(api, answer, places)
    hint = verdict.hint
    if verdict.status is Status.HEALTHY and api.options.auth_value is not None and not hint:
        hint = await _key_hint(api, places, end - asyncio.get_running_loop().time())
    ok = verdict.status is Status.HEALTHY
    return Diagnosis(
        stage=_STAGES[verdict.status],
        latency_ms=0,
        message=verdict.message,
        hint=hint,
        error_code="" if ok else reason_name(verdict.reason),
        server_version=identify(answer).shown if ok else "",
    )


async def _key_hint(api: ApiClient, places: Places, within_s: float) -> str:
    """Says so where the answer would have been the same without the key: it has not been tested then."""
    try:
        without = await look(api, places, within_s=max(0.001, within_s), with_key=False)
    except StudioError:
        return ""  # the test itself went well
    if judge(api, without, places).status is not Status.HEALTHY:
        return ""
    return (
        f"GET {without.path} is answered without the key, too, so the key was not tested: `health_path` in the config "
        "of the database can name a path that needs it."
    )


async def _explain(error: StudioError, options: ApiOptions, policy: AddressPolicy, limits: Limits) -> None:
    """Adds the commonest reason for an answer that is no HTTP, where it is the reason: the port speaks TLS."""
    if error.reason not in {e.ERROR_REASON_DB_PROTOCOL_ERROR, e.ERROR_REASON_DB_CONNECTION_FAILED}:
        return
    secure = dataclasses.replace(options, tls=True, auth_value=None)
    connection = UpstreamConnection(options.origin, limits, lambda _: None)
    speaks = True
    try:
        async with asyncio.timeout(bounds.KNOCK_S):
            await Dialer(secure, policy, limits).dial(connection)
    except StudioError as refused:
        # A certificate that is not accepted is one, too.
        speaks = "certificate" in refused.message
    except TimeoutError:
        speaks = False
    finally:
        connection.abort()
    if speaks:
        error.hint = "The port speaks TLS: use https:// instead of http://."
