"""Error replies: the reason each one becomes, and that none of them is a failure of ours."""

from __future__ import annotations

import pytest

from services.redis_svc.errors import to_studio_error
from services.redis_svc.replies import ServerError
from services.runtime.statuses import code_of, retry_after_s


@pytest.mark.parametrize(
    ("text", "reason", "retryable"),
    [
        ("NOAUTH Authentication required.", "DB_INVALID_CREDENTIALS", False),
        ("WRONGPASS invalid username-password pair or user is disabled.", "DB_INVALID_CREDENTIALS", False),
        ("NOPERM this user has no permissions to run the 'get' command", "DB_PERMISSION_DENIED", False),
        ("DENIED Redis is running in protected mode because …", "DB_PERMISSION_DENIED", False),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", "WRONG_TYPE", False),
        ("READONLY You can't write against a read only replica.", "DB_READ_ONLY", False),
        ("OOM command not allowed when used memory > 'maxmemory'.", "DB_READ_ONLY", False),
        ("MISCONF Errors writing to the AOF file: No space left on device", "DB_READ_ONLY", False),
        ("NOREPLICAS Not enough good replicas to write.", "DB_READ_ONLY", False),
        ("LOADING Redis is loading the dataset in memory", "DB_UNAVAILABLE", True),
        ("BUSY Redis is busy running a script.", "DB_UNAVAILABLE", True),
        ("MASTERDOWN Link with MASTER is down", "DB_UNAVAILABLE", True),
        ("CLUSTERDOWN The cluster is down", "DB_UNAVAILABLE", True),
        ("TRYAGAIN Multiple keys request during rehashing of slot", "DB_UNAVAILABLE", True),
        ("ERR max number of clients reached", "DB_UNAVAILABLE", True),
        ("ERR max number of clients + cluster connections reached", "DB_UNAVAILABLE", True),
        ("MOVED 3999 127.0.0.1:6381", "DB_QUERY_ERROR", False),
        ("ASK 3999 127.0.0.1:6381", "DB_QUERY_ERROR", False),
        ("CROSSSLOT Keys in request don't hash to the same slot", "DB_QUERY_ERROR", False),
        ("ERR unknown command 'FOO', with args beginning with: 'secret'", "NOT_SUPPORTED", False),
        ("ERR syntax error", "DB_QUERY_ERROR", False),
        ("SOMETHINGNEW in a later version", "DB_QUERY_ERROR", False),
        ("", "DB_QUERY_ERROR", False),
    ],
)
def test_a_reply_becomes_a_reason_that_is_never_an_internal_error(
    text: str,
    reason: str,
    retryable: bool,  # noqa: FBT001  a column of the table
) -> None:
    error = to_studio_error(ServerError(text), command="GET")

    assert error.reason_name == reason
    assert (retry_after_s(error) is not None) == retryable
    assert code_of(error).name not in {"INTERNAL", "UNKNOWN"}
    assert error.message


def test_arguments_that_the_server_repeats_are_not_shown() -> None:
    error = to_studio_error(ServerError("ERR unknown command 'AUHT', with args beginning with: 'secret'"))

    assert "secret" not in error.message + error.hint
    assert "AUHT" in error.message


def test_a_cluster_node_is_named_as_what_it_is() -> None:
    assert "Cluster" in to_studio_error(ServerError("MOVED 3999 127.0.0.1:6381")).message


@pytest.mark.parametrize(
    ("text", "permission"),
    [
        ("NOPERM User bob has no permissions to run the 'client|setname' command", "+client|setname"),
        ("NOPERM this user has no permissions to run the 'get' command or its subcommand", "+get"),
        ("NOPERM No permissions to access a key", "~<pattern>"),
        ("NOPERM this user has no permissions to access one of the keys used as arguments", "~<pattern>"),
        ("NOPERM No permissions to access a channel", "&<pattern>"),
    ],
)
def test_the_permission_that_is_missing_is_named(text: str, permission: str) -> None:
    assert to_studio_error(ServerError(text)).metadata["permission"] == permission


def test_a_text_without_end_is_cut() -> None:
    assert len(to_studio_error(ServerError("ERR " + "x" * 100_000)).message) < 500
