"""Every bound of what has to do with pg-meta, with its unit."""

from __future__ import annotations

DECISION_S = 6.0
"""A decision may take so long; the gateway waits a little longer."""
DIAGNOSIS_S = 5.0
"""The test of a connection."""
PROBE_S = 4.0
"""Asking a database what its session may do."""
CHOICE_S = 1.0
"""Finding out which of a name's addresses answers."""
TARGET_S = 3.0
"""For so long the address that a name led to holds, with the opened connection string."""
REMEMBERED_S = 60.0
"""For so long what a database said of its sessions holds: rights that are given meanwhile count after it."""
REMEMBERED = 500
"""Databases of which either is remembered."""
MAX_FUNCTIONS = 5000
"""Functions a database may have that read-only SQL may not name."""
MAX_SQL_CHARACTERS = 1 << 20
"""Of SQL that is checked for being read-only."""
MAX_PARAMETERS = 1000
"""Of such SQL."""
MAX_ANSWER_BYTES = 1 << 20
"""Of pg-meta to a question of the registry's own."""
MAX_CONCURRENT = 50
"""Questions of the registry's own to pg-meta at a time."""
