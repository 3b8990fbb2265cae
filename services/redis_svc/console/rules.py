"""What the console does with commands whose flags don't tell it. Everything else is judged by the server's own flags.

Names are the server's: lower case, `container|subcommand`. A container's name stands for all its subcommands.
"""

from __future__ import annotations

from dataclasses import dataclass

from studio.options.v1.access_pb2 import ROLE_ADMINISTRATOR, ROLE_DEVELOPER, ROLE_READ_ONLY, Role

CONNECTION = "it changes the connection that it runs on, which ends with this call"
TRANSACTION = "each command runs on its own here: a transaction would span calls"
SUBSCRIPTION = "what it would answer goes on without an end: use the subscribe or keyspace-events stream"
BLOCKING = "it waits, and would hold a connection meanwhile"
REPLICATION = "it is part of the protocol between servers"

REFUSED = {
    "asking": CONNECTION,
    "auth": CONNECTION,
    "client|caching": CONNECTION,
    "client|capa": CONNECTION,
    "client|import-source": CONNECTION,
    "client|no-evict": CONNECTION,
    "client|no-touch": CONNECTION,
    "client|reply": CONNECTION,
    "client|setinfo": CONNECTION,
    "client|setname": CONNECTION,
    "client|tracking": CONNECTION,
    "cluster|syncslots": REPLICATION,
    "debug": "it can stop or damage the server",
    "discard": TRANSACTION,
    "exec": TRANSACTION,
    "hello": CONNECTION,
    "host:": "it is no command",
    "monitor": "what it would answer goes on without an end: use the monitor stream",
    "multi": TRANSACTION,
    "post": "it is no command",
    "psubscribe": SUBSCRIPTION,
    "psync": REPLICATION,
    "punsubscribe": SUBSCRIPTION,
    "quit": CONNECTION,
    "readonly": CONNECTION,
    "readwrite": CONNECTION,
    "replconf": REPLICATION,
    "reset": CONNECTION,
    "restore-asking": REPLICATION,
    "script|debug": "it is for a debugger on the server's own terminal",
    "select": "the connection string says which database is shown",
    "shutdown": "the server would have to be started by hand",
    "ssubscribe": SUBSCRIPTION,
    "subscribe": SUBSCRIPTION,
    "sunsubscribe": SUBSCRIPTION,
    "sync": REPLICATION,
    "unsubscribe": SUBSCRIPTION,
    "unwatch": TRANSACTION,
    "watch": TRANSACTION,
}
"""Not run, whoever asks, and why."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a command needs."""

    role: Role.ValueType
    """The least role."""
    changes: bool = False
    """It changes data or the server, or may."""
    confirmation: bool = False
    """It needs a confirmation."""


LOOKS = Rule(ROLE_READ_ONLY)
TELLS_OF_OTHERS = Rule(ROLE_DEVELOPER)
RUNS_CODE = Rule(ROLE_DEVELOPER)
"""The server holds it to reading, but not to a time."""
TELLS_SECRETS = Rule(ROLE_ADMINISTRATOR)
"""Passwords or their hashes."""
WRITES = Rule(ROLE_DEVELOPER, changes=True)
TIDIES = Rule(ROLE_ADMINISTRATOR, changes=True)
ADMINISTERS = Rule(ROLE_ADMINISTRATOR, changes=True, confirmation=True)

RULES = {
    "acl|cat": LOOKS,
    "acl|dryrun": TELLS_SECRETS,
    "acl|genpass": LOOKS,
    "acl|getuser": TELLS_SECRETS,
    "acl|list": TELLS_SECRETS,
    "acl|log": ADMINISTERS,  # ACL LOG RESET empties it
    "acl|users": TELLS_SECRETS,
    "acl|whoami": LOOKS,
    "client|getname": LOOKS,
    "client|getredir": LOOKS,
    "client|id": LOOKS,
    "client|info": LOOKS,
    "client|kill": ADMINISTERS,
    "client|list": TELLS_OF_OTHERS,
    "client|pause": ADMINISTERS,
    "client|trackinginfo": LOOKS,
    "client|unblock": ADMINISTERS,
    "client|unpause": ADMINISTERS,
    "cluster|count-failure-reports": LOOKS,
    "cluster|countkeysinslot": LOOKS,
    "cluster|getkeysinslot": LOOKS,
    "cluster|info": LOOKS,
    "cluster|keyslot": LOOKS,
    "cluster|links": LOOKS,
    "cluster|myid": LOOKS,
    "cluster|myshardid": LOOKS,
    "cluster|nodes": LOOKS,
    "cluster|replicas": LOOKS,
    "cluster|shards": LOOKS,
    "cluster|slaves": LOOKS,
    "cluster|slot-stats": LOOKS,
    "cluster|slots": LOOKS,
    "command": LOOKS,
    "commandlog|get": TELLS_OF_OTHERS,
    "commandlog|len": LOOKS,
    "config|get": TELLS_SECRETS,
    "echo": LOOKS,
    "eval": ADMINISTERS,  # a script may call whatever its user may: FLUSHALL, too
    "eval_ro": RUNS_CODE,
    "evalsha": ADMINISTERS,
    "evalsha_ro": RUNS_CODE,
    "fcall": ADMINISTERS,
    "fcall_ro": RUNS_CODE,
    "function|delete": ADMINISTERS,
    "function|dump": LOOKS,
    "function|flush": ADMINISTERS,
    "function|kill": ADMINISTERS,
    "function|list": LOOKS,
    "function|load": ADMINISTERS,
    "function|restore": ADMINISTERS,
    "function|stats": LOOKS,
    "info": LOOKS,
    "lastsave": LOOKS,
    "latency|doctor": LOOKS,
    "latency|graph": LOOKS,
    "latency|histogram": LOOKS,
    "latency|history": LOOKS,
    "latency|latest": LOOKS,
    "memory|doctor": LOOKS,
    "memory|malloc-stats": LOOKS,
    "memory|purge": TIDIES,
    "memory|stats": LOOKS,
    "memory|usage": LOOKS,
    "module|list": LOOKS,
    "object": LOOKS,
    "ping": LOOKS,
    "publish": WRITES,
    "pubsub": LOOKS,
    "role": LOOKS,
    "script|exists": LOOKS,
    "script|flush": ADMINISTERS,
    "script|kill": ADMINISTERS,
    "script|load": WRITES,
    "script|show": LOOKS,
    "slowlog|get": TELLS_OF_OTHERS,
    "slowlog|len": LOOKS,
    "spublish": WRITES,
    "time": LOOKS,
    "xinfo": LOOKS,
}
"""What some commands need, whatever their flags say: flags mark as administrative what only looks (INFO, LATENCY), say
nothing of some (PUBLISH, MEMORY PURGE), and servers before Redis 7 know none for subcommands."""
