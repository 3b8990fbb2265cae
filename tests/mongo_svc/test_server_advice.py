"""Recommendations: what each rule says of a server that needs it, and that a good one hears nothing."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest

from services.mongo_svc.server.advice import RULES, Facts, judge
from services.mongo_svc.server.overview import Member, Overview
from services.runtime.rates import Growth

GIB = 2**30

STATUS = {
    "connections": {"current": 100, "available": 900},
    "wiredTiger": {"cache": {"tracked dirty bytes in the cache": 0, "maximum bytes configured": GIB}},
    "globalLock": {"currentQueue": {"total": 0}, "activeClients": {"total": 3}},
}


def member(state: str, *, lag_s: float = 0, healthy: bool = True) -> Member:
    return Member(f"{state}:27017", state, healthy, 100, lag_s, 1, "", "", asked=state == "PRIMARY")


MEMBERS = (member("PRIMARY"), member("SECONDARY", lag_s=1), member("SECONDARY", lag_s=2))
GOOD = Facts(
    overview=Overview(STATUS, {"setName": "rs"}, "8.0.4", Growth(), members=MEMBERS),
    users=({"user": "app", "db": "admin"},),
    compatibility="8.0",
    today=dt.date(2026, 1, 1),
)


def with_overview(**changed: Any) -> Facts:  # noqa: ANN401  fields of several types
    return dataclasses.replace(GOOD, overview=dataclasses.replace(GOOD.overview, **changed))


def test_a_good_server_hears_nothing() -> None:
    advice = judge(GOOD)
    assert (advice.findings, advice.checked, advice.skipped) == ([], len(RULES), [])


@pytest.mark.parametrize(
    ("facts", "rule", "severity"),
    [
        (dataclasses.replace(GOOD, users=()), "access_control", "high"),
        (
            dataclasses.replace(with_overview(version="6.0.9"), compatibility="6.0"),
            "supported_version",
            "medium",
        ),
        (
            dataclasses.replace(with_overview(version="3.6.1"), compatibility="3.6"),
            "supported_version",
            "medium",
        ),
        (dataclasses.replace(GOOD, compatibility="7.0"), "compatibility_version", "low"),
        (with_overview(members=(*MEMBERS, member("DOWN", healthy=False))), "members_healthy", "high"),
        (with_overview(members=(*MEMBERS, member("SECONDARY", lag_s=61))), "replication_lag", "high"),
        (with_overview(members=MEMBERS[:2]), "enough_members", "low"),
        (
            with_overview(status={**STATUS, "connections": {"current": 800, "available": 200}}),
            "free_connections",
            "high",
        ),
        (
            with_overview(
                status={
                    **STATUS,
                    "wiredTiger": {
                        "cache": {
                            "tracked dirty bytes in the cache": GIB // 4,
                            "maximum bytes configured": GIB,
                        }
                    },
                }
            ),
            "dirty_cache",
            "medium",
        ),
        (
            with_overview(
                status={
                    **STATUS,
                    "globalLock": {"currentQueue": {"total": 50}, "activeClients": {"total": 3}},
                }
            ),
            "waiting_operations",
            "medium",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_rule_finds_what_it_is_about(facts: Facts, rule: str, severity: str) -> None:
    advice = judge(facts)
    assert [(each.id, each.severity) for each in advice.findings] == [(rule, severity)]


def test_what_is_not_told_is_skipped_and_named() -> None:
    advice = judge(dataclasses.replace(with_overview(status={}, members=()), compatibility=""))
    assert advice.findings == []
    assert advice.skipped == [
        "compatibility_version",
        "members_healthy",
        "replication_lag",
        "enough_members",
        "free_connections",
        "dirty_cache",
        "waiting_operations",
    ]


def test_the_most_severe_comes_first() -> None:
    advice = judge(dataclasses.replace(GOOD, users=(), compatibility="7.0"))
    assert [each.severity for each in advice.findings] == ["high", "low"]
