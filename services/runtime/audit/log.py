"""The record of one service: what `interceptors.audit`, and whoever decides outside of an rpc, writes to."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pool import Default

from services.runtime import metrics
from services.runtime.audit import events, targets
from services.runtime.audit.segments import SpoolUnusableError
from services.runtime.audit.spool import READS_SHARE, Spool, SpoolFullError
from services.runtime.context import Caller
from services.runtime.contract import Method
from services.runtime.errors import StudioError
from services.runtime.logs import get_logger
from services.runtime.settings import ServiceSettings
from studio.options.v1.access_pb2 import EFFECT_READS, Effect
from studio.options.v1.errors_pb2 import ERROR_REASON_AUDIT_UNAVAILABLE

Described = tuple[str, str]
"""Name and project of a registered database."""

log = get_logger(__name__)


class AuditLog:
    """The events of a service, until they are shipped.

    Args:
        service: its name.
        spool: keeps them.
    """

    def __init__(self, service: str, spool: Spool) -> None:
        self.service = service
        self.spool = spool
        self.describe: Callable[[str], Described | None] = lambda _: None
        """What is known at once of a database, by its id in lower case."""
        self._temporary: Path | None = None
        self._lost = 0
        self._caller: tuple[Caller | None, bytes] = None, b""
        metrics.AUDIT_SPOOL_BYTES.set_function(lambda: spool.used_bytes)
        metrics.AUDIT_WAITING.set_function(lambda: spool.waiting)
        metrics.AUDIT_SPOOL_MAX.set(spool.max_bytes)
        metrics.AUDIT_OLDEST.set_function(lambda: spool.oldest_age_s)

    def read(self, event: bytes) -> None:
        """Takes the event of a read; counts it as lost where there is no room."""
        if not self.spool.read(event):
            if not self._lost:
                log.error(
                    "audit.reads_lost", consequence="reads are not recorded until events can be shipped"
                )
            self._lost += 1
            metrics.AUDIT_LOST.inc()

    def note_lost(self) -> None:
        """Records how many events of reads were lost, once there is room again."""
        if self._lost and self.spool.read(events.lost(self._lost, at=time.time(), service=self.service)):
            log.warning("audit.reads_recorded_again", lost=self._lost)
            self._lost = 0

    def caller(self, caller: Caller | None) -> bytes:
        """`events.of_caller`; most calls come from the one that called before."""
        known, serialized = self._caller
        if known is not caller:
            serialized = events.of_caller(caller)
            self._caller = caller, serialized
        return serialized

    def close(self) -> None:
        """Writes what waits and gives the directory back."""
        self.note_lost()
        waiting = self.spool.waiting
        self.spool.close()
        if self._temporary is not None:
            if waiting:
                log.error(
                    "audit.events_dropped", events=waiting, consequence="set AUDIT_SPOOL_DIR to keep them"
                )
            shutil.rmtree(self._temporary, ignore_errors=True)

    @classmethod
    def open(cls, service: str, settings: ServiceSettings) -> AuditLog:
        """The record of a service with these settings.

        Raises:
            SystemExit: the directory can't be used; with a sentence.
        """
        directory, temporary = settings.audit_spool_dir, None
        if not directory:
            directory = tempfile.mkdtemp(prefix=f"studio-audit-{service}-")
            temporary = Path(directory)
            log.warning(
                "audit.spool_not_kept", consequence="set AUDIT_SPOOL_DIR, or events end with the process"
            )
        try:
            spool = Spool(
                Path(directory), settings.audit_spool_max_bytes, events.unknown(), events.damaged(service)
            )
        except SpoolUnusableError as error:
            raise SystemExit(f"configuration: AUDIT_SPOOL_DIR {error}") from None
        opened = cls(service, spool)
        opened._temporary = temporary
        return opened


class Recipe:
    """What is the same for every call of one kind.

    Args:
        audit: where its events go.
        action: what the record calls it.
        effect: what it does: one that is recorded.
        plan: reads what requests name; None where requests don't tell.
        database_field: field of the request that names the registered database; empty for none.
    """

    __slots__ = ("audit", "changes", "database_field", "plan", "prefix")

    def __init__(
        self,
        audit: AuditLog,
        action: str,
        effect: Effect.ValueType,
        plan: targets.Plan | None = None,
        database_field: str = "",
    ) -> None:
        self.audit = audit
        self.prefix = events.of_kind(action, effect, audit.service)
        self.changes = effect != EFFECT_READS
        self.plan = plan
        self.database_field = database_field

    @classmethod
    def of(cls, audit: AuditLog, method: Method) -> Recipe:
        """For the calls of an rpc."""
        field = method.database_field
        plan = targets.plan_of(Default().FindMessageTypeByName(method.request), field)
        return cls(audit, method.action, method.effect, plan, field)


class Record:
    """The event of one call, as it comes to be known.

    Args:
        recipe: of its rpc.
        caller: who calls.
    """

    __slots__ = ("_caller", "_clock", "_number", "_recipe", "_started", "database", "database_id", "target")

    def __init__(self, recipe: Recipe, caller: Caller | None) -> None:
        self._recipe = recipe
        self._caller = recipe.audit.caller(caller)
        self._started = time.time()
        self._clock = time.perf_counter()
        self._number = 0
        self.database_id = ""
        """As the request has it."""
        self.database: Described | None = None
        """Where it is known otherwise than by `AuditLog.describe`."""
        self.target: targets.Target = {}

    def see(self, request: Any) -> None:  # noqa: ANN401  of the rpc's own type
        """Takes what the request names; an intent is written again with it."""
        recipe = self._recipe
        if recipe.database_field:
            self.database_id = getattr(request, recipe.database_field)
        if recipe.plan is not None:
            recipe.plan(request, self.target)
        self._amend()

    def begin(self) -> None:
        """Writes the intent.

        Raises:
            StudioError: AUDIT_UNAVAILABLE; the call must not go on.
        """
        try:
            self._number = self._recipe.audit.spool.begin(self._serialized())
        except SpoolFullError:
            raise unavailable() from None

    def announce(self) -> None:
        """Writes the intent of a read that lasts, where there is room for it: what dies with it has read something."""
        with contextlib.suppress(SpoolFullError):
            self._number = self._recipe.audit.spool.begin(self._serialized(), READS_SHARE)

    def note(self, names: Mapping[str, str]) -> None:
        """Adds names; an intent is written again with them, so that they are known if the process dies."""
        self.target.update(names)
        while len(self.target) > targets.MAX_NAMES:
            self.target.popitem()
        self._amend()

    def end(self, outcome: str, reason: str = "") -> None:
        """Writes the event."""
        event = self._serialized(outcome, reason, time.perf_counter() - self._clock)
        if self._number:
            self._recipe.audit.spool.end(self._number, event)
        else:
            self._recipe.audit.read(event)

    def allow(self, recipe: Recipe) -> None:
        """Writes the event of what somebody else carries out once this returns.

        Args:
            recipe: what it turned out to be.

        Raises:
            StudioError: AUDIT_UNAVAILABLE: a change that must not be carried out.
        """
        self._recipe = recipe
        if not recipe.changes:
            self.end(events.OK)
            return
        try:
            recipe.audit.spool.change(self._serialized(events.OK, "", time.perf_counter() - self._clock))
        except SpoolFullError:
            raise unavailable() from None

    def _amend(self) -> None:
        if self._number:
            self._recipe.audit.spool.amend(self._number, self._serialized())

    def _serialized(self, outcome: str = "", reason: str = "", duration_s: float = 0.0) -> bytes:
        known = self.database or self._recipe.audit.describe(self.database_id.lower())
        name, project = known or ("", self.target.get("project_ref", ""))
        return (
            self._recipe.prefix
            + self._caller
            + events.of_call(
                started=self._started,
                database_id=self.database_id,
                database_name=name,
                project_ref=project,
                target=self.target,
                outcome=outcome,
                reason=reason,
                duration_s=duration_s,
            )
        )


def unavailable() -> StudioError:
    """The error for a change that can't be recorded."""
    metrics.AUDIT_REFUSED.inc()
    return StudioError(
        ERROR_REASON_AUDIT_UNAVAILABLE,
        "Nothing was changed: the audit log can't take a record of it at present.",
        hint="The registry, or its database, has been away for long; reading goes on meanwhile.",
    )
