"""What is made of a server's answers about itself."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from services.mongo_svc.server import operations, overview, top
from services.mongo_svc.server.asking import UNKNOWN
from services.runtime.errors import StudioError
from services.runtime.rates import Growth, Rates

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


def member(state: str, behind_s: float, **more: object) -> dict[str, Any]:
    return {
        "name": f"{state.lower()}:27017",
        "stateStr": state,
        "health": 1.0,
        "optimeDate": NOW - dt.timedelta(seconds=behind_s),
        **more,
    }


def test_the_lag_is_that_of_the_secondary_furthest_behind() -> None:
    found = overview.members(
        {
            "members": [
                member("PRIMARY", 0, self=True),
                member("SECONDARY", 2),
                member("SECONDARY", 7.5, pingMs=3),
                member("ARBITER", 1000),
            ]
        }
    )
    assert [each.lag_s for each in found] == [0, 2, 7.5, UNKNOWN]
    whole = overview.Overview({}, {"setName": "rs"}, "8.0.0", Growth(), members=found)
    assert (whole.lag_s, whole.topology) == (7.5, "replica_set")


def test_a_member_that_is_down_is_not_said_to_be_decades_behind() -> None:
    down = member("(not reachable/healthy)", 0, health=0.0) | {
        "optimeDate": dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    }
    found = overview.members({"members": [member("PRIMARY", 0), down]})
    assert [(each.healthy, each.lag_s) for each in found] == [(True, 0), (False, UNKNOWN)]


def test_without_a_primary_no_lag_is_known() -> None:
    assert [each.lag_s for each in overview.members({"members": [member("SECONDARY", 0)]})] == [UNKNOWN]


def test_counters_grow_by_the_second_until_the_server_is_started_anew() -> None:
    clock = iter([0.0, 2.0, 4.0])
    rates = Rates(clock=lambda: next(clock))

    def status(pid: int, inserts: int) -> dict[str, Any]:
        return {"host": "db", "pid": pid, "uptime": 100, "localTime": NOW, "opcounters": {"insert": inserts}}

    assert overview.look(status(1, 10), rates, "id").of("inserts") == UNKNOWN
    assert overview.look(status(1, 30), rates, "id").of("inserts") == 10
    assert overview.look(status(2, 90), rates, "id").of("inserts") == UNKNOWN


@pytest.mark.parametrize(("text", "value"), [("123", 123), ("-5", -5), ("shard01:77", "shard01:77")])
def test_an_operation_is_known_by_a_number_or_by_its_shard(text: str, value: object) -> None:
    assert operations.parse_opid(text) == value


@pytest.mark.parametrize("text", ["", "abc", "1;2", "shard:x", "9" * 40, "a:b:3"])
def test_what_is_no_operation_is_refused(text: str) -> None:
    with pytest.raises(StudioError, match="opid"):
        operations.parse_opid(text)


def test_notes_among_the_figures_of_collections_are_no_collection() -> None:
    figure = {"time": 1500, "count": 3}
    totals = {"note": "all times in microseconds", "a.x": {"total": figure}, "ab.y": {"total": figure}}
    found = top.parse(totals, "a")
    assert [(each.namespace, each.figures["total"]) for each in found] == [("a.x", (1.5, 3))]
    assert found[0].figures["reads"] == (UNKNOWN, UNKNOWN)
