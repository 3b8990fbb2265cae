"""Every rpc and route, called by every kind of caller in the running system, answers as the table of permissions says.

Requests are empty but for the database: whoever may call is told what is missing, and the databases are nowhere, and
of production, so that nothing is done.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from services.runtime.contract import Method, load_contract
from tests.access.calls import Requests, all_of, client, headers, over_grpc, over_rest, subject
from tests.support.local_system import LocalSystem
from tools.permissions import OTHERS, SHOWN, UNKNOWN, Rule, of_method, plain_rules

EVERYBODY = (*SHOWN, *OTHERS)
USERS = [who for who in EVERYBODY if who.name != "service"]
NOWHERE = {
    "redis": "redis://127.0.0.1:1",
    "mongodb": "mongodb://127.0.0.1:1/nowhere?serverSelectionTimeoutMS=200",
    "bun_api": "http://127.0.0.1:1",
    "postgres": "postgresql://nobody:nothing@127.0.0.1:1/nowhere",
}
"""Where nobody listens."""
AREAS = {"redis": "redis", "mongodb": "mongodb", "bun": "bun_api"}
SERVICES = {"registry": "registry", "redis": "redis_svc", "mongodb": "mongo_svc", "bun": "bun_proxy"}
METHODS = [method for method in load_contract().methods.values() if method.area in SERVICES]


@pytest.fixture(scope="module")
async def databases(system: LocalSystem) -> AsyncIterator[dict[str, str]]:
    """Ids by type, with the grants of those who have one."""
    ids: dict[str, str] = {}
    async with system.client("owner") as http:
        for type_, url in NOWHERE.items():
            body = {
                "projectRef": "default",
                "name": f"nowhere-{type_.replace('_', '-')}",
                "type": type_,
                "connectionString": url,
                "config": {"production": True},
                "skipTest": True,
            }
            made = await http.post("/api/platform/databases", json=body)
            assert made.status_code == 201, made.text
            ids[type_] = made.json()["id"]
            for who in EVERYBODY:
                if who.grant:
                    grant = {"subject": subject(who), "role": who.grant}
                    path = f"/api/platform/databases/{ids[type_]}/permissions"
                    assert (await http.post(path, json=grant)).status_code == 201
        yield ids
        for id_ in ids.values():
            path = f"/api/platform/databases/{id_}"
            asked = (await http.delete(path)).json()
            token = asked["details"][0]["metadata"]["confirmation"]
            assert (await http.delete(path, headers={"x-confirmation": token})).status_code == 204


def service_of(method: Method) -> str:
    """The area whose service answers: the registry calls `EngineService`, and does not serve it."""
    return "redis" if method.service.endswith(".EngineService") else method.area


def database_of(method: Method, databases: dict[str, str]) -> str:
    return databases[AREAS.get(method.area, "redis")]


def differences(expected: dict[Any, str], found: dict[Any, str]) -> dict[Any, tuple[str, str]]:
    """What is otherwise than expected: the table's answer and the system's."""
    return {key: (expected[key], answer) for key, answer in found.items() if answer != expected[key]}


async def test_every_rpc_over_grpc(system: LocalSystem, databases: dict[str, str]) -> None:
    requests = Requests(load_contract())
    calls, expected = {}, {}
    async with contextlib.AsyncExitStack() as stack:
        channels = {
            area: await stack.enter_async_context(grpc.aio.insecure_channel(system.address(service)))
            for area, service in SERVICES.items()
        }
        for who in EVERYBODY:
            metadata = tuple(headers(system, who).items())
            for method in METHODS:
                request = requests.of(method, database_of(method, databases))
                key = (method.path, who.name)
                calls[key] = over_grpc(channels[service_of(method)], method, request, metadata)
                expected[key] = of_method(method).answer(who)
        found = await all_of(calls)
    assert differences(expected, found) == {}


async def test_every_route_over_rest(system: LocalSystem, databases: dict[str, str]) -> None:
    calls, expected = {}, {}
    async with client(system) as http:
        for who in USERS:
            sent = headers(system, who)
            for method in METHODS:
                for rule in method.http[:1]:
                    key = (f"{rule.verb} {rule.template}", who.name)
                    database_id = database_of(method, databases)
                    template = rule.template
                    if method.any_caller and method.database_field:  # naming one is optional
                        template = f"{template}?{method.database_field}={{database_id}}"
                    calls[key] = over_rest(http, rule.verb, template, database_id, sent, method.target_field)
                    expected[key] = of_method(method).answer(who)
        found = await all_of(calls)
    assert differences(expected, found) == {}


def one_of_each() -> list[Rule]:
    """A route for each verb and role: which roles pg-meta's routes need, its own tests look at."""
    return list({(rule.area, rule.route.split()[0], rule.least): rule for rule in plain_rules()}.values())


async def test_what_is_passed_on(system: LocalSystem, databases: dict[str, str]) -> None:
    """Requests to Bun APIs and to pg-meta: no rpcs, and the same rules."""
    calls, expected = {}, {}
    async with client(system) as http:
        for who in USERS:
            sent = headers(system, who)
            for rule in one_of_each():
                verb, _, template = rule.route.partition(" /")
                type_ = "bun_api" if rule.area == "bun" else "postgres"
                verb = {"GET, HEAD, OPTIONS": "GET", "others": "PUT"}.get(verb, verb)
                path = "/" + template.replace("…", "books").replace("{id}", "1").replace("{column}", "1.1")
                key = (rule.route, who.name)
                calls[key] = over_rest(http, verb, path, databases[type_], sent)
                expected[key] = rule.answer(who)
        found = await all_of(calls)
    assert differences(expected, found) == {}


async def test_services_have_no_business_at_the_gateway(
    system: LocalSystem, databases: dict[str, str]
) -> None:
    """Once is enough: a wrong credential counts as an attempt."""
    (service,) = set(EVERYBODY) - set(USERS)
    async with client(system) as http:
        path = "/api/platform/databases/{id}"
        assert await over_rest(http, "GET", path, databases["redis"], headers(system, service)) == UNKNOWN
