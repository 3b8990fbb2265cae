"""A range of one element that Redis only gives whole: a field of a hash.

A script cuts it on the server (https://redis.io/docs/latest/develop/interact/programmability/eval-intro/), so that
twelve megabytes don't travel for the first one. Where the user may not run scripts it is cut here.
"""

from __future__ import annotations

import hashlib

from services.redis_svc.client import RedisClient
from services.redis_svc.errors import raise_for
from services.redis_svc.replies import Command, ServerError
from services.redis_svc.types.ask import of_type
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

_SCRIPT = b"""
local found = redis.call(unpack(ARGV, 3))
return found and string.sub(found, ARGV[1] + 1, ARGV[1] + ARGV[2])
"""
_SHA = hashlib.sha1(_SCRIPT).hexdigest().encode()  # noqa: S324  how EVALSHA names scripts


async def part(
    client: RedisClient, key: bytes, command: Command, length: int, *, offset: int, limit: int
) -> bytes | None:
    """Some of what a command answers.

    Args:
        client: the database.
        key: the key it is about.
        command: answers with the bytes of one element, or nil.
        length: bytes of the element, as known.
        offset: first byte.
        limit: most bytes.

    Returns:
        The range; None for nil.

    Raises:
        StudioError: PAYLOAD_TOO_LARGE where it can't be cut on the server and is too large to be cut here.
    """
    link = client.link_for(key)
    if length > limit:
        words = (1, key, offset, limit, *command)
        reply = await link.execute(b"EVALSHA", _SHA, *words)
        if isinstance(reply, ServerError) and reply.prefix == "NOSCRIPT":
            reply = await link.execute(b"EVAL", _SCRIPT, *words)
        if not isinstance(reply, ServerError):
            return None if reply is None else of_type(reply, bytes)
        # No scripts, or not for this user. Anything else that is wrong, the command itself will say.
        if length > client.limits.max_value_bytes:
            raise StudioError(
                e.ERROR_REASON_PAYLOAD_TOO_LARGE,
                f"The value has {length} bytes and the Redis user may not run the script that cuts it on the server.",
                hint="An administrator of the server can grant it: ACL SETUSER <user> +evalsha +eval",
                metadata={"permission": "+eval"},
            )
    whole = await link.execute(*command)
    raise_for(whole, command=command[0].decode() if isinstance(command[0], bytes) else str(command[0]))
    return None if whole is None else of_type(whole, bytes)[offset : offset + limit]
