"""Seals stored connection strings anew with the current keys: what `rotate-keys` and `import` do.

Online: a row that changes meanwhile keeps the change (compare and swap), and since only the sealing changes, no service
is told, no client is closed. Stopped half way, it is simply run again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from services.registry.stored_values import Row, Session, batches
from services.registry.vault import Form, Vault
from services.runtime.crypto import SealedValueError

MAX_PASSES = 3
"""How often it goes over what changed under its hands before it leaves that to the next run."""

_RESEALING = "SELECT set_config('studio.resealing', 'on', true)"
_SWAP = """
UPDATE platform.databases SET connection_string = %(new)s
WHERE id = %(id)s AND type = %(type)s::platform.database_type AND connection_string = %(old)s
"""


@dataclass(slots=True)
class Report:
    """What became of the rows."""

    done: Counter[Form] = field(default_factory=Counter)
    """Rows sealed anew (in a dry run: that would be), by what they were."""
    changed_meanwhile: int = 0
    """Rows that somebody changed while they were read."""
    unreadable: int = 0
    """Rows that none of the keys opens."""

    def total(self) -> int:
        """Rows sealed anew."""
        return self.done.total()


@dataclass(frozen=True, slots=True)
class Task:
    """What to seal anew, and whom to tell."""

    forms: Collection[Form]
    """Rows stored in another form are left alone."""
    batch_rows: int
    dry_run: bool
    progress: Callable[[Report], None]
    """Called after each batch."""
    failed: Callable[[Row, str], None]
    """Called for each row that does not open, with the reason."""


def reseal(connection: Session, vault: Vault, task: Task) -> Report:
    """Seals rows anew, until none is left that can be.

    Raises:
        psycopg.Error: a statement failed; the batches before it are done.
    """
    report = Report()
    for _ in range(MAX_PASSES):
        changed = 0
        report.unreadable = 0
        first_pass = report.changed_meanwhile == 0
        for rows in batches(connection, size=task.batch_rows, not_sealed_by=vault.current_key_ids()):
            changed += _reseal_batch(connection, vault, task, rows, report, tell=first_pass)
            task.progress(report)
        report.changed_meanwhile += changed
        if changed == 0:
            break
    return report


def _reseal_batch(
    connection: Session, vault: Vault, task: Task, rows: Sequence[Row], report: Report, *, tell: bool
) -> int:
    """Returns how many rows somebody changed meanwhile."""
    renewed: list[tuple[Row, Form, str]] = []
    for row in rows:
        try:
            form, text = vault.read(row.stored, row_id=row.id, type_=row.type)
        except SealedValueError as error:
            report.unreadable += 1
            if tell:
                task.failed(row, str(error))
            continue
        if form in task.forms:
            renewed.append((row, form, vault.seal(text, row_id=row.id, type_=row.type)))
    if task.dry_run:
        report.done.update(form for _, form, _ in renewed)
        return 0
    swapped = []
    with connection.transaction():
        # Of the transaction, so that it also holds behind a transaction pooler.
        connection.execute(_RESEALING)
        for row, form, sealed in renewed:  # by id, as everything that locks several rows
            values = {"id": row.id, "type": row.type, "old": row.stored, "new": sealed}
            if connection.execute(_SWAP, values).rowcount:
                swapped.append(form)
    report.done.update(swapped)
    return len(renewed) - len(swapped)
