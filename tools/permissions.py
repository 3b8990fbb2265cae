"""The table of who may call what: `docs/permissions.md`, derived from the contract.

    python -m tools.permissions          writes it
    python -m tools.permissions check    fails where it is not as the contract says

The rules are written down here once more, apart from the code that enforces them: the tests compare the table with
what the running system answers.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TypeAlias

from services.bun_proxy.forward import plane
from services.registry.pg_meta import access as pg_meta
from services.registry.pg_meta import routes
from services.runtime.access import role_name
from services.runtime.contract import Method, load_contract
from studio.options.v1 import access_pb2 as access

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "permissions.md"

ALLOWED, DENIED, HIDDEN, UNKNOWN = "✓", "403", "404", "401"

Role: TypeAlias = access.Role.ValueType

PREFACE = f"""\
{ALLOWED}: may call it. {DENIED}: `PERMISSION_DENIED`. {HIDDEN}: `DB_NOT_FOUND`, as if there were no such database.
*Grant* columns are of a caller without a role who has this grant on the database; *owner elsewhere* is an owner whose
token is limited to another project than the database's. What else decides: [access](access.md).

Without a token everything answers {UNKNOWN}. The anonymous key gets {HIDDEN} for databases and {DENIED} for the rest,
as does a caller without a role whose grants are outside of his token's projects, except that he is *any caller*. Where
naming a database is optional, the table is about those who name it. Internal rpcs are not in the table: services alone
may call them, and nothing else; all others get {DENIED}."""


@dataclass(frozen=True, slots=True)
class Who:
    """A kind of caller."""

    name: str
    role: Role = access.ROLE_UNSPECIFIED
    """What the token says."""
    grant: str = ""
    """What was granted on the database."""
    elsewhere: bool = False
    """The token is limited to another project than the database's."""
    is_anonymous: bool = False
    has_token: bool = True

    @property
    def on_database(self) -> Role:
        """The role on the database."""
        if self.elsewhere or self.is_anonymous:
            return access.ROLE_UNSPECIFIED
        granted = {
            "read": access.ROLE_READ_ONLY,
            "write": access.ROLE_DEVELOPER,
            "admin": access.ROLE_ADMINISTRATOR,
        }
        return max(self.role, granted.get(self.grant, access.ROLE_UNSPECIFIED))


SHOWN = (
    Who("no role"),
    Who("read_only", access.ROLE_READ_ONLY),
    Who("developer", access.ROLE_DEVELOPER),
    Who("administrator", access.ROLE_ADMINISTRATOR),
    Who("owner", access.ROLE_OWNER),
    Who("grant read", grant="read"),
    Who("grant write", grant="write"),
    Who("grant admin", grant="admin"),
    Who("owner elsewhere", access.ROLE_OWNER, elsewhere=True),
)
"""The columns of the table."""
OTHERS = (
    Who("no token", has_token=False),
    Who("anon", is_anonymous=True),
    Who("grant admin elsewhere", grant="admin", elsewhere=True),
    Who("service", access.ROLE_INTERNAL),
)
"""Callers of whom a sentence says enough."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What decides about one route."""

    area: str
    route: str
    action: str
    least: Role
    on_database: bool
    any_caller: bool = False

    def answer(self, who: Who) -> str:
        """What such a caller gets: ALLOWED, or the status of the refusal."""
        if not who.has_token:
            return UNKNOWN
        if access.ROLE_INTERNAL in {who.role, self.least}:
            return ALLOWED if who.role == self.least else DENIED
        if self.on_database and not (self.any_caller and who.is_anonymous):
            if who.on_database == access.ROLE_UNSPECIFIED:
                return HIDDEN
            return ALLOWED if self.any_caller or who.on_database >= self.least else DENIED
        if who.is_anonymous:
            return DENIED
        return ALLOWED if self.any_caller or who.role >= self.least else DENIED


def of_method(method: Method) -> Rule:
    """The rule of an rpc; its route is the main one of REST, or its name."""
    main = method.http[0] if method.http else None
    return Rule(
        area=method.area,
        route=f"{main.verb} {main.template}" if main else f"{method.service}/{method.name}",
        action=method.action,
        least=method.role,
        on_database=bool(method.database_field) and not method.is_internal,
        any_caller=method.any_caller,
    )


def plain_rules() -> Iterator[Rule]:
    """The rules of what is no rpc: requests to Bun APIs and to pg-meta, which are passed on."""
    for verbs, method in (("GET, HEAD, OPTIONS", plane.READ), ("others", plane.CHANGE)):
        yield Rule(
            "bun",
            f"{verbs} /api/platform/bun/{{database_id}}/proxy/…",
            plane.ACTION,
            method.role,
            on_database=True,
        )
    for template, methods in routes.TABLE.items():
        for verb, role in methods.items():
            route = f"{verb} /api/platform/pg-meta/{{database_id}}{template}"
            yield Rule("postgres", route, pg_meta.ACTION, role, on_database=True)


def rules() -> list[Rule]:
    """The rules of everything that users may call."""
    of_rpcs = [of_method(method) for method in load_contract().methods.values() if not method.is_internal]
    return [*of_rpcs, *plain_rules()]


def document() -> str:
    """The table."""
    lines = [
        "<!-- Derived from the contract: python -m tools.permissions -->",
        "",
        "# Permissions",
        "",
        PREFACE,
    ]
    for area, grouped in groupby(sorted(rules(), key=lambda rule: rule.area), key=lambda rule: rule.area):
        lines += ["", f"## {area}", "", *_table(list(grouped))]
    return "\n".join(lines) + "\n"


def _table(shown: Sequence[Rule]) -> Iterator[str]:
    heads = ["route", "action", "needs", *(who.name for who in SHOWN)]
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for rule in shown:
        needs = "any caller" if rule.any_caller else role_name(rule.least)
        cells = [f"`{rule.route}`", f"`{rule.action}`", needs, *(rule.answer(who) for who in SHOWN)]
        yield f"| {' | '.join(cells)} |"


def main(arguments: list[str]) -> int:
    """Writes or checks the document; returns the exit code."""
    if arguments == ["check"]:
        if DOCUMENT.read_text() != document():
            print(
                f"{DOCUMENT.name} is not as the contract says: python -m tools.permissions", file=sys.stderr
            )
            return 1
        return 0
    DOCUMENT.write_text(document())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
