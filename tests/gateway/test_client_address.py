"""Services learn the address of a client from the gateway, never from the client."""

from __future__ import annotations

from pathlib import Path

import grpc
import httpx

from studio.redis.v1 import redis_service_pb2 as redis_pb
from studio.redis.v1.redis_service_pb2_grpc import RedisServiceStub
from tests.gateway.harness import Gateway, Script, Service, running_gateway, token

HEADER = "x-studio-client-address"
PATH = "/api/platform/redis/status"


async def test_the_address_is_the_peers_whatever_the_client_says(
    gateway: Gateway, client: httpx.AsyncClient, redis: Script
) -> None:
    redis.returns("GetStatus", redis_pb.GetStatusResponse())
    forged = {HEADER: "198.51.100.7", "x-forwarded-for": "198.51.100.7"}
    assert (await client.get(PATH, headers=forged)).status_code == 200
    metadata = (*forged.items(), ("authorization", f"Bearer {token()}"))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        await RedisServiceStub(channel).GetStatus(redis_pb.GetStatusRequest(), metadata=metadata)
    assert [call.metadata[HEADER] for call in redis.calls] == ["127.0.0.1"] * 2


async def test_behind_a_load_balancer_it_is_what_that_has_seen(
    services: dict[str, Service], redis: Script, tmp_path: Path
) -> None:
    redis.returns("GetStatus", redis_pb.GetStatusResponse())
    variables = {
        "REGISTRY_ADDRESS": f"127.0.0.1:{services['registry'].port}",
        "REDIS_SVC_ADDRESS": f"127.0.0.1:{services['redis'].port}",
        "GATEWAY_TRUSTED_HOPS": "1",
    }
    async with running_gateway(tmp_path, **variables) as gateway, gateway.client() as client:
        await gateway.wait_ready("/readyz")
        # The first address is the client's own claim, the second what the load balancer adds.
        forwarded = {HEADER: "198.51.100.7", "x-forwarded-for": "198.51.100.7, 203.0.113.9"}
        assert (await client.get(PATH, headers=forwarded)).status_code == 200
    assert redis.calls[0].metadata[HEADER] == "203.0.113.9"
