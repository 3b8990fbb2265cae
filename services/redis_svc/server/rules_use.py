"""Rules about how the server is used: clients, commands, keys, and what it records of them."""

from __future__ import annotations

from services.redis_svc.server.advice import Rule, Server, Severity, UnknownFigureError
from services.redis_svc.server.facts import as_number

_CLIENTS = "https://redis.io/docs/latest/develop/reference/clients/"
_LATENCY = "https://redis.io/docs/latest/operate/oss_and_stack/management/optimization/latency/"
_COMMANDS = "https://redis.io/docs/latest/commands/"

CLIENT_SHARE = 0.8
BLOCKED_SHARE = 0.5
BLOCKED = 50
MANY_CLIENTS = 1000
CONNECTIONS_A_SECOND = 50
UPTIME_S = 300
"""Figures by the second mean nothing before."""
LOOKUPS = 10_000
HIT_RATIO = 0.5
STALE_PERCENT = 10
KEYS = 100_000
EXPIRING_SHARE = 0.01
COMMANDS_RUN = 10_000
ERROR_SHARE = 0.05
SLOW_US = 10_000
SLOW_CALLS = 10
LAZY_THRESHOLD_US = 100_000


def _clients(server: Server) -> str | None:
    now, most = server.number("connected_clients"), server.number("maxclients")
    if not most or now / most < CLIENT_SHARE:
        return None
    return f"{now:,.0f} clients are connected, of {most:,.0f} that it takes."


def _rejected(server: Server) -> str | None:
    rejected = server.number("rejected_connections")
    return f"{rejected:,.0f} connections were refused because of maxclients." if rejected else None


def _blocked(server: Server) -> str | None:
    blocked, now = server.number("blocked_clients"), server.number("connected_clients")
    if blocked < BLOCKED or blocked < now * BLOCKED_SHARE:
        return None
    return f"{blocked:,.0f} of {now:,.0f} clients wait in a blocking command: what they wait for may have stopped."


def _no_timeout(server: Server) -> str | None:
    now = server.number("connected_clients")
    if now < MANY_CLIENTS or server.setting_number("timeout"):
        return None
    return f"{now:,.0f} clients are connected and timeout is 0: those that are forgotten stay for ever."


def _churn(server: Server) -> str | None:
    opened, uptime = server.number("total_connections_received"), server.number("uptime_in_seconds")
    if uptime < UPTIME_S or opened / uptime < CONNECTIONS_A_SECOND:
        return None
    return f"{opened / uptime:,.0f} connections a second were opened on average."


def _output_limit(server: Server) -> str | None:
    ended = server.number("client_output_buffer_limit_disconnections")
    return f"{ended:,.0f} clients were cut off because they read their replies too slowly." if ended else None


def _misses(server: Server) -> str | None:
    hits, misses = server.number("keyspace_hits"), server.number("keyspace_misses")
    if hits + misses < LOOKUPS or hits / (hits + misses) >= HIT_RATIO:
        return None
    return f"{misses / (hits + misses):.0%} of {hits + misses:,.0f} look-ups found no key."


def _stale(server: Server) -> str | None:
    stale = server.number("expired_stale_perc")
    return (
        f"About {stale:.0f} % of the keys with an expiry are over, but still take memory."
        if stale >= STALE_PERCENT
        else None
    )


def _no_expiry(server: Server) -> str | None:
    rows = server.facts.rows("keyspace", "db").values()
    keys = sum(as_number(row.get("keys")) or 0 for row in rows)
    expires = sum(as_number(row.get("expires")) or 0 for row in rows)
    if keys < KEYS or expires / keys >= EXPIRING_SHARE:
        return None
    return f"{expires:,.0f} of {keys:,.0f} keys have an expiry: what nobody uses any more stays."


def _numbered(server: Server) -> str | None:
    used = len(server.facts.rows("keyspace", "db"))
    if used < 2:  # noqa: PLR2004  more than the one that everybody has
        return None
    return f"{used} numbered databases hold keys: they share one thread and all settings, and a Cluster has one only."


def _ran(server: Server, *names: str) -> dict[str, float]:
    if not server.commands:
        raise UnknownFigureError("commandstats")
    return {name: server.commands[name].calls for name in names if name in server.commands}


def _keys_command(server: Server) -> str | None:
    calls = _ran(server, "keys").get("keys")
    return (
        f"KEYS was called {calls:,.0f} times: each call holds the server for as long as it has keys."
        if calls
        else None
    )


def _monitor(server: Server) -> str | None:
    calls = _ran(server, "monitor").get("monitor")
    return (
        f"MONITOR was called {calls:,.0f} times: while it runs it can take half of the throughput."
        if calls
        else None
    )


def _save_command(server: Server) -> str | None:
    calls = _ran(server, "save").get("save")
    return f"SAVE was called {calls:,.0f} times: it holds the server until all is on disk." if calls else None


