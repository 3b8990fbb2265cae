"""Logs a fresh connection in, in one round trip: AUTH, SELECT, CLIENT SETNAME, PING.

No HELLO: RESP2 needs none, and where an ACL forbids CLIENT, PING or everything else, the login still holds. What each
refusal means for the user is decided here; `dialer` says where the connection leads.
"""

from __future__ import annotations

from services.redis_svc.connection import Connection
from services.redis_svc.errors import to_studio_error
from services.redis_svc.replies import Command, Reply, ServerError, pack
from services.redis_svc.url import RedisOptions
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

CLIENT_NAME = b"studio-databases"
"""As CLIENT LIST shows our connections."""


async def log_in(connection: Connection, options: RedisOptions) -> None:
    """Authenticates, chooses the database and makes sure that a Redis answers.

    Raises:
        StudioError: DB_INVALID_CREDENTIALS, DB_PERMISSION_DENIED, DB_UNAVAILABLE (loading, too many clients), …
    """
    replies = await _ask(connection, options, with_user=True)
    if options.username and _is_old_server(replies["AUTH"]):
        # Redis before 6 has one user and an AUTH of one argument.
        replies = await _ask(connection, options, with_user=False)
    _check_auth(replies.get("AUTH"), options)
    _check_ping(replies["PING"])
    _check_select(replies.get("SELECT"), options.database)


async def _ask(connection: Connection, options: RedisOptions, *, with_user: bool) -> dict[str, Reply]:
    commands: dict[str, Command] = {}
    if options.password is not None:
        user = (options.username,) if options.username and with_user else ()
        commands["AUTH"] = (b"AUTH", *user, options.password)
    if options.database:
        commands["SELECT"] = (b"SELECT", options.database)
    commands["CLIENT"] = (b"CLIENT", b"SETNAME", CLIENT_NAME)
    commands["PING"] = (b"PING",)
    replies = await connection.submit(pack(commands.values()), len(commands))
    return dict(zip(commands, replies, strict=True))


def _is_old_server(reply: Reply) -> bool:
    return isinstance(reply, ServerError) and "wrong number of arguments" in reply.text


def _check_auth(reply: Reply | None, options: RedisOptions) -> None:
    if not isinstance(reply, ServerError):
        return
    if "without any password configured" in reply.text or "no password is set" in reply.text:
        raise StudioError(
            e.ERROR_REASON_DB_INVALID_CREDENTIALS,
            "The Redis server has no password and the connection string gives one.",
            hint=f"Write it without: redis://{options.where}/{options.database}",
            metadata={"stage": "authentication"},
        )
    if reply.text.startswith("ERR invalid password"):  # before Redis 6
        raise to_studio_error(ServerError("WRONGPASS"))
    error = to_studio_error(reply, command="AUTH")
    error.metadata.setdefault("stage", "authentication")
    raise error


def _check_ping(reply: Reply) -> None:
    # NOPERM is an answer, too: the user is logged in and may not PING.
    if isinstance(reply, ServerError) and reply.prefix != "NOPERM":
        error = to_studio_error(reply, command="PING")
        error.metadata.setdefault("stage", "protocol")
        raise error


def _check_select(reply: Reply | None, database: int) -> None:
    if not isinstance(reply, ServerError):
        return
    if reply.prefix == "NOPERM":
        raise to_studio_error(reply, command="SELECT")
    cluster = "cluster" in reply.text
    raise StudioError(
        e.ERROR_REASON_DB_QUERY_ERROR,
        f"The Redis server has no database {database}.",
        hint="A cluster has database 0 only."
        if cluster
        else "Servers have 16 unless `databases` says otherwise.",
        metadata={"stage": "protocol"},
    )
