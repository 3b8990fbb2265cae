"""What generated requests meet: engines of their own, registered with the running system, and names that are there.

Random text finds no key and no collection. So most names in a generated request are replaced by names of what exists,
picked by the generated value: the same request leads to the same one.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

import httpx
from pymongo import MongoClient
from redis import Redis

PROJECT = "default"
DATABASE = "fuzz"
KEEPS_EVERY = 4
"""One in so many generated names stays as it is."""

KEYS = ["text", "number", "hash", "list", "set", "zset", "geo", "stream", "bits", "hll", "gone"]
ABSENT = object()
"""In the place of a value: the field is left out."""

NAMES: Mapping[str, list[Any]] = {
    "project_ref": [PROJECT],
    "type": ["redis"],
    "connection_string": ["redis://127.0.0.1:1"],
    "host": [ABSENT, "127.0.0.1"],
    "page_token": [""],
    "resume": [""],
    "cursor": ["", "0"],
}
"""Fields of requests to what is there, or is not but looks like it: what to take instead of the generated value."""

REDIS: Mapping[str, list[Any]] = {
    "key": KEYS,
    "new_key": KEYS,
    "target": KEYS,
    "keys": [[{"value": "text"}, {"value": "hash"}], [{"value": "hll"}]],
    "selection": [{"pattern": {"value": "*"}}, {"keys": [{"value": "text"}]}],
    "commands": [
        [{"line": "GET text"}],
        [{"line": "HGETALL hash"}, {"line": "LRANGE list 0 -1"}],
        [{"line": "FLUSHALL"}],
    ],
    "group": ["readers", "gone"],
    "consumer": ["one", "gone"],
    "ids": [["1-1"], ["1-1", "9-9"]],
    "path": ["$", "."],
    "type": ["hash", "string", ""],
    "read_mask": ["type,ttl_ms"],
    "expected": [ABSENT],
    "expected_value_base64": [ABSENT],
    "expected_score": [ABSENT],
}
FILTERS = [{}, {"_id": 1}, {"name": {"$gt": "a"}}, {"$nor": [{"n": {"$numberLong": "5"}}]}]
DOCUMENTS = [{}, {"name": 1}, {"_id": -1}, {"name": 1, "_id": 0}]
ROLES = [{"role": "read", "database_name": DATABASE}, {"role": "made", "database_name": DATABASE}]
GRANT = {"resource": {"database_name": DATABASE, "collection": ""}, "actions": ["find"]}
MONGODB: Mapping[str, list[Any]] = {
    "type": [""],
    "key": [{"n": 1}, {"name": -1}],
    "database_name": [DATABASE, "fuzz_other"],
    "collection": ["people", "events", "gone"],
    "user": ["made", "gone"],
    "role": ["made", "gone"],
    "name": ["name_1", "made"],
    "bucket": ["fs"],
    "filter": FILTERS,
    "sort": DOCUMENTS,
    "projection": DOCUMENTS,
    "collation": [{"locale": "en"}, ABSENT],
    "hint": ["_id_", ABSENT],
    "id": [1, "a"],
    "pipeline": [
        [],
        [{"$match": {"n": {"$gt": 3}}}],
        [{"$group": {"_id": "$n", "many": {"$sum": 1}}}],
        [{"$out": "made"}],
    ],
    "update": [{"$set": {"n": 1}}, [{"$set": {"n": 1}}]],
    "replacement": [{"n": 1}, {"_id": 1, "n": 2}],
    "document": [{"n": 1}, {"_id": 1, "n": 2}],
    "documents": [[{"n": 1}], [{"n": 1}, {"_id": 1}]],
    "roles": [ROLES[:1], ROLES],
    "grant": [ROLES[:1]],
    "privileges": [[GRANT]],
    "grant_privileges": [[GRANT]],
    "validator": [{"$jsonSchema": {"required": ["name"]}}, {}],
    "let": [{}],
    "expected": [ABSENT],
    "array_filters": [ABSENT],
    "after_id": [ABSENT],
    "partial_filter_expression": [ABSENT],
    "wildcard_projection": [ABSENT],
    "weights": [ABSENT],
    "start_at_operation_time": [ABSENT],
    "custom_data": [ABSENT],
}
REGISTRY: Mapping[str, list[Any]] = {
    "port": [ABSENT],
    "database_name": [ABSENT],
    "username": [ABSENT],
    "password": [ABSENT],
    "tls": [ABSENT],
    "options": [ABSENT],
}
KEY_OF: Mapping[str, str] = {
    "hash": "hash",
    "list": "list",
    "set-members": "set",
    "sorted-set": "zset",
    "geo": "geo",
    "stream": "stream",
    "bits": "bits",
    "hyperloglog": "hll",
}
"""The key whose type is that of a route of Redis, by the first word of the route."""
NEVER = {"full_length"}
"""Fields of answers that a request must not have."""
WANTED = {
    "key": "text",
    "connection_string": "redis://127.0.0.1:1",
    "pipeline": [],
    "filter": {},
}
"""Fields that are given where a request could have them and the generated one does not."""

SHORT: Mapping[str, int] = {"seconds": 1, "max_time_ms": 1000, "wait_ms": 10}
"""Bounds of fields that say how long a call may take, so that none takes long."""


@dataclass(frozen=True, slots=True)
class World:
    """Where requests go."""

    url: str
    headers: Mapping[str, str]
    redis: str
    """URL of the Redis that is registered for them."""
    mongodb: str
    """URL of the MongoDB."""
    ids: dict[str, str]
    """The id of what a path leads to, by its first part: `redis` to a registered Redis, `api-keys` to a key."""

    def fill(self) -> None:
        """Puts in place what calls may have deleted: what the names above lead to, a database, an API key."""
        fill_redis(self.redis)
        fill_mongodb(self.mongodb)
        with self.client() as http:
            if http.get(f"/api/platform/databases/{self.ids.get('databases', '-')}").is_error:
                self.ids["databases"] = register(http, "redis", "redis://127.0.0.1:1", f"fuzz-{token_hex(4)}")
            if http.get(f"/api/platform/api-keys/{self.ids.get('api-keys', '-')}").is_error:
                self.ids["api-keys"] = issue(http)

    def client(self) -> httpx.Client:
        """A client of an owner's."""
        return httpx.Client(base_url=self.url, headers=dict(self.headers), trust_env=False, timeout=30)


