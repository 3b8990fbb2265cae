"""Calls of every rpc and route as every kind of caller, and what each is answered: no more than whether it may."""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import AsyncIterator
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import grpc
import httpx
import jwt
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from pydantic import SecretStr

from services.runtime.auth.service_tokens import ServiceTokens
from services.runtime.contract import Contract, Method
from services.runtime.statuses import DETAILS_HEADER
from tests.support.local_system import LocalSystem
from tools.permissions import ALLOWED, DENIED, HIDDEN, UNKNOWN, Who

TIMEOUT_S = 20.0
AT_A_TIME = 12
ELSEWHERE = ["elsewhere"]

_VARIABLE = re.compile(r"\{([a-z_.]+)(?:=[^}]*)?\}")
_ANSWERS = {
    "PERMISSION_DENIED": DENIED,
    "DB_NOT_FOUND": HIDDEN,
    "AUTH_REQUIRED": UNKNOWN,
    "AUTH_INVALID_TOKEN": UNKNOWN,
}

Metadata = tuple[tuple[str, str], ...]


def subject(who: Who) -> str:
    """The subject of such a caller's token."""
    return f"{who.name}@access"


def headers(system: LocalSystem, who: Who) -> dict[str, str]:
    """The header by which a service knows such a caller."""
    if not who.has_token:
        return {}
    if who.name == "service":
        secret = SecretStr(system.secret("SERVICE_TOKEN_SECRET"))
        return {"authorization": f"Bearer {ServiceTokens('tests', secret).current()}"}
    role = "anon" if who.is_anonymous else who.name.split()[0] if who.role else "authenticated"
    claims: dict[str, object] = {"sub": subject(who), "role": role, "exp": int(time.time()) + 3600}
    if who.elsewhere:
        claims["projects"] = ELSEWHERE
    return {"authorization": f"Bearer {jwt.encode(claims, system.secret('JWT_SECRET'), algorithm='HS256')}"}


class Requests:
    """Empty requests of every rpc, which name a database and nothing else.

    Args:
        contract: the rpcs.
    """

    def __init__(self, contract: Contract) -> None:
        self._pool = descriptor_pool.DescriptorPool()
        for file in contract.files.file:
            self._pool.Add(file)

    def of(self, method: Method, database_id: str) -> Message:
        """The request of an rpc."""
        request = message_factory.GetMessageClass(self._pool.FindMessageTypeByName(method.request))()
        for field in filter(None, (method.database_field, method.target_field)):
            setattr(request, field, database_id)
        return request


async def over_grpc(channel: grpc.aio.Channel, method: Method, request: Message, metadata: Metadata) -> str:
    """Whether a caller may; a stream is left after its first message."""
    while True:
        try:
            await _call(channel, method, request, metadata)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.INTERNAL and method.client_streaming and not _reason(error):
                continue  # refused while the message was being sent: grpcio then tells of nothing but that
            if not _reason(error):
                raise
            return _ANSWERS.get(_reason(error), ALLOWED)
        return ALLOWED


async def _call(channel: grpc.aio.Channel, method: Method, request: Message, metadata: Metadata) -> None:
    async def one() -> AsyncIterator[Message]:
        yield request

    kinds: dict[tuple[bool, bool], Any] = {  # they share no type
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, False): channel.stream_unary,
        (True, True): channel.stream_stream,
    }
    ask = kinds[method.client_streaming, method.server_streaming](
        method.path, type(request).SerializeToString
    )
    call = ask(one() if method.client_streaming else request, metadata=metadata, timeout=TIMEOUT_S)
    try:
        await (call.read() if method.server_streaming else call)
    finally:
        call.cancel()


def _reason(error: grpc.aio.AioRpcError) -> str:
    for name, value in error.trailing_metadata() or ():
        if name == DETAILS_HEADER and isinstance(value, bytes):
            info = error_details_pb2.ErrorInfo()
            for detail in status_pb2.Status.FromString(value).details:
                if detail.Unpack(info):
                    return str(info.reason)
    return ""


async def over_rest(
    http: httpx.AsyncClient,
    verb: str,
    template: str,
    database_id: str,
    sent: dict[str, str],
    target_field: str = "",
) -> str:
    """Whether a caller may; a stream is left after its first bytes."""
    path = _VARIABLE.sub(str(uuid.uuid4()), _VARIABLE.sub(database_id, template, count=1))
    fields = {target_field: database_id} if target_field else {}
    body = None if verb in {"GET", "DELETE", "HEAD"} else fields
    async with http.stream(verb, path, headers=sent, json=body) as answer:
        if answer.status_code < 400:
            return ALLOWED
        text = await answer.aread()
    code = json.loads(text).get("error_code", "")  # what is passed on answers as it does
    return _ANSWERS.get(code, ALLOWED)


def client(system: LocalSystem) -> httpx.AsyncClient:
    """A client that keeps no cookies: those of one caller are not another's."""
    http = httpx.AsyncClient(base_url=system.url, trust_env=False, verify=system.trusted, timeout=TIMEOUT_S)
    http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return http


async def all_of(calls: dict[Any, Any]) -> dict[Any, str]:
    """What each of many calls comes to, some at a time."""
    places = asyncio.Semaphore(AT_A_TIME)

    async def one(key: Any, call: Any) -> tuple[Any, str]:  # noqa: ANN401  whatever the test names it by
        async with places:
            return key, await call

    return dict(await asyncio.gather(*(one(key, call) for key, call in calls.items())))
