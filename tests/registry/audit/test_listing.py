"""Listing and exporting: everybody sees what he may, each event once, filtered as asked, from an index."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import grpc
import psycopg
import pytest
from psycopg import sql

from services.registry.audit.filters import MAX_SCANNED, Filters, Scope, conditions
from services.registry.audit.reader import Event, StoredLog, statement
from services.registry.migrations import migrate
from services.registry.paging import PageTokens
from services.registry.store.pool import BY_INDEX, connection_arguments
from studio.registry.v1 import audit_service_pb2 as messages
from studio.registry.v1.audit_pb2 import AuditEvent
from tests.registry.audit.events import BEGINNING, NOON, bearer, event, events, fill, page, pool, record, walk
from tests.registry.harness import SERVICE_SECRET, Registry, failing, running_registry, settings
from tests.support.engines import PostgresServer

Session = psycopg.Connection[tuple[Any, ...]]
OTHER_DATABASE = "6c1f0d0e-0000-4000-8000-000000000002"

# By the number of seconds after NOON.
LOG = [
    event(0),
    event(1, action="redis.key.delete", effect="endangers", target={"key": "100%_Done"}),
    event(2, action="mongodb.document.find", effect="reads", database_id=OTHER_DATABASE, project_ref="shop"),
    event(3, actor="eve", outcome="denied", reason="PERMISSION_DENIED", target={"collection": "Orders"}),
    event(4, action="registry.api_key.create", actor="eve", project_ref="", database_id="", target={}),
    event(5, action="registry.api_key.create", project_ref="", database_id="", target={"name": "ci"}),
    event(6, action="redis_other.key.set", effect="reads", actor="eve", project_ref="shop"),
    event(7, action="registry.database.get", actor="eve", project_ref="", outcome="failed", database_id="?"),
]


async def seen(registry: Registry, **fields: Any) -> list[int]:  # noqa: ANN401  any field of the request
    """The numbers of the events of a page."""
    answer = await page(registry, **fields)
    assert answer.next_page_token == ""
    return [int(each.request_id.removeprefix("request-")) for each in answer.events]


def at(number: int) -> Any:  # noqa: ANN401  any timestamp
    return NOON + timedelta(seconds=number)


async def test_filters(registry: Registry) -> None:
    """Each leaves those that fit all that is asked for, newest first."""
    await record(registry, [*reversed(LOG)])
    for expected, filters in (
        ([7, 6, 5, 4, 3, 2, 1, 0], {}),
        ([7, 6, 4, 3], {"actor": "eve"}),
        ([], {"actor": "Eve"}),
        ([3, 0], {"action": "redis.key.set"}),
        ([3, 1, 0], {"action": "redis."}),
        ([3, 1, 0], {"action": "redis.key."}),
        ([5, 4], {"action": "registry.api_key."}),
        ([], {"action": "redis"}),
        ([2], {"database": OTHER_DATABASE}),
        ([6, 2], {"project": "shop"}),
        ([6, 2], {"effect": "reads"}),
        ([1], {"effect": "endangers"}),
        ([3], {"outcome": "denied"}),
        ([6, 5, 4, 2, 1, 0], {"outcome": "ok"}),
        ([5], {"request_id": "request-5"}),
        # A part of a name, whatever its case, and never a pattern; not what it is the name of.
        ([3], {"target": "ORDER"}),
        ([1], {"target": "%_d"}),
        ([5], {"target": "ci"}),
        ([], {"target": "collection"}),
        ([], {"target": "' OR true --"}),
        ([7, 6, 5], {"since": at(5)}),
        ([2, 1, 0], {"until": at(3)}),
        ([3, 2], {"since": at(2), "until": at(4)}),
        ([], {"since": at(2), "until": at(2)}),
        ([6, 4], {"actor": "eve", "outcome": "ok"}),
        ([4], {"actor": "eve", "outcome": "ok", "action": "registry."}),
        ([6], {"actor": "eve", "project": "shop", "effect": "reads", "since": at(1), "until": at(9)}),
    ):
        assert await seen(registry, **filters) == expected, filters


async def test_who_is_limited_to_projects_sees_those_and_his_own_keys(
    registry: Registry, migrated_url: str
) -> None:
    """Whatever he filters by: nothing he asks for shows him more."""
    await record(registry, LOG)
    many = [f"project-{number}" for number in range(40)]
    connections = pool(migrated_url)
    await connections.open()
    log = StoredLog(connections, PageTokens(SERVICE_SECRET))

    async def shown(projects: list[str], **filters: Any) -> list[int]:  # noqa: ANN401  any filter
        scope = Scope(frozenset(projects), "ada@example.org")
        events, token = await log.page(Filters(**filters), scope, page_size=0, page_token="")
        assert token == ""
        lists = [each async for each in log.export(Filters(**filters), scope)]
        found = [_number(each) for each in events]
        assert [_number(each) for part in lists for each in part] == found[::-1]
        return found

    for projects, expected in (
        (["default"], [5, 3, 1, 0]),
        (["shop", "default"], [6, 5, 3, 2, 1, 0]),
        (["shop", *many], [6, 5, 2]),
        (["nowhere"], [5]),
        ([], [5]),
        (["", "?"], [5]),
    ):
        assert await shown(projects) == expected, projects
    filtered: list[tuple[dict[str, str], list[int]]] = [
        ({"project": "shop"}, [6, 2]),
        ({"project": "default"}, []),
        ({"actor": "eve"}, [6]),
        ({"action": "registry.api_key.create"}, [5]),
        ({"request_id": "request-0"}, []),
        ({"request_id": "request-2"}, [2]),
        ({"database": OTHER_DATABASE}, [2]),
        ({"database": LOG[0].database_id}, [6]),
        ({"outcome": "denied"}, []),
        ({"effect": "reads"}, [6, 2]),
    ]
    for filters, expected in filtered:
        assert await shown(["shop"], **filters) == expected, filters
    await connections.aclose()
    # The same by his token.
    metadata = bearer("owner", sub="ada@example.org", projects=["shop"])
    assert await seen(registry, metadata=metadata) == [6, 5, 2]
    assert await exported(registry, metadata=metadata) == [2, 5, 6]
    token = (await page(registry, page_size=1)).next_page_token
    async with failing("INVALID_CURSOR", grpc.StatusCode.INVALID_ARGUMENT):
        await page(registry, page_token=token, metadata=metadata)


def _number(shown: Event) -> int:
    return int(shown.request_id.removeprefix("request-"))


async def test_only_administrators_see_the_log(registry: Registry) -> None:
    for role in ("developer", "read_only", "anon"):
        async with failing("PERMISSION_DENIED", grpc.StatusCode.PERMISSION_DENIED):
            await page(registry, metadata=bearer(role))
        async with failing("PERMISSION_DENIED", grpc.StatusCode.PERMISSION_DENIED):
            await exported(registry, metadata=bearer(role))
    assert await seen(registry, metadata=bearer("administrator")) == []


async def test_the_log_of_one_database(registry: Registry) -> None:
    created = await registry.create()
    await record(
        registry, [*LOG, event(8, database_id=created.id), event(9, database_id=created.id, actor="eve")]
    )
    request = messages.ListDatabaseAuditEventsRequest
    for expected, asked in (
        ([9, 8], request(id=created.id, since=BEGINNING)),
        ([9], request(id=created.id, actor="eve")),
        ([], request(id=created.id, action="mongodb.")),
    ):
        answer = await registry.audit.ListDatabaseAuditEvents(asked, metadata=registry.as_user, timeout=20)
        assert [each.request_id for each in answer.events] == [f"request-{number}" for number in expected]


async def test_a_token_is_good_for_its_list_alone(registry: Registry) -> None:
    await record(registry, events(4))
    token = (await page(registry, page_size=2)).next_page_token
    assert [each.request_id for each in (await page(registry, page_token=token)).events] == [
        "request-1",
        "request-0",
    ]
    other: list[dict[str, Any]] = [
        {"actor": "eve"},
        {"page_token": f"{token}A"},
    ]
    for fields in other:
        async with failing("INVALID_CURSOR", grpc.StatusCode.INVALID_ARGUMENT):
            await page(registry, **{"page_token": token, **fields})
    async with failing("INVALID_ARGUMENT", grpc.StatusCode.INVALID_ARGUMENT):
        await page(registry, since=at(2), until=at(1))


async def test_a_walk_while_events_arrive_sees_each_once(registry: Registry) -> None:
    """Those that arrive are newer, older and as old as those that are there."""
    await record(registry, events(60))
    arrived = asyncio.Event()

    async def arrive() -> None:
        for number in range(20):
            odd = [event(each, actor="late") for each in (1000 + number, 3 * number, -number - 1)]
            await record(registry, odd)
            arrived.set()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(arrive())
        await arrived.wait()
        found = await walk(registry, page_size=7)
    places = [(each.at.ToNanoseconds(), int(each.sequence)) for each in found]
    assert places == sorted(places, reverse=True)
    assert len(set(places)) == len(places)
    assert {each.request_id for each in found if each.actor != "late"} == {f"request-{n}" for n in range(60)}


async def exported(registry: Registry, **fields: Any) -> list[int]:  # noqa: ANN401  as above
    metadata = fields.pop("metadata", registry.as_user)
    call = registry.audit.ExportAuditEvents(
        messages.ExportAuditEventsRequest(**{"since": BEGINNING, **fields}), metadata=metadata, timeout=60
    )
    chunks = [chunk async for chunk in call]
    assert {chunk.content_type for chunk in chunks} == {"application/x-ndjson"}
    lines = b"".join(chunk.data for chunk in chunks).splitlines()
    return [int(json.loads(line)["request_id"].removeprefix("request-")) for line in lines]


async def test_an_export_has_the_events_from_the_oldest_on(registry: Registry) -> None:
    assert await exported(registry) == []
    await record(registry, [*reversed(LOG)])
    assert await exported(registry) == [*range(8)]
    assert await exported(registry, actor="eve", since=at(4)) == [4, 6, 7]


async def test_a_line_of_an_export_is_the_event_as_lists_show_it(registry: Registry) -> None:
    await record(registry, [LOG[1]])
    call = registry.audit.ExportAuditEvents(
        messages.ExportAuditEventsRequest(since=BEGINNING), metadata=registry.as_user, timeout=20
    )
    line = json.loads(b"".join([chunk.data async for chunk in call]))
    assert set(line) == {field.name for field in AuditEvent.DESCRIPTOR.fields}
    (shown,) = (await page(registry)).events
    assert line["at"] == "2150-05-01T12:00:01.000000Z"
    read = AuditEvent()
    for name in ("at", "recorded_at"):
        getattr(read, name).FromJsonString(line.pop(name))
    read.target.update(line.pop("target"))
    for name, value in line.items():
        setattr(read, name, value)
    assert read == shown


# 200,000 rows of a log in use: four actors, two areas, mostly reads, some projects, a rare one of each.
ROWS = 200_000


def in_use(number: int) -> AuditEvent:
    rare = number % 50_000 == 7
    return event(
        number,
        action="bun.api.call" if rare else f"redis.key.{('get', 'set')[number % 10 == 0]}",
        effect="endangers" if rare else ("reads", "changes")[number % 10 == 0],
        outcome="denied" if rare else "ok",
        actor="rare" if rare else f"user-{number % 4}",
        database_id=OTHER_DATABASE if rare else f"database-{number % 20}",
        project_ref="shop" if rare else f"project-{number % 5}",
        target={"key": "needle" if number == 7 else "hay"},
    )


@pytest.fixture(scope="module")
def large_log(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of a database with ROWS rows."""
    with psycopg.connect(postgres_server.url, autocommit=True) as admin:
        admin.execute("CREATE DATABASE large_audit_log")
        url = postgres_server.url.removesuffix("/postgres") + "/large_audit_log"
        migrate(url)
        with psycopg.connect(url, autocommit=True) as connection:
            # Making the indexes afterwards takes a tenth of the time.
            indexes = connection.execute(
                "SELECT indexname FROM pg_indexes WHERE tablename = 'database_audit_log' AND indexname LIKE '%_idx'"
            ).fetchall()
            for (index,) in indexes:
                connection.execute(sql.SQL("DROP INDEX platform.{}").format(sql.Identifier(index)))
            fill(connection, ((NOON, in_use(number)) for number in range(ROWS)))
            migrate(url)
            connection.execute("ANALYZE platform.database_audit_log")
        yield url
        admin.execute("DROP DATABASE large_audit_log WITH (FORCE)")


