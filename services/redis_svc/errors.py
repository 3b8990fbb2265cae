"""Error replies of Redis to errors of the contract, in one place. Never a 5xx for what a user can mend.

The prefixes are those of the servers' sources (`shared.*err` in Redis's server.c and Valkey's server.c).
"""

from __future__ import annotations

import re

from services.redis_svc.replies import Reply, ServerError
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

MAX_TEXT = 300
"""Characters of a server's text that an error repeats."""

# NOPERM User bob has no permissions to run the 'get' command      (Redis 7, Valkey)
# NOPERM this user has no permissions to run the 'get' command or its subcommand      (Redis 6)
_NOPERM_COMMAND = re.compile(r"permissions? to run the '([^']{1,64})' command")
# ERR ACL failure in script: User bob has no permissions to run the 'get' command      (Redis 7.2, Valkey)
# ERR The user executing the script can't run this command or subcommand      (Redis 6 and 7.0)
_IN_SCRIPT = re.compile(r"^\w+ (ACL failure in script|The user executing the script can't)")
_CANT_RUN = "can't run this command"
_UNKNOWN_COMMAND = re.compile(r"^ERR unknown command [`'\"]?([^`'\", ]{1,64})", re.IGNORECASE)

_FULL = "max number of clients"

# prefix -> (reason, sentence, hint)
_TABLE: dict[str, tuple[e.ErrorReason.ValueType, str, str]] = {
    "NOAUTH": (
        e.ERROR_REASON_DB_INVALID_CREDENTIALS,
        "The Redis server asks for a password and the connection string has none.",
        "Write it as redis://:password@host:6379/0, or redis://user:password@host:6379/0 for an ACL user.",
    ),
    "WRONGPASS": (
        e.ERROR_REASON_DB_INVALID_CREDENTIALS,
        "The Redis server refuses the user name or the password, or the user is disabled.",
        "Check both, and that special characters in them are percent-encoded.",
    ),
    "DENIED": (
        e.ERROR_REASON_DB_PERMISSION_DENIED,
        "The Redis server is in protected mode: without a password it only serves its own host.",
        "Set a password on the server (requirepass or an ACL user) and give it here.",
    ),
    "READONLY": (
        e.ERROR_REASON_DB_READ_ONLY,
        "The Redis server is a replica and takes no writes.",
        "Register the primary to write.",
    ),
    "OOM": (
        e.ERROR_REASON_DB_READ_ONLY,
        "The Redis server has reached its maxmemory and takes no writes.",
        "Free memory on it, raise maxmemory or choose an eviction policy.",
    ),
    "MISCONF": (
        e.ERROR_REASON_DB_READ_ONLY,
        "The Redis server takes no writes because it can't save its data to disk.",
        "See its log; the disk may be full.",
    ),
    "NOREPLICAS": (
        e.ERROR_REASON_DB_READ_ONLY,
        "The Redis server takes no writes because too few replicas are connected.",
        "See min-replicas-to-write on the server.",
    ),
    "LOADING": (
        e.ERROR_REASON_DB_UNAVAILABLE,
        "The Redis server is loading its data.",
        "Try again in a while.",
    ),
    "BUSY": (
        e.ERROR_REASON_DB_UNAVAILABLE,
        "The Redis server is busy with a script.",
        "Wait for the script, or end it with SCRIPT KILL.",
    ),
    "MASTERDOWN": (
        e.ERROR_REASON_DB_UNAVAILABLE,
        "The Redis server is a replica that has lost its primary.",
        "Try again once it is connected.",
    ),
    "CLUSTERDOWN": (e.ERROR_REASON_DB_UNAVAILABLE, "The Redis Cluster is down.", "Try again in a while."),
    "TRYAGAIN": (
        e.ERROR_REASON_DB_UNAVAILABLE,
        "The Redis Cluster is moving the keys.",
        "Try again in a moment.",
    ),
    "MOVED": (
        e.ERROR_REASON_DB_QUERY_ERROR,
        "The server is a node of a Redis Cluster and another node holds the key.",
        "Register the Cluster itself, with redis+cluster:// instead of redis://.",
    ),
    "CROSSSLOT": (
        e.ERROR_REASON_DB_QUERY_ERROR,
        "The keys belong to different slots of the Redis Cluster, where one command can't work on all of them.",
        "Work on them one by one, or give them a common part in braces, as in {user:1}:name and {user:1}:mail.",
    ),
    "NOGROUP": (e.ERROR_REASON_ELEMENT_NOT_FOUND, "The stream has no such consumer group.", ""),
    "BUSYGROUP": (e.ERROR_REASON_CONFLICT, "The stream has a consumer group of this name already.", ""),
    "NOPROTO": (e.ERROR_REASON_DB_PROTOCOL_ERROR, "The Redis server does not support this protocol.", ""),
}
_TABLE["ASK"] = _TABLE["MOVED"]
_AUTHENTICATION = frozenset({"NOAUTH", "WRONGPASS"})


