"""Opens every stored connection string and throws it away: what `verify` does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from services.registry.stored_values import Row, Session, batches
from services.registry.vault import Form, Vault
from services.runtime.crypto import SealedValueError


@dataclass(slots=True)
class Findings:
    """What was found, by type."""

    forms: Counter[tuple[str, Form]] = field(default_factory=Counter)
    """Rows that open, by type and form."""
    failed: int = 0
    """Rows that don't open, and rows that are not encrypted."""


def verify(
    connection: Session, vault: Vault, *, batch_rows: int, failed: Callable[[Row, str], None]
) -> Findings:
    """Opens all rows, whichever key sealed them.

    Args:
        connection: to the platform database.
        vault: the keys.
        batch_rows: rows in memory at a time.
        failed: called for each row that is not as it should be, with the reason.
    """
    findings = Findings()
    for rows in batches(connection, size=batch_rows):
        for row in rows:
            try:
                form, _ = vault.read(row.stored, row_id=row.id, type_=row.type)
            except SealedValueError as error:
                findings.failed += 1
                failed(row, str(error))
                continue
            findings.forms[row.type, form] += 1
            if form is Form.PLAIN:
                findings.failed += 1
                failed(row, "not encrypted: run import")
    return findings