def plan_nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from plan_nodes(each)


PLANS: list[tuple[Filters, Scope, set[str]]] = [
    (Filters(), Scope(), {"time"}),
    (Filters(since=at(5), until=at(9)), Scope(), {"time"}),
    (Filters(target="needle"), Scope(), {"time"}),
    (Filters(outcome="ok", effect="reads"), Scope(), {"time"}),
    (Filters(actor="rare"), Scope(), {"actor"}),
    (Filters(actor="rare", action="bun.api.call", since=at(5)), Scope(), {"actor"}),
    (Filters(action="redis.key.set"), Scope(), {"action"}),
    (Filters(action="redis."), Scope(), {"area"}),
    (Filters(action="redis.key."), Scope(), {"area"}),
    (Filters(database=OTHER_DATABASE), Scope(), {"database"}),
    (Filters(project="shop"), Scope(), {"project"}),
    (Filters(effect="endangers"), Scope(), {"effect"}),
    (Filters(outcome="denied"), Scope(), {"outcome"}),
    (Filters(request_id="request-5"), Scope(), {"request"}),
    (Filters(), Scope(frozenset({"shop"}), "ada"), {"project", "api_keys"}),
    (Filters(target="needle"), Scope(frozenset({"shop", "project-1"}), "ada"), {"project", "api_keys"}),
    (Filters(database=OTHER_DATABASE), Scope(frozenset({"shop"}), "ada"), {"database"}),
]


