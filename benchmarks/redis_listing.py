"""What listing keys costs inside the service, without gRPC and the gateway, against the bare hiredis loop.

Run with `python -m benchmarks.redis_listing redis://host:port [keys] [page]` on a Redis that may be filled: where a
change to the engine made listing slower, this shows it with less noise than the whole system does.
"""

from __future__ import annotations

import sys
import time

import uvloop

from benchmarks.bare_redis import BareRedis
from services.redis_svc import keyspace
from services.redis_svc.client import RedisClient
from services.redis_svc.handlers.redis import add_keys
from services.redis_svc.key_details import Keys, Wanted
from services.redis_svc.limits import DEFAULTS
from services.redis_svc.url import parse
from services.runtime.addresses import AddressPolicy
from studio.redis.v1.redis_service_pb2 import ListKeysResponse

ROUNDS = 3
WANTED = {
    "type, TTL, memory": Wanted(length=False),
    "all four facts": Wanted(),
    "names only": Wanted(type=False, ttl=False, memory=False, length=False),
}


async def list_all(client: RedisClient, page: int, wanted: Wanted) -> int:
    """Lists as the handler does: pages of protobuf, serialized. Returns how many keys there are."""
    cursor, listed = "", 0
    while True:
        response = ListKeysResponse()

        def emit(keys: Keys, into: ListKeysResponse = response) -> None:
            add_keys(into, keys)

        query = keyspace.Query(count=page, cursor=cursor, wanted=wanted)
        cursor = (await keyspace.list_keys(client, query, emit)).cursor
        listed += len(response.keys)
        response.SerializeToString()
        if not cursor:
            return listed


async def measure(url: str, keys: int, page: int) -> None:
    """Prints keys a second, and the ratio to the bare loop of the same round."""
    bare = BareRedis(url)
    bare.fill(keys)
    client = RedisClient(parse(url), AddressPolicy(), DEFAULTS)
    for _ in range(ROUNDS):
        started = time.perf_counter()
        bare.list_all(page)
        bare_s = time.perf_counter() - started
        print(f"bare loop {keys / bare_s:12,.0f} keys/s")
        for name, wanted in WANTED.items():
            started = time.perf_counter()
            listed = await list_all(client, page, wanted)
            took_s = time.perf_counter() - started
            print(f"  {name:<20} {listed / took_s:12,.0f} keys/s, ratio {bare_s / took_s:.2f}")
    await client.aclose()
    bare.close()


def main() -> None:
    """Measures on the Redis that is named."""
    url, *numbers = sys.argv[1:]
    keys, page = (*map(int, numbers), *(200_000, 2000)[len(numbers) :])
    uvloop.run(measure(url, keys, page))


if __name__ == "__main__":
    main()
