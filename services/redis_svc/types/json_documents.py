"""JSON documents, where the server has them: https://redis.io/docs/latest/commands/?group=json.

Redis 8, RedisJSON and valkey-json name the type `ReJSON-RL` and share these commands. A document is text from end to
end: what is read is what the server wrote, and no number passes through a double of ours. Edits under a precondition
use WATCH: a script would compare texts, and equal documents have many.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from services.redis_svc.atomic import changed, transact
from services.redis_svc.client import RedisClient
from services.redis_svc.errors import element_not_found, to_studio_error
from services.redis_svc.replies import Command, Reply, ServerError, pack
from services.redis_svc.types.ask import check_type, of_type
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

TYPE = "ReJSON-RL"
ROOT = "$"
MAX_PARSED_BYTES = 1024 * 1024
"""Bytes of a document that is compared by meaning; larger ones must be the same text. Parsing holds the process."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a path selects."""

    json: str
    """JSON text as the server writes it: an array of all that a `$` path selects."""
    type: str
    """JSON type of the first selected value."""


async def get(client: RedisClient, key: bytes, path: str = "") -> Selection:
    """What a path selects: https://redis.io/docs/latest/commands/json.get/.

    Raises:
        StudioError: NOT_SUPPORTED where the server has no JSON; KEY_NOT_FOUND; WRONG_TYPE with the type it has;
            ELEMENT_NOT_FOUND where nothing is selected; PAYLOAD_TOO_LARGE where too much is; …
    """
    link, path = client.link_for(key), path or ROOT
    asked: list[Command] = [
        (b"TYPE", key),
        (b"JSON.TYPE", key, path),
        (b"JSON.DEBUG", b"MEMORY", key, path),
    ]
    found, types, sizes = await link.request(pack(asked), len(asked))
    _raise_for(types, found, "JSON.TYPE")
    check_type(found, TYPE)
    size, most = memory(sizes), client.limits.max_value_bytes
    if size > most:
        raise StudioError(
            e.ERROR_REASON_PAYLOAD_TOO_LARGE,
            f"What the path selects takes {size} bytes; {most} are the most that one answer holds.",
            hint="Ask for a part of it with a longer path.",
        )
    reply = await link.execute(b"JSON.GET", key, path)
    _raise_for(reply, found, "JSON.GET")
    if reply is None or (reply == b"[]" and path.startswith(ROOT)):
        raise element_not_found("path")
    return Selection(of_type(reply, bytes).decode(), first_type(types))


async def set_(client: RedisClient, key: bytes, path: str, text: str, expected: str | None = None) -> None:
    """Sets what a path selects: https://redis.io/docs/latest/commands/json.set/.

    Args:
        client: the database.
        key: the key.
        path: JSONPath; empty for the whole document. A new document is set as a whole.
        text: JSON text.
        expected: JSON text that `get` must still give for the path; None for whatever it gives.

    Raises:
        StudioError: CONFLICT where the path selects something else by now; NOT_SUPPORTED; KEY_NOT_FOUND for a part of
            no document; ELEMENT_NOT_FOUND where the part has no parent; WRONG_TYPE; DB_QUERY_ERROR for no JSON; …
    """
    link, path = client.link_for(key), path or ROOT
    command: Command = (b"JSON.SET", key, path, text)
    if expected is None:
        found, reply = await link.request(pack(((b"TYPE", key), command)), 2, repeatable=False)
        _raise_for(reply, found, "JSON.SET")
    else:
        wanted = expected

        def decide(replies: list[Reply]) -> Sequence[Command]:
            type_, selected = replies
            _raise_for(selected, type_, "JSON.GET")
            if not isinstance(selected, bytes) or not same(selected.decode(), wanted):
                raise changed()
            return [command]

        (reply,) = await transact(link, key, [(b"TYPE", key), (b"JSON.GET", key, path)], decide)
        _raise_for(reply, TYPE.encode(), "JSON.SET")
    if reply is None:
        raise element_not_found("path")


async def delete(client: RedisClient, key: bytes, path: str = "") -> int:
    """Removes what a path selects, the key with its root: https://redis.io/docs/latest/commands/json.del/.

    Returns:
        How many values are gone.

    Raises:
        StudioError: NOT_SUPPORTED; KEY_NOT_FOUND; WRONG_TYPE with the type it has; …
    """
    asked: list[Command] = [(b"TYPE", key), (b"JSON.DEL", key, path or ROOT)]
    found, reply = await client.link_for(key).request(pack(asked), 2, repeatable=False)
    _raise_for(reply, found, "JSON.DEL")
    if not reply and not isinstance(found, ServerError):
        check_type(found, TYPE)
    return of_type(reply, int)


def first_type(reply: Reply) -> str:
    """The first of the types that JSON.TYPE answers, one or a list; empty for none."""
    if isinstance(reply, list):
        return first_type(reply[0]) if reply else ""
    return reply.decode() if isinstance(reply, bytes) else ""


def memory(reply: Reply) -> int:
    """The bytes that JSON.DEBUG MEMORY answers, one number or several; 0 where the server does not tell."""
    if isinstance(reply, list):
        return sum(map(memory, reply))
    return reply if isinstance(reply, int) else 0


def same(one: str, other: str) -> bool:
    """Whether two JSON texts mean the same: spaces and the order of an object's names don't count."""
    if one == other:
        return True
    if max(len(one), len(other)) > MAX_PARSED_BYTES:
        return False
    try:
        return _canonical(one) == _canonical(other)
    except (ValueError, RecursionError):  # no JSON, or nested beyond what can be parsed: the texts decide
        return False


def _canonical(text: str) -> str:
    # By way of text again, where 1, 1.0 and true differ as they do to the server.
    return json.dumps(json.loads(text), sort_keys=True)


def _raise_for(reply: Reply, type_: Reply, command: str) -> None:
    """Raises what an error reply means: no JSON at all, no such key, another type, no such path."""
    if not isinstance(reply, ServerError):
        return
    error = to_studio_error(reply, command=command)
    if error.reason == e.ERROR_REASON_NOT_SUPPORTED:
        raise StudioError(
            error.reason,
            "The Redis server has no JSON documents.",
            hint="Redis 8 has them, and servers with the module RedisJSON or valkey-json.",
            metadata={"command": command},
        )
    if error.reason != e.ERROR_REASON_DB_PERMISSION_DENIED and not isinstance(type_, ServerError):
        check_type(type_, TYPE)
        if "does not exist" in reply.text:
            raise element_not_found("path")
    raise error
