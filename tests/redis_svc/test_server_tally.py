"""The figures of an analysis in bounded memory, and the pace that keeps it from being felt."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.redis_svc.handlers.analysis import report_of
from services.redis_svc.key_details import Keys
from services.redis_svc.server.pace import (
    HOLD_S,
    MAX_HOLD_S,
    MAX_REST_S,
    MAX_STEP,
    MIN_REST_S,
    MIN_STEP,
    REST_FACTOR,
    Pace,
)
from services.redis_svc.server.prefixes import MAX_PREFIX_BYTES, Prefixes
from services.redis_svc.server.tally import EXPIRY, MAX_NAME_BYTES, MAX_TYPES, Tally, Top


def column(*keys: tuple[bytes, str, int, int, int]) -> Keys:
    names, types, ttls, memory, lengths = map(list, zip(*keys, strict=True))
    return Keys(names, types, ttls, memory, lengths)


def test_keys_are_counted_by_everything() -> None:
    tally = Tally()
    tally.add(
        column(
            (b"a:1", "string", -1, 50, 5), (b"a:2", "hash", 1000, 70, 2), (b"alone", "list", 61_000, 30, 9)
        )
    )

    report = report_of(tally)

    assert (report.analyzed, report.memory_bytes) == (3, 150)
    assert [(each.prefix.value, each.keys, each.memory_bytes) for each in report.namespaces] == [
        ("a:", 2, 120),
        ("", 1, 30),
    ]
    assert [(each.type, each.keys, each.memory_bytes, each.length) for each in report.types] == [
        ("hash", 1, 70, 2),
        ("string", 1, 50, 5),
        ("list", 1, 30, 9),
    ]
    assert {each.label: each.keys for each in report.expiry if each.keys} == {"never": 1, "1m": 1, "1h": 1}
    assert [each.key.value for each in report.largest] == ["a:2", "a:1", "alone"]
    assert [(each.key.value, each.length) for each in report.longest] == [("alone", 9), ("a:2", 2)]


@pytest.mark.parametrize(
    ("ttl_ms", "label"),
    [
        (-1, "never"),
        (0, "1m"),
        (60_000, "1m"),
        (60_001, "1h"),
        (3_600_000, "1h"),
        (86_400_000, "1d"),
        (7 * 86_400_000, "7d"),
        (30 * 86_400_000, "30d"),
        (30 * 86_400_000 + 1, "later"),
        (2**62, "later"),
    ],
)
def test_a_time_to_live_falls_into_one_bucket(ttl_ms: int, label: str) -> None:
    tally = Tally()
    tally.add(column((b"k", "string", ttl_ms, 10, 1)))

    assert [name for name, each in zip(EXPIRY, tally.expiry, strict=True) if each.keys] == [label]


def test_memory_that_the_server_does_not_tell_is_unknown_everywhere() -> None:
    tally = Tally()
    tally.add(Keys([b"a:1", b"b"], ["list", "set"], [-1, 5], [-1, -1], [3, 4]))

    report = report_of(tally)

    assert report.memory_bytes == -1
    assert {each.memory_bytes for each in report.types} == {-1}
    assert {each.memory_bytes for each in report.namespaces} == {-1}
    assert {each.memory_bytes for each in report.expiry} == {-1}
    assert list(report.largest) == []
    assert [(each.length, each.memory_bytes) for each in report.longest] == [(4, -1), (3, -1)]


def test_an_empty_keyspace_takes_nothing() -> None:
    assert report_of(Tally()).memory_bytes == 0


@given(st.lists(st.integers(0, 50)), st.integers(1, 8))
def test_the_most_are_those_that_sorting_finds(values: list[int], size: int) -> None:
    top = Top(size)
    for number, value in enumerate(values):
        if value > top.floor:
            top.add(value, b"%d" % number, "string", value, 1)

    assert [each.value for each in top.ranked()] == sorted(
        (value for value in values if value), reverse=True
    )[:size]


def test_of_a_long_name_the_beginning_is_kept() -> None:
    tally = Tally()
    tally.add(column((b"k" * 100_000, "list", -1, 100_100, 1)))

    (key,) = report_of(tally).largest

    assert (len(key.key.value), key.key.full_length) == (MAX_NAME_BYTES, 100_000)


def test_types_are_told_apart_up_to_a_number() -> None:
    tally = Tally()
    for number in range(3 * MAX_TYPES):
        tally.add(column((b"k", f"module{number}", -1, 1, 1)))

    assert len(tally.types) == MAX_TYPES + 1
    assert sum(each.keys for each in tally.types.values()) == 3 * MAX_TYPES


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 100))), st.integers(2, 10), st.integers(1, 5))
def test_sums_over_all_prefixes_are_exact(keys: list[tuple[int, int]], capacity: int, shown: int) -> None:
    prefixes = Prefixes(b":", capacity)
    for number, memory in keys:
        prefixes.add(b"%d:x" % number, memory)

    found, others = prefixes.largest(shown)

    assert len(found) <= shown
    assert sum(each.keys for _, each in found) + others.keys == len(keys)
    assert sum(each.memory for _, each in found) + others.memory == sum(memory for _, memory in keys)


def test_large_prefixes_are_found_among_more_than_are_held() -> None:
    names = [b"big%d:%d" % (number % 5, number) for number in range(5000)]
    names += [b"user%d:profile" % number for number in range(50_000)]
    random.Random(7).shuffle(names)
    prefixes = Prefixes(b":", 1000)
    for name in names:
        prefixes.add(name, 10)

    found, others = prefixes.largest(5)

    assert sorted(prefix for prefix, _ in found) == [b"big%d:" % number for number in range(5)]
    assert all(each.keys > 950 for _, each in found)
    assert others.keys == 55_000 - sum(each.keys for _, each in found)


def test_separators_of_several_bytes_and_endless_prefixes() -> None:
    prefixes = Prefixes(b"::")
    for name in (b"a::b::c", b"a::d", b"a:b", b"::x", b"p" * (MAX_PREFIX_BYTES + 1) + b"::x"):
        prefixes.add(name, 1)

    found, others = prefixes.largest(10)

    assert {prefix: each.keys for prefix, each in found} == {b"a::": 2, b"": 1, b"::": 1}
    assert others.keys == 1


def test_steps_shrink_where_keys_cost_much_and_grow_back() -> None:
    pace = Pace()
    pace.pinged(0.000_1)
    for _ in range(50):
        pace.worked(pace.step, 0.000_1 + pace.step * 0.001)
    assert pace.step == MIN_STEP
    for _ in range(50):
        pace.worked(pace.step, 0.000_1 + pace.step * 0.000_002)
    assert pace.step * 0.000_002 == pytest.approx(HOLD_S, rel=0.1)


def test_steps_are_larger_where_the_network_takes_long_anyway() -> None:
    near, far = Pace(), Pace()
    near.pinged(0.000_05)
    far.pinged(0.1)
    for pace, network in ((near, 0.000_05), (far, 0.1)):
        for _ in range(100):
            pace.worked(pace.step, network + pace.step * 0.000_004)

    assert far.step > near.step
    assert far.step * 0.000_004 <= MAX_HOLD_S
    assert far.step <= MAX_STEP


def test_others_get_more_time_than_the_analysis_takes() -> None:
    pace = Pace()
    pace.pinged(0.000_1)
    worked = rested = 0.0
    for _ in range(1000):
        pace.worked(pace.step, 0.000_3, 0.000_1)
        worked += 0.000_2 + 0.000_1  # of the server beyond the network, and of this process
        rested += pace.rest()

    # What is too short to tell is saved up, not lost.
    assert rested == pytest.approx(REST_FACTOR * worked, abs=MIN_REST_S)
    assert rested > worked


def test_a_server_that_stood_still_is_not_waited_for_as_long_again() -> None:
    pace = Pace()
    pace.worked(10, 60.0)

    assert pace.rest() == MAX_REST_S
    assert pace.rest() == 0
