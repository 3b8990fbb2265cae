"""What the registry remembers of where pg-meta was led."""

from __future__ import annotations

import asyncio

import pytest

from services.registry.pg_meta import bounds, targets
from services.registry.pg_meta.targets import Target, Targets

TARGET = Target("postgresql://user:secret@h/db", "U2FsdGVkX1secret")


async def test_a_target_is_known_for_moments_only_and_by_its_revision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    real, ahead = loop.time, [0.0]
    monkeypatch.setattr(loop, "time", lambda: real() + ahead[0])
    known = Targets()
    known.put(("a", "1", True), TARGET)
    assert known.get(("a", "1", True)) is TARGET
    assert known.get(("a", "1", False)) is None
    assert known.get(("a", "2", True)) is None
    ahead[0] += bounds.TARGET_S
    assert known.get(("a", "1", True)) is None


async def test_targets_are_bounded_and_show_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "REMEMBERED", 2)
    known = Targets()
    for id_ in ("a", "b", "c"):
        known.put((id_, "1", True), TARGET)
    assert [known.get((id_, "1", True)) for id_ in ("a", "b", "c")] == [None, TARGET, TARGET]
    assert "secret" not in repr(TARGET)
