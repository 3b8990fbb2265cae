"""Who this connection is, so that nobody takes its rights by mistake: the database could not be managed any more."""

from __future__ import annotations

from dataclasses import dataclass

from services.mongo_svc.client import MongoClient
from services.mongo_svc.users.asking import Name, names
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e


@dataclass(frozen=True, slots=True)
class Own:
    """What a connection has logged in as; nothing of it on a server without access control."""

    users: frozenset[Name]
    roles: frozenset[Name]
    """Those it was given and those it has by way of them."""


async def own(client: MongoClient) -> Own:
    """Who this connection is: https://www.mongodb.com/docs/manual/reference/command/connectionStatus/ .

    Raises:
        StudioError: as `MongoClient.command`.
    """
    answer = await client.command("admin", {"connectionStatus": 1})
    info = answer.get("authInfo", {})
    users = [Name(str(each["user"]), str(each["db"])) for each in info.get("authenticatedUsers", ())]
    return Own(frozenset(users), frozenset(names(info.get("authenticatedUserRoles"))))


async def spare_user(client: MongoClient, user: Name, *, force: bool) -> None:
    """Refuses to harm the user that this connection logs in as.

    Raises:
        StudioError: COMMAND_REFUSED.
    """
    if not force and user in (await own(client)).users:
        raise _refused("This is the user that this connection logs in as.")


async def spare_role(client: MongoClient, role: Name, *, force: bool) -> None:
    """Refuses to weaken a role of the user that this connection logs in as.

    Raises:
        StudioError: COMMAND_REFUSED.
    """
    if not force and role in (await own(client)).roles:
        raise _refused("The user that this connection logs in as has this role.")


def _refused(message: str) -> StudioError:
    return StudioError(
        e.ERROR_REASON_COMMAND_REFUSED,
        message,
        hint="Use a connection that logs in as another user, or set `force`: this one may be of no use afterwards "
        "until its connection string is changed.",
    )
