"""Commands as people see them: short, and without secrets."""

from __future__ import annotations

import json

import bson
import pytest

from services.mongo_svc.server import log, shown
from services.mongo_svc.server.bounds import SHOWN_COMMAND_CHARACTERS

CANARY = "correct-horse-battery-staple"


@pytest.mark.parametrize(
    "command",
    [
        {"createUser": "bob", "pwd": CANARY, "roles": []},
        {"updateUser": "bob", "pwd": CANARY},
        {"saslStart": 1, "mechanism": "PLAIN", "payload": CANARY.encode()},
        {"saslContinue": 1, "payload": CANARY.encode()},
        {"copydb": 1, "key": CANARY},
        {"CREATEUSER": CANARY},
        {"hello": 1, "speculativeAuthenticate": {"saslStart": 1, "payload": CANARY.encode()}},
        {"find": "users", "filter": {"Password": CANARY}},
        {"explain": {"createUser": CANARY}},
        {"aggregate": "c", "pipeline": [{"$match": {"a": [{"apiKey": CANARY}]}}]},
    ],
)
def test_a_secret_is_masked_wherever_it_stands(command: dict[str, object]) -> None:
    text, truncated = shown.command(bson.encode(command))
    assert CANARY not in text
    assert "***" in text
    assert not truncated
    json.loads(text)


def test_an_ordinary_command_is_shown_as_it_is_without_what_drivers_add() -> None:
    command = {"find": "c", "filter": {"_id": bson.Int64(2**60)}, "lsid": {"id": 1}, "$clusterTime": {"t": 1}}
    text, truncated = shown.command(bson.encode(command))
    assert json.loads(text) == {"find": "c", "filter": {"_id": {"$numberLong": str(2**60)}}}
    assert not truncated


@pytest.mark.parametrize(
    "command",
    [
        {"insert": "c", "documents": [{"text": "x" * 1_000_000}]},
        {"insert": "c", "documents": [{"n": n} for n in range(10_000)]},
        {"find": "c", "filter": {f"name{n}": "y" * 900 for n in range(50)}},
        {"insert": "c", "documents": [{"data": b"z" * 5000}]},
    ],
)
def test_a_long_command_is_cut(command: dict[str, object]) -> None:
    text, truncated = shown.command(bson.encode(command))
    assert truncated
    assert len(text) <= SHOWN_COMMAND_CHARACTERS


def test_a_line_of_the_log_is_taken_apart_and_masked() -> None:
    line = log.parse(
        json.dumps(
            {
                "t": {"$date": "2026-01-02T03:04:05.678+00:00"},
                "s": "I",
                "c": "COMMAND",
                "id": 51803,
                "ctx": "conn7",
                "msg": "Slow query",
                "attr": {"command": {"createUser": "bob", "pwd": CANARY}, "durationMillis": 120},
            }
        )
    )
    assert (line.severity, line.component, line.context, line.message) == (
        "I",
        "COMMAND",
        "conn7",
        "Slow query",
    )
    assert line.at_unix_ms == 1767323045678
    assert json.loads(line.attributes) == {"command": {"createUser": "***"}, "durationMillis": 120}


def test_a_line_without_parts_is_shown_without_credentials() -> None:
    line = log.parse(f"connecting to mongodb://root:{CANARY}@db:27017/ now")
    assert CANARY not in line.message
    assert line.message.startswith("connecting to mongodb://")


def test_a_line_of_a_server_before_4_4_is_taken_apart_and_masked() -> None:
    line = log.parse(
        f"2019-07-09T20:26:15.123+0000 I  NETWORK  [conn5] received mongodb://root:{CANARY}@db:27017/"
    )
    assert (line.severity, line.component, line.context) == ("I", "NETWORK", "conn5")
    assert line.at_unix_ms == 1562703975123
    assert line.message == "received mongodb://***@db:27017/"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("2019-07-09T20:26:15Z D2 - a message", ("D2", "", "", "a message")),
        ("2019-07-09T20:26:15Z I STORAGE [a b] two\nlines", ("I", "STORAGE", "a b", "two\nlines")),
        ("yesterday I NETWORK [conn5] a message", ("", "", "", "yesterday I NETWORK [conn5] a message")),
        ("0001-01-01T00:00:00 I NETWORK old", ("", "", "", "0001-01-01T00:00:00 I NETWORK old")),
        ("", ("", "", "", "")),
    ],
)
def test_a_line_without_its_parts_is_shown_whole(text: str, parts: tuple[str, str, str, str]) -> None:
    line = log.parse(text)
    assert (line.severity, line.component, line.context, line.message) == parts
