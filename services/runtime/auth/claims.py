"""What the claims of a user's token say of its holder.

GoTrue's tokens say `role: authenticated` for everybody who is signed in; what such a user is here stands in
`app_metadata`, which only the service_role key can write. `user_metadata` users write themselves: it is never read.
"""

from __future__ import annotations

import time
from typing import Any

from services.runtime.auth.api_keys import SUBJECT_PREFIX
from services.runtime.auth.refusals import WrongCredentialError
from services.runtime.context import Caller
from studio.options.v1 import access_pb2

STUDIO_ROLES: dict[str, access_pb2.Role.ValueType] = {
    "owner": access_pb2.ROLE_OWNER,
    "administrator": access_pb2.ROLE_ADMINISTRATOR,
    "developer": access_pb2.ROLE_DEVELOPER,
    "read_only": access_pb2.ROLE_READ_ONLY,
}
"""The roles by their names."""

ROLES: dict[str, access_pb2.Role.ValueType] = {"service_role": access_pb2.ROLE_OWNER, **STUDIO_ROLES}
"""The `role` claim and what it is worth here. `anon` and all others: nothing."""

ANONYMOUS = "anon"
"""The role of Supabase's public key."""
SIGNED_IN = "authenticated"
"""The role of every user that GoTrue knows."""

MAX_SUBJECT_CHARS = 256

ONCE = "studio_once"
"""A token with this claim, and a `jti`, opens one session and is worth nothing from then on: for links that sign in."""
ONCE_LIFETIME_S = 1500
MAX_ID_CHARS = 64


def caller_of(claims: dict[str, Any]) -> Caller:
    """The holder of a token that is valid.

    Raises:
        WrongCredentialError: a claim says what no token may say.
    """
    role = claims.get("role")
    metadata = claims.get("app_metadata")
    own: dict[str, Any] = metadata if isinstance(metadata, dict) else {}
    worth = _worth(own.get("studio_role"), STUDIO_ROLES) if role == SIGNED_IN else _worth(role, ROLES)
    subject = str(claims.get("sub") or role or "unknown")[:MAX_SUBJECT_CHARS]
    if not _is_text(subject):
        raise WrongCredentialError("The token is not valid: its subject is no text.")
    if subject.startswith(SUBJECT_PREFIX):
        # Else it would have the grants of that API key.
        raise WrongCredentialError("The token is not valid: its subject is that of an API key.")
    return Caller(
        subject,
        worth,
        projects=_projects(claims, "projects") if "projects" in claims else _projects(own, "studio_projects"),
        expires_at=float(claims["exp"]),
        is_anonymous=role == ANONYMOUS,
        credential_id=_once(claims),
    )


def _once(claims: dict[str, Any]) -> str:
    """The id of a token that opens one session; empty for any other."""
    if not claims.get(ONCE):
        return ""
    token_id = claims.get("jti")
    if not isinstance(token_id, str) or not 0 < len(token_id) <= MAX_ID_CHARS:
        raise WrongCredentialError("The token is not valid: it is for one session, and has no id.")
    if float(claims["exp"]) > time.time() + ONCE_LIFETIME_S:
        # What has ended is forgotten after a while; the token must be worth nothing by then.
        raise WrongCredentialError("The token is not valid: it is for one session, and valid for too long.")
    return token_id


def _worth(role: object, roles: dict[str, access_pb2.Role.ValueType]) -> access_pb2.Role.ValueType:
    return (
        roles.get(role, access_pb2.ROLE_UNSPECIFIED) if isinstance(role, str) else access_pb2.ROLE_UNSPECIFIED
    )


def _projects(claims: dict[str, Any], name: str) -> frozenset[str] | None:
    if name not in claims:
        return None
    listed = claims[name]
    if not isinstance(listed, list) or not all(isinstance(each, str) and _is_text(each) for each in listed):
        # Taking it for no limit would give more than was meant.
        raise WrongCredentialError("The token is not valid: its projects are no list of names.")
    return frozenset(listed)


def _is_text(value: str) -> bool:
    """Whether PostgreSQL and protobuf can hold it. JSON can: NUL, and half of a surrogate pair."""
    return "\0" not in value and not any("\ud800" <= each <= "\udfff" for each in value)