def to_studio_error(error: ServerError, *, command: str = "") -> StudioError:
    """The error that says what an error reply means.

    Args:
        error: the reply.
        command: name of the command, for what the server leaves out.
    """
    prefix, text = error.prefix, error.text
    if prefix == "NOPERM" or _IN_SCRIPT.match(text):
        return _permission(text, command)
    if prefix == "WRONGTYPE":
        return StudioError(e.ERROR_REASON_WRONG_TYPE, "The key holds a value of another type.")
    if prefix in _TABLE:
        reason, message, hint = _TABLE[prefix]
        metadata = {"server_error": prefix}
        if prefix in _AUTHENTICATION:
            metadata["stage"] = "authentication"
        return StudioError(reason, message, hint=hint, metadata=metadata)
    if _FULL in text:
        return StudioError(
            e.ERROR_REASON_DB_UNAVAILABLE,
            "The Redis server has as many clients as it takes.",
            hint="Raise maxclients on the server or close connections.",
            metadata={"stage": "protocol"},
        )
    if unknown := _UNKNOWN_COMMAND.match(text):
        # The reply goes on with the arguments, which may be data: only the name is repeated.
        return not_supported((command or unknown[1]).upper())
    shown = text.removeprefix("ERR ")[:MAX_TEXT]
    about = f" to {command.upper()}" if command else ""
    return StudioError(
        e.ERROR_REASON_DB_QUERY_ERROR,
        f"The Redis server answered{about}: {shown}",
        metadata={"server_error": prefix},
    )


def wrong_type(actual: str, expected: str = "string") -> StudioError:
    """The error for a key whose type another command reads."""
    return StudioError(
        e.ERROR_REASON_WRONG_TYPE,
        f"The key holds a {actual}, not a {expected}.",
        metadata={"type": actual, "expected": expected},
    )


def key_not_found() -> StudioError:
    """The error for a key that is not there. Doesn't repeat the key: it may be long, or binary."""
    return StudioError(e.ERROR_REASON_KEY_NOT_FOUND, "There is no such key.")


def element_not_found(what: str) -> StudioError:
    """The error for a key that is there without what is asked for inside it: a `field`, say."""
    return StudioError(e.ERROR_REASON_ELEMENT_NOT_FOUND, f"The key has no such {what}.")


def conflict(message: str, *, index: int | None = None) -> StudioError:
    """The error for an edit whose precondition does not hold: nothing was changed.

    Args:
        message: what is otherwise than expected.
        index: which of the edit's elements, from 0.
    """
    metadata = {} if index is None else {"index": str(index)}
    hint = "Read it again, and decide whether your change still makes sense."
    return StudioError(e.ERROR_REASON_CONFLICT, message, hint=hint, metadata=metadata)


def not_supported(command: str) -> StudioError:
    """The error for a command that the server lacks."""
    return StudioError(
        e.ERROR_REASON_NOT_SUPPORTED,
        f"The Redis server does not know the command {command}, or it is renamed or switched off there.",
        hint="A later version of the server may have it.",
        metadata={"command": command},
    )


def raise_for(reply: Reply, *, command: str = "") -> None:
    """Raises what an error reply means; returns for any other reply."""
    if isinstance(reply, ServerError):
        raise to_studio_error(reply, command=command)


def is_denied_key(reply: Reply) -> bool:
    """Whether the user may run the command, but not on this key."""
    return (
        isinstance(reply, ServerError) and reply.prefix == "NOPERM" and not _NOPERM_COMMAND.search(reply.text)
    )


def is_parting(reply: Reply) -> bool:
    """Whether a server says this unasked, to a client it doesn't take, and hangs up."""
    return isinstance(reply, ServerError) and (reply.prefix == "DENIED" or _FULL in reply.text)


def _permission(text: str, command: str) -> StudioError:
    found = _NOPERM_COMMAND.search(text)
    if found or (_CANT_RUN in text and command):
        name = found[1] if found else command
        rule = f"+{name.lower()}"
        return StudioError(
            e.ERROR_REASON_DB_PERMISSION_DENIED,
            f"The Redis user needs permission to run {name.upper().replace('|', ' ')}.",
            hint=f"An administrator of the server can grant it: ACL SETUSER <user> {rule}",
            metadata={"permission": rule, "stage": "permission"},
        )
    kind, rule = ("channel", "&<pattern>") if "channel" in text else ("key", "~<pattern>")
    about = f" for {command.upper()}" if command else ""
    return StudioError(
        e.ERROR_REASON_DB_PERMISSION_DENIED,
        f"The Redis user has no permission on this {kind}{about}.",
        hint=f"An administrator of the server can grant it: ACL SETUSER <user> {rule}",
        metadata={"permission": rule, "command": command.upper(), "stage": "permission"},
    )