def test_every_page_is_read_from_an_index_in_its_order(large_log: str) -> None:
    """Of 200,000 rows, by the plan that holds for any values: no statement reads or sorts the table."""
    arguments: dict[str, Any] = connection_arguments(large_log)
    wrong = []
    with psycopg.connect(**arguments, autocommit=True) as connection:
        connection.execute(BY_INDEX.replace("true", "false"))
        for filters, scope, indexes in PLANS:
            for is_export in (False, True):
                asked = conditions(filters, scope)
                query = statement(asked, filters, limit=101, is_export=is_export).replace("%%", "%")
                names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", query)))
                for number, name in enumerate(names, start=1):
                    query = query.replace(f"%({name})s", f"${number}")
                explained = connection.execute(
                    f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {query}".encode()
                ).fetchone()
                assert explained is not None
                nodes = list(plan_nodes(explained[0][0]["Plan"]))
                used = {
                    each["Index Name"].removeprefix("database_audit_log_").removesuffix("_idx")
                    for each in nodes
                    if "Index Name" in each
                }
                kinds = {each["Node Type"] for each in nodes if "Relation Name" in each}
                sorts = any("Sort" in each["Node Type"] for each in nodes)
                if used != indexes or kinds != {"Index Scan"} or sorts:
                    wrong.append((filters, scope, used, kinds, sorts))
    assert wrong == []


async def test_a_search_for_what_is_rare_takes_pages_not_time(large_log: str) -> None:
    """Each looks through MAX_SCANNED rows; the last one finds it. An export finds it, too."""
    async with running_registry(settings(large_log)) as registry:
        token, pages, found = "", 0, []
        while pages == 0 or token:
            answer = await page(registry, target="NEEDLE", page_token=token)
            found += [each.request_id for each in answer.events]
            token, pages = answer.next_page_token, pages + 1
        assert (found, pages) == (["request-7"], ROWS // MAX_SCANNED + 1)
        assert await exported(registry, target="needle") == [7]
        assert len(await exported(registry, database="database-1", since=at(ROWS - 50_000))) == 2500
