"""Rules about what protects the data: persistence, replication, access, the server's version."""

from __future__ import annotations

import re

from services.redis_svc.server.advice import MIB, Rule, Server, Severity, UnknownFigureError, in_words
from services.redis_svc.server.facts import as_number

_PERSISTENCE = "https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/"
_REPLICATION = "https://redis.io/docs/latest/operate/oss_and_stack/management/replication/"
_SECURITY = "https://redis.io/docs/latest/operate/oss_and_stack/management/security/"
_LATENCY = "https://redis.io/docs/latest/operate/oss_and_stack/management/optimization/latency/"

OLDEST = (7, 2)
"""First Redis whose line had security fixes in 2025; Valkey begins with it."""
SLOW_FORK_US = 500_000
LAG_BYTES = 10 * MIB
LAG_S = 10
FULL_SYNCS = 10
DENIED_LOGINS = 100
_VERSION = re.compile(r"(\d+)\.(\d+)")


def _no_persistence(server: Server) -> str | None:
    if server.number("aof_enabled") or server.setting("save").strip('" '):
        return None
    return "There is neither an append-only file nor a schedule for saving: a restart loses everything."


def _save_fails(server: Server) -> str | None:
    if server.text("rdb_last_bgsave_status") == "ok":
        return None
    changes = server.facts.number_or("rdb_changes_since_last_save", 0)
    return f"The last save to disk failed; {changes:,.0f} changes are in memory only."


def _aof_fails(server: Server) -> str | None:
    names = ("aof_last_write_status", "aof_last_bgrewrite_status")
    bad = [name for name in names if server.text(name) != "ok"]
    return f"The append-only file is in trouble: {', '.join(bad)} is not ok." if bad else None


def _slow_fork(server: Server) -> str | None:
    took = server.number("latest_fork_usec")
    if took < SLOW_FORK_US:
        return None
    return f"The last fork, which saving begins with, stopped the server for {took / 1000:,.0f} ms."


def _always_fsync(server: Server) -> str | None:
    if not server.number("aof_enabled") or server.setting("appendfsync") != "always":
        return None
    return "appendfsync is `always`: every write waits for the disk."


def _huge_pages(server: Server) -> str | None:
    if server.setting("disable-thp") != "no":
        return None
    return (
        "disable-thp is `no`: with transparent huge pages each save copies far more memory than has changed."
    )


def _link_down(server: Server) -> str | None:
    if server.text("role") != "slave" or server.text("master_link_status") == "up":
        return None
    down = server.facts.number_or("master_link_down_since_seconds", 0)
    return f"It is a replica that has lost its primary, for {down:,.0f} s: what it shows is old."


def _replica_behind(server: Server) -> str | None:
    if server.text("role") != "master":
        return None
    end = server.number("master_repl_offset")
    for name, row in server.facts.rows("replication", "slave").items():
        state, offset, lag = row.get("state"), as_number(row.get("offset")), as_number(row.get("lag"))
        if state is not None and state != "online":
            return f"Replica {name} is not online, its state is {state}."
        if offset is not None and end - offset > LAG_BYTES:
            return f"Replica {name} is {in_words(end - offset)} behind."
        if lag is not None and lag > LAG_S:
            return f"Replica {name} was last heard of {lag:,.0f} s ago."
    return None


def _full_syncs(server: Server) -> str | None:
    full = server.number("sync_full")
    if full < FULL_SYNCS:
        return None
    backlog = in_words(server.facts.number_or("repl_backlog_size", 0))
    return (
        f"Replicas had to copy everything {full:,.0f} times; the backlog that spares them that is {backlog}."
    )


def _open_to_all(server: Server) -> str | None:
    if server.default_user is None:
        raise UnknownFigureError("default user")
    if not {"on", "nopass"} <= server.default_user:
        return None
    return "The user `default` needs no password: whoever reaches the port may do what it may."


def _unprotected(server: Server) -> str | None:
    if server.default_user is None:
        raise UnknownFigureError("default user")
    if server.setting("protected-mode") != "no" or not {"on", "nopass"} <= server.default_user:
        return None
    return "protected-mode is off and there is no password: other hosts are served, too."


def _denied_logins(server: Server) -> str | None:
    denied = server.number("acl_access_denied_auth")
    if denied < DENIED_LOGINS:
        return None
    return (
        f"{denied:,.0f} logins were refused since its start: a client is misconfigured, or somebody guesses."
    )


def _old(server: Server) -> str | None:
    if server.facts.text("valkey_version"):
        return None
    text = server.text("redis_version")
    found = _VERSION.match(text)
    if found is None:
        raise UnknownFigureError("redis_version")
    if (int(found[1]), int(found[2])) >= OLDEST:
        return None
    return f"It is Redis {text}; lines before 7.2 get no security fixes any more."


RULES = (
    Rule(
        "save-fails", Severity.HIGH, "See the server's log; the disk may be full.", _PERSISTENCE, _save_fails
    ),
    Rule("aof-fails", Severity.HIGH, "See the server's log; the disk may be full.", _PERSISTENCE, _aof_fails),
    Rule(
        "replica-link-down",
        Severity.HIGH,
        "Look at the network between them, and at the primary.",
        _REPLICATION,
        _link_down,
    ),
    Rule("unprotected", Severity.HIGH, "Set a password, and protected-mode to yes.", _SECURITY, _unprotected),
    Rule(
        "no-password",
        Severity.HIGH,
        "Give the user `default` a password, or switch it off.",
        _SECURITY,
        _open_to_all,
    ),
    Rule(
        "replica-behind",
        Severity.MEDIUM,
        "Look at the replica's load and the network between.",
        _REPLICATION,
        _replica_behind,
    ),
    Rule(
        "no-persistence",
        Severity.MEDIUM,
        "Switch saving or the append-only file on, unless it is a cache.",
        _PERSISTENCE,
        _no_persistence,
    ),
    Rule("full-syncs", Severity.MEDIUM, "Raise repl-backlog-size.", _REPLICATION, _full_syncs),
    Rule("denied-logins", Severity.MEDIUM, "Find the client with ACL LOG.", _SECURITY, _denied_logins),
    Rule(
        "old-version",
        Severity.MEDIUM,
        "Upgrade to a version that gets security fixes.",
        "https://redis.io/docs/latest/operate/oss_and_stack/install/upgrade/",
        _old,
    ),
    Rule(
        "slow-fork", Severity.MEDIUM, "Save on a replica, or hold less on one server.", _LATENCY, _slow_fork
    ),
    Rule(
        "fsync-always",
        Severity.LOW,
        "Set appendfsync to everysec, unless no second may be lost.",
        _PERSISTENCE,
        _always_fsync,
    ),
    Rule(
        "huge-pages",
        Severity.LOW,
        "Set disable-thp to yes, or switch them off on the host.",
        _LATENCY,
        _huge_pages,
    ),
)
"""In the order in which equally severe ones are shown."""
