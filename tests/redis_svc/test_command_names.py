"""What traces say of a request to a server: names of commands, and nothing that a user wrote."""

from __future__ import annotations

from services.redis_svc.command_names import KNOWN, MAX_LOOKED_AT, names
from services.redis_svc.replies import pack


def test_names_are_read_from_packed_commands() -> None:
    assert names(pack([("type", b"k\r\n$3\r\nGET"), ("PTTL", "k"), (b"get", "k"), ("TYPE", "other")])) == [
        "TYPE",
        "PTTL",
        "GET",
    ]


def test_what_is_no_command_is_not_repeated() -> None:
    assert names(pack([("hunter2",), ("SET", "k", "hunter2"), ("PASSWORD", "GET")])) == ["OTHER", "SET"]
    assert names(pack([(b"\xff\xfe",)])) == ["OTHER"]


def test_only_the_first_commands_are_looked_at() -> None:
    commands = [(name,) for name in sorted(KNOWN)[: 2 * MAX_LOOKED_AT]]
    assert names(pack(commands)) == sorted(KNOWN)[:MAX_LOOKED_AT]
