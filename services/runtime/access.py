"""What a caller is on a database: his token's role and the grants on it, within the projects of his token.

Pure: no gRPC, no registry. `interceptors.authorize` asks it about every call, the registry about what lists show.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

from services.runtime import context as call
from services.runtime.context import Caller
from services.runtime.errors import StudioError
from studio.options.v1 import access_pb2
from studio.options.v1.errors_pb2 import ERROR_REASON_DB_NOT_FOUND, ERROR_REASON_PERMISSION_DENIED

Role: TypeAlias = access_pb2.Role.ValueType

GRANTS: dict[str, Role] = {
    "read": access_pb2.ROLE_READ_ONLY,
    "write": access_pb2.ROLE_DEVELOPER,
    "admin": access_pb2.ROLE_ADMINISTRATOR,
}
"""What a grant is worth on its database."""

NO_ROLE = "none"
"""How the lack of a role is called."""


class Registered(Protocol):
    """A registered database, as far as deciding about callers needs it."""

    @property
    def id(self) -> str:
        """UUID, in lower case."""

    @property
    def type(self) -> str:
        """`redis`, `mongodb`, `bun_api` or `postgres`."""

    @property
    def name(self) -> str:
        """Name inside its project."""

    @property
    def project_ref(self) -> str:
        """Short name of its project."""

    @property
    def config(self) -> Mapping[str, Any]:
        """Settings that are not secret."""

    @property
    def grants(self) -> Mapping[str, Role]:
        """Roles on it by subject."""


def role_in(caller: Caller, project_ref: str, granted: Role = access_pb2.ROLE_UNSPECIFIED) -> Role:
    """The caller's role on a database of a project; ROLE_UNSPECIFIED for none.

    Args:
        caller: who.
        project_ref: short name of the project.
        granted: the role that a grant gives on that database. It does not reach outside the token's projects.
    """
    if caller.is_anonymous or caller.is_service:
        return access_pb2.ROLE_UNSPECIFIED
    if caller.projects is not None and project_ref not in caller.projects:
        return access_pb2.ROLE_UNSPECIFIED
    return max(caller.role, granted)


def role_on(caller: Caller, database: Registered) -> Role:
    """The caller's role on a database; ROLE_UNSPECIFIED for none."""
    granted = database.grants.get(caller.subject, access_pb2.ROLE_UNSPECIFIED)
    return role_in(caller, database.project_ref, granted)


def current_role() -> Role:
    """What the caller of this call is on the database that it is about; ROLE_UNSPECIFIED outside of one."""
    caller, database = call.caller.get(), call.database.get()
    if caller is None or database is None:
        return access_pb2.ROLE_UNSPECIFIED
    return role_on(caller, database)


def role_name(role: Role) -> str:
    """`administrator` for ROLE_ADMINISTRATOR, `none` for ROLE_UNSPECIFIED."""
    if role == access_pb2.ROLE_UNSPECIFIED:
        return NO_ROLE
    return access_pb2.Role.Name(role).removeprefix("ROLE_").lower()


def not_found() -> StudioError:
    """The error for an id that is none, and, word for word, for a database that the caller may not read."""
    return StudioError(ERROR_REASON_DB_NOT_FOUND, "There is no database of this id.")


def refusal(role: Role, least: Role, what: str) -> StudioError:
    """Why a caller may not do something with a database.

    Args:
        role: what the caller is on it.
        least: what is needed.
        what: what is asked for, as it begins a sentence.
    """
    if role < access_pb2.ROLE_READ_ONLY:
        return not_found()
    return StudioError(
        ERROR_REASON_PERMISSION_DENIED,
        f"{what} needs the role {role_name(least)} or higher; the caller is {role_name(role)}.",
    )
