"""Each role against each rpc of the contract, and the line between users and services."""

from __future__ import annotations

import time

import grpc
import jwt
import pytest

from services.runtime.auth import service_tokens as service_auth
from services.runtime.context import Caller
from services.runtime.contract import Method, load_contract
from services.runtime.interceptors.authorize import allows
from studio.options.v1 import access_pb2
from studio.redis.v1 import redis_service_pb2 as redis
from tests.runtime.harness import (
    JWT_SECRET,
    SERVICE_SECRET,
    UUID,
    Metadata,
    Redis,
    Resolving,
    bearer,
    call,
    redis_servicer,
    request_of,
    resolver_servicer,
    running,
    service_tokens,
    token,
)

Code = grpc.StatusCode
METHODS = list(load_contract().methods.values())
LADDER = ["read_only", "developer", "administrator", "owner"]
REFUSED = (Code.PERMISSION_DENIED, Code.UNAUTHENTICATED, Code.NOT_FOUND)


def caller_of(role: str) -> Metadata:
    return bearer(service_tokens().current() if role == "service" else token(role))


@pytest.mark.parametrize(
    "role", [*LADDER, "service_role", "service", "anon", "authenticated", "internal", "superuser"]
)
async def test_a_role_may_call_what_the_contract_says_and_nothing_else(role: str) -> None:
    """Over the wire, for every rpc that is served; what is let through ends otherwise than refused."""
    served = {"studio.redis.v1.RedisService", "studio.registry.v1.ResolverService"}
    async with running(redis_servicer(Redis()), resolver_servicer(Resolving())) as service:
        for method in METHODS:
            if method.service not in served:
                continue
            request = request_of(method)
            if method.database_field:
                setattr(request, method.database_field, UUID)
            code, _ = await call(service.channel, method, request, caller_of(role))
            assert (code not in REFUSED) == expected(role, method), (role, method.path, code)


def expected(role: str, method: Method) -> bool:
    if role == "service" or method.is_internal:
        return role == "service" and method.is_internal
    rank = {"service_role": 4, **{name: number for number, name in enumerate(LADDER, start=1)}}.get(role, 0)
    return rank >= method.role


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.path)
def test_the_table_of_roles_is_monotonous(method: Method) -> None:
    """Whoever has the higher role may do what the lower one may; internal rpcs are for no user."""
    users = [role for role in access_pb2.Role.values() if role != access_pb2.ROLE_INTERNAL]
    allowed = [allows(method, Caller("x", role)) for role in sorted(users)]
    assert allowed == sorted(allowed)
    assert allowed[0] == method.any_caller, "a token without a role is worth nothing by itself"
    assert not allows(method, Caller("x", access_pb2.ROLE_UNSPECIFIED, is_anonymous=True))
    assert allows(method, Caller("x", access_pb2.ROLE_INTERNAL)) == method.is_internal
    assert allowed[-1] != method.is_internal


def forged(**claims: object) -> str:
    """A token in every respect like a service's, but signed by whoever holds JWT_SECRET."""
    now = int(time.time())
    all_claims = {
        "iss": service_auth.ISSUER,
        "aud": service_auth.AUDIENCE,
        "sub": "redis_svc",
        "role": "internal",
        "iat": now,
        "exp": now + 3600,  # made when tests are collected, used minutes later
        **claims,
    }
    return jwt.encode(all_claims, JWT_SECRET, algorithm="HS256")


@pytest.mark.parametrize(
    ("credential", "code"),
    [
        (forged(), Code.UNAUTHENTICATED),
        (forged(aud="authenticated"), Code.UNAUTHENTICATED),
        (forged(iss="somebody"), Code.PERMISSION_DENIED),
        (token("internal"), Code.PERMISSION_DENIED),
        (token("ROLE_INTERNAL"), Code.PERMISSION_DENIED),
        (token("owner", iss="studio"), Code.PERMISSION_DENIED),
        (token("owner", secret=SERVICE_SECRET), Code.UNAUTHENTICATED),
    ],
    ids=[
        "forged",
        "other audience",
        "other issuer",
        "role internal",
        "enum name",
        "owner",
        "owner by service secret",
    ],
)
async def test_no_user_passes_for_a_service(credential: str, code: grpc.StatusCode) -> None:
    method = load_contract().methods["/studio.registry.v1.ResolverService/ResolveConnection"]
    request = request_of(method)
    async with running(resolver_servicer(Resolving())) as service:
        assert (await call(service.channel, method, request, bearer(credential)))[0] is code
        assert (await call(service.channel, method, request, caller_of("service")))[
            0
        ] is Code.INVALID_ARGUMENT


async def test_the_refusal_names_the_role_that_is_needed() -> None:
    method = load_contract().methods["/studio.redis.v1.RedisService/SetValue"]
    request = redis.SetValueRequest(database_id=UUID)
    async with running(redis_servicer(Redis())) as service:
        _, low = await call(service.channel, method, request, bearer(token("read_only")))
        assert low == "SetValue needs the role developer or higher; the caller is read_only."
        _, service_caller = await call(service.channel, method, request, caller_of("service"))
        assert service_caller == "SetValue needs the role developer or higher; the caller is internal."


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "bearer", "Token abc"],
)
async def test_a_header_without_a_bearer_token_is_no_token(header: str) -> None:
    method = load_contract().methods["/studio.redis.v1.RedisService/GetStatus"]
    request = request_of(method)
    async with running(redis_servicer(Redis())) as service:
        code, sentence = await call(service.channel, method, request, (("authorization", header),))
        assert code is Code.UNAUTHENTICATED
        assert "A bearer token is required" in sentence
        code, _ = await call(service.channel, method, request, (("authorization", f"bearer  {token()}"),))
        assert code is Code.OK, "the scheme's case and spaces don't matter (RFC 9110, section 11.1)"


async def test_two_tokens_are_refused_whatever_they_are() -> None:
    """The gateway may have looked at one and the service at the other."""
    method = load_contract().methods["/studio.redis.v1.RedisService/GetStatus"]
    request = request_of(method)
    async with running(redis_servicer(Redis())) as service:
        code, _ = await call(service.channel, method, request, bearer(token()) + bearer(token("anon")))
    assert code is Code.UNAUTHENTICATED
