"""Prints a bearer token for the local system: `python -m deploy.local.tokens ROLE`.

The role is one of the four that the contract knows; the token is signed with the system's JWT_SECRET and
holds for half a day.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Mapping

import jwt

from deploy.local.options import LocalError, state_dir
from deploy.local.state import State

ROLES = ("owner", "administrator", "developer", "read_only")
LIFETIME_S = 12 * 3600
LINK_S = 900
BAD_USAGE = 2


def sign_in_link(url: str, secret: str) -> str:
    """A link that signs its reader in as an owner: once, and within `LINK_S` seconds.

    What stands behind `#` a browser sends to nobody.
    """
    once = {"studio_once": True, "jti": secrets.token_hex(16)}
    return f"{url}/databases#sign-in={mint('owner', secret, lifetime_s=LINK_S, more=once)}"


def mint(
    role: str,
    secret: str,
    *,
    subject: str | None = None,
    lifetime_s: int = LIFETIME_S,
    more: Mapping[str, object] | None = None,
) -> str:
    """A token of `role`, with the claims that Supabase's own tokens have, and `more`."""
    now = int(time.time())
    claims = {
        **(more or {}),
        "role": role,
        "sub": subject or f"{role}@local",
        "aud": "authenticated",
        "iat": now,
        "exp": now + lifetime_s,
    }
    return jwt.encode(claims, secret, algorithm="HS256")


def main(arguments: list[str]) -> int:
    """Prints the token; returns the exit code."""
    role = arguments[0] if arguments else ""
    if role not in ROLES:
        said = f"not {role!r}" if role else "and none was given"
        print(f"ROLE must be one of {', '.join(ROLES)}, {said}: make -s token ROLE=owner", file=sys.stderr)
        return BAD_USAGE
    state = State(state_dir(os.environ))
    secret = state.known_secret("JWT_SECRET")
    if secret is None:
        raise LocalError(f"no system was ever started in {state.path}; run: make run")
    print(mint(role, secret))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except LocalError as error:
        sys.exit(f"error: {error}")
