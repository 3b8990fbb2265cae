"""Decides about a request to pg-meta: who, what, which database, and with which connection string."""

from __future__ import annotations

from services.registry.databases import Databases
from services.registry.environment import VARIABLES
from services.registry.pg_meta import read_only, routes
from services.registry.pg_meta.client import HEADER, PgMeta
from services.registry.pg_meta.connection import TYPE, Dialling, for_pg_meta
from services.registry.pg_meta.decisions import Decisions
from services.registry.pg_meta.requests import Granted, Request
from services.registry.pg_meta.routes import Asked, Kind
from services.registry.pg_meta.sessions import Sessions
from services.registry.pg_meta.targets import Target, Targets
from services.registry.store import Sealed
from services.registry.vault import Vault
from services.runtime.access import GRANTS, Role, not_found, refusal, role_in
from services.runtime.auth.identity import Identity
from services.runtime.confirmation import Asked as Confirmed
from services.runtime.confirmation import Confirmations
from services.runtime.context import Caller
from services.runtime.crypto import SealedValueError
from services.runtime.databases import connection_read_only, is_production, is_read_only
from services.runtime.errors import StudioError
from services.runtime.limits import CallerLimits
from studio.options.v1 import access_pb2 as access
from studio.options.v1 import errors_pb2 as e

PLATFORM_ID = next(each.id for each in VARIABLES if each.type == TYPE)
"""The connection that DATABASE_URL names: what this system itself runs on."""

ACTION = "postgres.request"
"""What confirmations of requests to pg-meta are for."""


class Access:
    """Decides.

    Args:
        databases: finds connections.
        vault: opens them.
        identity: knows the callers.
        pg_meta: takes the requests that pass.
        dialling: where it may connect to.
        confirmations: asks about what is dangerous on production databases.
        decisions: records them.
        limits: how many requests one caller may make.
    """

    def __init__(
        self,
        databases: Databases,
        vault: Vault,
        identity: Identity,
        pg_meta: PgMeta,
        dialling: Dialling,
        confirmations: Confirmations,
        decisions: Decisions,
        limits: CallerLimits,
    ) -> None:
        self._databases = databases
        self._vault = vault
        self._identity = identity
        self._pg_meta = pg_meta
        self._dialling = dialling
        self._confirmations = confirmations
        self._decisions = decisions
        self._limits = limits
        self._sessions = Sessions(pg_meta)
        self._targets = Targets()

    async def decide(self, request: Request) -> Granted:
        """With which headers a request may pass.

        Raises:
            StudioError: it may not.
        """
        caller = await self._identity.caller(request.identity)
        self._limits.count(caller)
        asked = routes.find(request.method, request.target)
        return await self._decisions.recorded(caller, asked, request, self._judge(caller, asked, request))

    async def _judge(self, caller: Caller, asked: Asked, request: Request) -> Granted:
        sealed, role = await self._allowed(caller, asked)
        frozen = is_read_only(sealed.config)
        if frozen and asked.kind is Kind.CHANGE:
            raise connection_read_only()
        if asked.kind is Kind.SQL:
            read_only.check_body(request.content_type, request.body)
        reads_only = frozen or role == access.ROLE_READ_ONLY
        careful = False
        if not reads_only and is_production(sealed.config):
            careful = self._is_plain(asked, request)
            if not careful and (asked.kind is Kind.SQL or request.method == "DELETE"):
                self._confirm(caller, sealed, request)
        sql = ""
        if asked.kind is Kind.SQL and (reads_only or careful):
            sql = read_only.read_body(request.content_type, request.body)
            read_only.check_statement(sql)
        target = await self._target(sealed, read_only=reads_only or careful)
        if sql:
            session = await self._sessions.of(sealed.id, sealed.revision, target.text)
            try:
                session.check(caller_may_write=careful)
                read_only.check_names(sql, session.functions)
            except StudioError as error:
                if careful and error.reason == e.ERROR_REASON_COMMAND_REFUSED:
                    self._confirm(caller, sealed, request)
                raise
        may_change = asked.kind is Kind.CHANGE or (asked.kind is Kind.SQL and not (reads_only or careful))
        return Granted({HEADER: target.sealed}, changes=may_change)

    async def _allowed(self, caller: Caller, asked: Asked) -> tuple[Sealed, Role]:
        """The database, and the caller's role on it, which is enough: as `interceptors.authorize` decides."""
        if caller.is_service:
            raise StudioError(e.ERROR_REASON_PERMISSION_DENIED, f"{asked.route} is for users only.")
        if caller.is_anonymous:
            raise not_found()
        sealed = await self._databases.known(asked.database_id, TYPE)
        role = role_in(caller, sealed.project_ref, _granted(sealed, caller))
        _check_role(role, asked.role, asked.route)
        sealed = await self._databases.usable(sealed)
        if sealed.id == PLATFORM_ID and asked.kind in {Kind.SQL, Kind.CHANGE}:
            # Whoever writes there can give himself any right: no grant is enough, nor a role in some projects.
            whole = caller.role if caller.projects is None else min(role, access.ROLE_DEVELOPER)
            _check_role(whole, access.ROLE_ADMINISTRATOR, f"{asked.route} of the platform's own database")
        return sealed, role

    @staticmethod
    def _is_plain(asked: Asked, request: Request) -> bool:
        """Whether SQL runs in a read-only session, without a confirmation.

        It may call a function that writes: PostgreSQL refuses that in such a session. Whoever wants it sends any
        confirmation, and is given the right one.
        """
        return (
            asked.kind is Kind.SQL
            and not request.confirmation
            and read_only.reads_plainly(request.content_type, request.body)
        )

    def _confirm(self, caller: Caller, sealed: Sealed, request: Request) -> None:
        texts = (request.method, request.target, request.content_type)
        confirmed = Confirmed(
            caller=caller.subject,
            action=ACTION,
            database=sealed,
            request=[*(each.encode("utf-8", "surrogateescape") for each in texts), request.body],
            why="This request may change or destroy data.",
        )
        self._confirmations.demand(confirmed, request.confirmation)

    async def _target(self, sealed: Sealed, *, read_only: bool) -> Target:
        key = (sealed.id, sealed.revision, read_only)
        known = self._targets.get(key)
        if known is None:
            text = await for_pg_meta(self._open(sealed), self._dialling, read_only=read_only)
            known = Target(text, self._pg_meta.seal(text))
            self._targets.put(key, known)
        return known

    def _open(self, sealed: Sealed) -> str:
        try:
            return self._vault.open(sealed.ciphertext, row_id=sealed.id, type_=TYPE)
        except SealedValueError as error:
            raise StudioError(
                e.ERROR_REASON_CONNECTION_UNREADABLE,
                f"The stored connection of {sealed.name!r} can't be read: {error}.",
                hint="Set the key it was sealed with among the retired keys, or save the connection again.",
            ) from error


def _granted(sealed: Sealed, caller: Caller) -> Role:
    given = sealed.grants.get(caller.subject)
    return GRANTS[given] if given else access.ROLE_UNSPECIFIED


def _check_role(role: Role, least: Role, what: str) -> None:
    """As `interceptors.authorize` decides about rpcs."""
    if role < least:
        raise refusal(role, least, what)