def _slow_commands(server: Server) -> str | None:
    _ran(server)
    slow = [
        each
        for each in server.commands.values()
        if each.calls >= SLOW_CALLS and each.usec_per_call >= SLOW_US
    ]
    if not slow:
        return None
    worst = max(slow, key=lambda each: each.usec_per_call)
    return (
        f"{worst.name.upper()} takes {worst.usec_per_call / 1000:,.1f} ms on average, in {worst.calls:,.0f} calls; "
        f"{len(slow)} commands take more than {SLOW_US / 1000:.0f} ms."
    )


def _errors(server: Server) -> str | None:
    errors, run = server.number("total_error_replies"), server.number("total_commands_processed")
    if run < COMMANDS_RUN or errors / run < ERROR_SHARE:
        return None
    return f"{errors / run:.0%} of the commands since its start were answered with an error."


def _slow_log_off(server: Server) -> str | None:
    threshold = server.setting_number("slowlog-log-slower-than")
    if threshold < 0:
        return "slowlog-log-slower-than is negative: the slow log is off."
    if threshold > LAZY_THRESHOLD_US:
        return f"Only commands of more than {threshold / 1000:,.0f} ms are logged as slow."
    return None


def _slow_log_full(server: Server) -> str | None:
    if server.slow_log_length is None:
        raise UnknownFigureError("slow log")
    most = server.setting_number("slowlog-max-len")
    if not most or server.slow_log_length < most:
        return None
    return f"The slow log has {server.slow_log_length:,} of {most:,.0f} entries: older ones are lost."


def _latency_monitor(server: Server) -> str | None:
    if server.setting_number("latency-monitor-threshold"):
        return None
    return "latency-monitor-threshold is 0: what makes the server pause is not recorded."


def _notifications(server: Server) -> str | None:
    events = server.setting("notify-keyspace-events")
    if not events:
        return None
    return f"notify-keyspace-events is `{events}`: every change publishes messages, whether anybody listens or not."


RULES = (
    Rule("clients-nearly-full", Severity.HIGH, "Raise maxclients, or share connections.", _CLIENTS, _clients),
    Rule("clients-rejected", Severity.MEDIUM, "Raise maxclients, or share connections.", _CLIENTS, _rejected),
    Rule("keys-command", Severity.MEDIUM, "Use SCAN in place of KEYS.", f"{_COMMANDS}keys/", _keys_command),
    Rule("save-command", Severity.MEDIUM, "Use BGSAVE in place of SAVE.", f"{_COMMANDS}save/", _save_command),
    Rule(
        "slow-commands",
        Severity.MEDIUM,
        "See the slow log for what they are called with.",
        _LATENCY,
        _slow_commands,
    ),
    Rule(
        "output-limit",
        Severity.MEDIUM,
        "Ask for less at a time, or raise client-output-buffer-limit.",
        f"{_CLIENTS}#output-buffer-limits",
        _output_limit,
    ),
    Rule(
        "stale-keys",
        Severity.MEDIUM,
        "Raise active-expire-effort, or spread expiries.",
        f"{_COMMANDS}expire/",
        _stale,
    ),
    Rule("connection-churn", Severity.LOW, "Keep connections open, in a pool.", _CLIENTS, _churn),
    Rule(
        "blocked-clients", Severity.LOW, "Look at what should produce what they wait for.", _CLIENTS, _blocked
    ),
    Rule(
        "no-idle-timeout",
        Severity.LOW,
        "Set timeout, so that idle clients are closed.",
        f"{_CLIENTS}#client-timeouts",
        _no_timeout,
    ),
    Rule(
        "low-hit-ratio",
        Severity.LOW,
        "See whether keys expire too early, or are never written.",
        "https://redis.io/docs/latest/commands/info/",
        _misses,
    ),
    Rule(
        "no-expiry",
        Severity.LOW,
        "Give keys an expiry where they are a cache's.",
        f"{_COMMANDS}expire/",
        _no_expiry,
    ),
    Rule(
        "numbered-databases",
        Severity.LOW,
        "Use one server each, or prefixes.",
        f"{_COMMANDS}select/",
        _numbered,
    ),
    Rule("monitor-command", Severity.LOW, "Use MONITOR for moments only.", f"{_COMMANDS}monitor/", _monitor),
    Rule(
        "error-replies",
        Severity.LOW,
        "See errorstats in INFO for which.",
        "https://redis.io/docs/latest/commands/info/",
        _errors,
    ),
    Rule(
        "slow-log-off",
        Severity.LOW,
        "Set slowlog-log-slower-than to 10000.",
        f"{_COMMANDS}slowlog-get/",
        _slow_log_off,
    ),
    Rule(
        "slow-log-full",
        Severity.LOW,
        "Raise slowlog-max-len, or read and empty it.",
        f"{_COMMANDS}slowlog-get/",
        _slow_log_full,
    ),
    Rule(
        "latency-monitor-off",
        Severity.LOW,
        "Set latency-monitor-threshold to 100, say.",
        _LATENCY,
        _latency_monitor,
    ),
    Rule(
        "keyspace-events",
        Severity.LOW,
        "Switch on only the events that are listened to.",
        "https://redis.io/docs/latest/develop/pubsub/keyspace-notifications/",
        _notifications,
    ),
)
"""In the order in which equally severe ones are shown."""