class Settling:
    """Makes of what was generated what leads somewhere: names that are there, whole numbers, short times.

    Args:
        area: of the request.
        route: the rest of its path.
        as_text: it is a query, in which documents are JSON text.
        fields: those that the request may have.
    """

    def __init__(self, area: str, route: str, fields: Collection[str], *, as_text: bool) -> None:
        self._choices = {**NAMES, **{"redis": REDIS, "mongodb": MONGODB}.get(area, REGISTRY)}
        self._wanted = {name: value for name, value in WANTED.items() if name in fields}
        if area == "redis" and (key := KEY_OF.get(route.partition("/")[0])):
            self._choices["key"] = [key, key, key, "gone"]
            self._wanted |= {"key": key} if "key" in fields else {}
            if key == "stream":
                self._choices["start"] = ["0-0"]
        self._as_text = as_text

    def __call__(self, request: dict[str, Any]) -> dict[str, Any]:
        """The request as it is sent."""
        given = {f"{name.removesuffix('_base64')}" for name in request}
        wanted = {name: value for name, value in self._wanted.items() if name not in given}
        found = self._settled(request, "")
        assert isinstance(found, dict)
        return wanted | found

    def _settled(self, value: Any, name: str) -> Any:  # noqa: ANN401  JSON
        if isinstance(value, dict):
            value = {key: each for key, each in value.items() if _name_in(key) not in NEVER}
        pick = zlib.crc32(json.dumps(value).encode())
        if pick % KEEPS_EVERY == 0:
            return value
        if name in self._choices and (not isinstance(value, bool) or self._choices[name] == [ABSENT]):
            return self._chosen(name, value, pick // KEEPS_EVERY)
        if isinstance(value, dict):
            found = {key: self._settled(each, _name_in(key)) for key, each in value.items()}
            return {
                key: each for key, each in found.items() if each is not ABSENT and not _is_second(key, found)
            }
        if isinstance(value, list):
            return [self._settled(each, name) for each in value]
        if isinstance(value, float) and math.isfinite(value):
            value = int(value)
        if name in SHORT and isinstance(value, int):
            return min(value, SHORT[name])
        return value

    def _chosen(self, name: str, value: Any, pick: int) -> Any:  # noqa: ANN401  JSON
        choices = self._choices[name]
        choice = choices[pick % len(choices)]
        if isinstance(choice, str) and isinstance(value, dict):
            return {"value": choice}  # bytes, as Redis has them
        if self._as_text and choice is not ABSENT and (not isinstance(choice, str) or name == "id"):
            return json.dumps(choice)
        return choice


def _name_in(key: str) -> str:
    """The field that a parameter is about: `group` for `group.value`."""
    first, _, last = key.partition(".")
    return last if last not in {"value", ""} else first


def _is_second(key: str, given: Collection[str]) -> bool:
    """Whether the same is given as text, too."""
    return key.endswith("_base64") and key.removesuffix("_base64") in given


def register(http: httpx.Client, type_: str, url: str, name: str) -> str:
    """Registers a connection, untested; returns its id."""
    answer = http.post(
        "/api/platform/databases",
        json={
            "project_ref": PROJECT,
            "name": name,
            "type": type_,
            "connection_string": url,
            "skip_test": True,
        },
    )
    assert answer.is_success, answer.text
    return str(answer.json()["id"])


def issue(http: httpx.Client) -> str:
    """Issues an API key; returns its id."""
    answer = http.post("/api/platform/api-keys", json={"name": "fuzz", "role": "none"})
    assert answer.is_success, answer.text
    return str(answer.json()["api_key"]["id"])


def fill_redis(url: str) -> None:
    with Redis.from_url(url) as redis:
        redis.flushdb()
        redis.config_set("notify-keyspace-events", "KEA")
        redis.set("text", "ä")
        redis.set("number", 5)
        redis.hset("hash", mapping={"a": "1", "b": b"\xff"})
        redis.rpush("list", "a", "b", "c")
        redis.sadd("set", "a", "b")
        redis.zadd("zset", {"a": 1, "b": float("inf")})
        redis.geoadd("geo", (13.4, 52.5, "berlin"))
        redis.xadd("stream", {"a": "1"}, id="1-1")
        redis.xgroup_create("stream", "readers", id="0")
        redis.xreadgroup("readers", "one", {"stream": ">"})
        redis.setbit("bits", 7, 1)
        redis.pfadd("hll", "a")


def fill_mongodb(url: str) -> None:
    with MongoClient[dict[str, Any]](url) as client:
        database = client[DATABASE]
        client.drop_database(database)
        database["people"].insert_many([{"_id": each, "name": f"n{each}", "n": each} for each in range(20)])
        database["people"].create_index("name")
        database["events"].insert_one({"_id": "a", "at": 1})
        database["fs.files"].insert_one({"_id": 1, "filename": "f", "length": 0, "chunkSize": 1024})
        database.command("dropAllUsersFromDatabase")
        database.command("dropAllRolesFromDatabase")
        database.command("createRole", "made", privileges=[], roles=[])
        database.command("createUser", "made", pwd="made", roles=[])
