"""What sessions on a connection may do beyond their transaction, asked of the database itself through pg-meta.

A session that shall be read-only begins so by an option of its start. A pooler in between may drop that option, and a
superuser is bound by no transaction: so the database is asked, and what it said holds for a minute.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

from services.registry.pg_meta.bounds import MAX_FUNCTIONS, PROBE_S, REMEMBERED, REMEMBERED_S
from services.registry.pg_meta.client import AwayError, FailedError, PgMeta
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

HARMLESS = (
    "array_sample",
    "array_shuffle",
    "clock_timestamp",
    "current_query",
    "currval",
    "gen_random_uuid",
    "lastval",
    "pg_blocking_pids",
    "pg_collation_actual_version",
    "pg_control_checkpoint",
    "pg_control_init",
    "pg_control_recovery",
    "pg_control_system",
    "pg_current_wal_flush_lsn",
    "pg_current_wal_insert_lsn",
    "pg_current_wal_lsn",
    "pg_database_collation_actual_version",
    "pg_database_size",
    "pg_get_wait_events",
    "pg_indexes_size",
    "pg_is_in_recovery",
    "pg_jit_available",
    "pg_last_committed_xact",
    "pg_last_wal_receive_lsn",
    "pg_last_wal_replay_lsn",
    "pg_last_xact_replay_timestamp",
    "pg_lock_status",
    "pg_partition_ancestors",
    "pg_partition_tree",
    "pg_prepared_xact",
    "pg_relation_size",
    "pg_safe_snapshot_blocking_pids",
    "pg_sequence_last_value",
    "pg_stat_get_backend_io",
    "pg_stat_get_backend_wal",
    "pg_stat_get_io",
    "pg_table_size",
    "pg_tablespace_size",
    "pg_total_relation_size",
    "pg_xact_commit_timestamp",
    "pg_xact_status",
    "random",
    "random_normal",
    "timeofday",
    "txid_status",
    "uuidv4",
    "uuidv7",
)
"""Functions that are volatile because their answer changes, not because they do anything."""

_FILES_AND_PROGRAMS = ("pg_execute_server_program", "pg_read_server_files", "pg_write_server_files")

# A function with effects must be declared VOLATILE: https://www.postgresql.org/docs/current/xfunc-volatility.html.
# Those in trusted languages do what they do by SQL, which the transaction binds.
PROBE = f"""
SELECT current_setting('transaction_read_only') = 'on'
    AND current_setting('default_transaction_read_only') = 'on' AS read_only,
  (SELECT string_agg(rolname, ', ' ORDER BY rolname) FROM pg_catalog.pg_roles
    WHERE pg_catalog.pg_has_role(session_user, oid, 'MEMBER') AND (rolsuper OR rolname IN {_FILES_AND_PROGRAMS}))
    AS powers,
  (SELECT coalesce(json_agg(proname), '[]') FROM (
    SELECT DISTINCT p.proname FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    WHERE p.provolatile = 'v' AND NOT l.lanpltrusted
      AND NOT (p.pronamespace = 'pg_catalog'::regnamespace AND p.proname IN {HARMLESS})
    LIMIT {MAX_FUNCTIONS + 1}) AS functions) AS functions
"""  # noqa: S608  constants of this module


@dataclass(frozen=True, slots=True)
class Session:
    """What a session that shall be read-only is like."""

    read_only: bool
    """Whether it began read-only."""
    powers: str
    """Roles of its user that reach beyond the database; empty for none."""
    functions: frozenset[str]
    """Functions whose effects no transaction binds."""

    def check(self, *, caller_may_write: bool = False) -> None:
        """Refuses a session in which SQL could do more than read.

        Args:
            caller_may_write: the session is to keep a slip of such a caller from doing harm; what the connection's
                user may do beyond the database doesn't matter then.

        Raises:
            StudioError: COMMAND_REFUSED, with what to change.
        """
        if not self.read_only:
            raise StudioError(
                e.ERROR_REASON_COMMAND_REFUSED,
                "Read-only SQL is refused here: sessions on this connection do not begin read-only.",
                hint="A pooler between drops the option that asks for it: register the server's own address.",
            )
        if self.powers and not caller_may_write:
            raise StudioError(
                e.ERROR_REASON_COMMAND_REFUSED,
                f"Read-only SQL is refused here: no transaction binds the connection's user ({self.powers}).",
                hint="Register the database with a user that is no superuser and in no role for files or programs.",
            )
        if len(self.functions) > MAX_FUNCTIONS:
            raise StudioError(
                e.ERROR_REASON_COMMAND_REFUSED,
                f"Read-only SQL is refused here: the database has more than {MAX_FUNCTIONS} functions to look at.",
            )


class Sessions:
    """Asks, and remembers for a while.

    Args:
        pg_meta: whom.
    """

    def __init__(self, pg_meta: PgMeta) -> None:
        self._pg_meta = pg_meta
        self._known: OrderedDict[tuple[str, str], tuple[Session, float]] = OrderedDict()

    async def of(self, database_id: str, revision: str, connection_string: str) -> Session:
        """What sessions with this connection string are like.

        Args:
            database_id: which database.
            revision: of its connection.
            connection_string: as pg-meta takes it, asking for read-only sessions.

        Raises:
            StudioError: SERVICE_UNAVAILABLE, DB_CONNECTION_FAILED, DB_TIMEOUT.
        """
        key, now = (database_id, revision), asyncio.get_running_loop().time()
        known = self._known.get(key)
        if known is not None and now < known[1]:
            return known[0]
        session = await self._ask(connection_string)
        self._known[key] = (session, now + REMEMBERED_S)
        self._known.move_to_end(key)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return session

    async def _ask(self, connection_string: str) -> Session:
        try:
            async with asyncio.timeout(PROBE_S):
                (row,) = await self._pg_meta.query(connection_string, PROBE)
        except AwayError as error:
            raise away() from error
        except TimeoutError as error:
            raise StudioError(
                e.ERROR_REASON_DB_TIMEOUT, "The database did not say in time what its sessions may do."
            ) from error
        except FailedError as error:
            raise StudioError(
                e.ERROR_REASON_DB_CONNECTION_FAILED,
                f"The database can't be asked what its sessions may do: {error.message}",
                hint="Test the connection: POST /api/platform/databases/{id}/test.",
            ) from error
        return Session(
            read_only=row["read_only"] is True,
            powers=str(row["powers"] or ""),
            functions=frozenset(map(str, row["functions"])),
        )


def away() -> StudioError:
    """The error for a pg-meta that can't be asked."""
    return StudioError(
        e.ERROR_REASON_SERVICE_UNAVAILABLE, "The pg-meta service can't be reached: it is down or starting."
    )
