"""API keys and ended sessions in the platform database. Every statement stands here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from services.registry.credentials.store import (
    LONGEST_SHOWN_S,
    ApiKey,
    Ended,
    Held,
    NewApiKey,
    Place,
)
from services.registry.store.pool import Pool
from services.runtime.auth.api_keys import SUBJECT_PREFIX
from services.runtime.auth.credentials import MAX_ENDED
from services.runtime.auth.refusals import ended
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import (
    ERROR_REASON_PERMISSION_DENIED,
    ERROR_REASON_PROJECT_NOT_FOUND,
    ERROR_REASON_RESOURCE_EXHAUSTED,
)

MAX_API_KEYS = 10_000
"""Keys that count, at a time."""
MAX_DEPTH = 8
"""Keys of which each has issued the next: a long chain would take long to revoke."""
MAX_ISSUED = 1000
"""Keys that end with one: revoking 9,000 took 4 s on a busy machine, nearly too long for one statement."""
KEPT = "400 days"
"""Revoked and expired keys are shown so long."""

# In the order of `ApiKey`'s fields.
_COLUMNS = "id, name, role, project_refs, created_by, created_at, expires_at, last_used_at, revoked_at"
_PROJECTS = "SELECT ref FROM platform.projects WHERE ref = ANY(%(refs)s)"
_COUNT = """
SELECT count(*) FROM platform.api_keys WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
"""
_FORGET = f"""
DELETE FROM platform.api_keys WHERE id IN (
  SELECT id FROM platform.api_keys WHERE least(revoked_at, expires_at) < now() - interval '{KEPT}'
  LIMIT 10 FOR UPDATE SKIP LOCKED
)
"""  # noqa: S608  constants only
# From the key that issues up to the one that a user has issued.
_DEPTH = """
WITH RECURSIVE above (id, created_by, depth) AS (
  SELECT id, created_by, 1 FROM platform.api_keys WHERE id = %(id)s
  UNION ALL
  SELECT k.id, k.created_by, a.depth + 1 FROM above a JOIN platform.api_keys k ON a.created_by = 'key:' || k.id
  WHERE a.depth < %(most)s
)
SELECT depth, id FROM above ORDER BY depth DESC LIMIT 1
"""
_BELOW = """
WITH RECURSIVE below (id) AS (
  SELECT %(id)s::text
  UNION
  SELECT k.id FROM below b JOIN platform.api_keys k ON k.created_by = 'key:' || b.id AND k.revoked_at IS NULL
)
SELECT count(*) - 1 FROM below
"""
# Until this commits, the issuer can't be revoked: then the new key ends with it.
_ISSUER = "SELECT FROM platform.api_keys WHERE id = %(id)s AND revoked_at IS NULL FOR SHARE"
_INSERT = f"""
INSERT INTO platform.api_keys (id, secret_hash, name, role, project_refs, created_by, expires_at)
VALUES (%(id)s, %(secret_hash)s, %(name)s, %(role)s, %(project_refs)s, %(created_by)s, %(expires_at)s)
RETURNING {_COLUMNS}
"""  # noqa: S608  constants only
_LIST = f"""
SELECT {_COLUMNS} FROM platform.api_keys
WHERE (%(projects)s::text[] IS NULL OR project_refs <@ %(projects)s::text[])
  AND (%(after_id)s::text IS NULL OR (created_at, id) < (%(after_time)s::timestamptz, %(after_id)s::text))
ORDER BY created_at DESC, id DESC LIMIT %(limit)s
"""  # noqa: S608  constants only
_GET = f"""
SELECT {_COLUMNS}, secret_hash, coalesce(expires_at <= now(), false) FROM platform.api_keys WHERE id = %(id)s
"""  # noqa: S608  constants only
_REVOKE = "UPDATE platform.api_keys SET revoked_at = now() WHERE id = %(id)s AND revoked_at IS NULL"
_NOTE_USE = "UPDATE platform.api_keys SET last_used_at = now() WHERE id = ANY(%(ids)s)"
_END = "SELECT platform.end_credential(%(id)s)"
# What has ended lately comes in the order in which it may be forgotten.
_ENDED = """
SELECT id, extract(epoch FROM forget_at - now())::float8 FROM platform.ended_credentials WHERE forget_at > now()
ORDER BY forget_at DESC LIMIT %(limit)s
"""
_GONE = """
SELECT k.id FROM unnest(%(known)s::text[]) AS k (id)
WHERE NOT EXISTS (SELECT FROM platform.api_keys a WHERE a.id = k.id AND a.revoked_at IS NULL)
"""


class PostgresCredentials:
    """Keeps them in `platform.api_keys` and `platform.ended_credentials`.

    Args:
        pool: connections to the platform database.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def insert(self, new: NewApiKey) -> ApiKey:
        """See `CredentialStore.insert`."""
        refs = list(new.project_refs) if new.project_refs is not None else None
        async with self._pool.write(changes_lists=False) as connection:
            if refs:
                known = {
                    row[0] for row in await (await connection.execute(_PROJECTS, {"refs": refs})).fetchall()
                }
                missing = sorted(set(refs) - known)
                if missing:
                    raise StudioError(ERROR_REASON_PROJECT_NOT_FOUND, f"There is no project {missing[0]!r}.")
            if new.created_by.startswith(SUBJECT_PREFIX):
                await _check_issuer(connection, new.created_by.removeprefix(SUBJECT_PREFIX))
            await connection.execute(_FORGET)
            (count,) = await (await connection.execute(_COUNT)).fetchone() or (0,)
            if count >= MAX_API_KEYS:
                raise StudioError(
                    ERROR_REASON_RESOURCE_EXHAUSTED,
                    f"There are {MAX_API_KEYS} API keys, as many as there may be: revoke some first.",
                )
            inserted = await connection.execute(
                _INSERT,
                {
                    "id": new.id,
                    "secret_hash": new.secret_hash,
                    "name": new.name,
                    "role": new.role,
                    "project_refs": refs,
                    "created_by": new.created_by,
                    "expires_at": new.expires_at,
                },
            )
            (row,) = await inserted.fetchall()
        return _key(row)

    async def list_page(
        self, projects: frozenset[str] | None, after: Place | None, limit: int
    ) -> list[ApiKey]:
        """See `CredentialStore.list_page`."""
        rows = await self._pool.read(
            _LIST,
            {
                "projects": None if projects is None else sorted(projects),
                "after_id": after.id if after else None,
                "after_time": after.created_at if after else None,
                "limit": limit,
            },
        )
        return [_key(row) for row in rows]

    async def get(self, key_id: str) -> Held | None:
        """See `CredentialStore.get`."""
        rows = await self._pool.read(_GET, {"id": key_id})
        if not rows:
            return None
        *columns, secret_hash, has_expired = rows[0]
        return Held(_key(columns), bytes(secret_hash), has_expired)

    async def revoke(self, key_id: str) -> None:
        """See `CredentialStore.revoke`."""
        async with self._pool.write(changes_lists=False) as connection:
            await connection.execute(_REVOKE, {"id": key_id})

    async def note_use(self, key_ids: Sequence[str]) -> None:
        """See `CredentialStore.note_use`."""
        async with self._pool.write(changes_lists=False) as connection:
            await connection.execute(_NOTE_USE, {"ids": list(key_ids)})

    async def end(self, session_id: str) -> None:
        """See `CredentialStore.end`."""
        async with self._pool.write(changes_lists=False) as connection:
            await connection.execute(_END, {"id": session_id})

    async def ended(self, known: Sequence[str]) -> list[Ended]:
        """See `CredentialStore.ended`."""
        gone = await self._pool.read(_GONE, {"known": list(known)}) if known else []
        lately = await self._pool.read(_ENDED, {"limit": MAX_ENDED})
        return [Ended(row[0], LONGEST_SHOWN_S) for row in gone] + [
            Ended(id_, forget_after_s) for id_, forget_after_s in reversed(lately)
        ]


async def _check_issuer(connection: psycopg.AsyncConnection[Any], key_id: str) -> None:
    if await (await connection.execute(_ISSUER, {"id": key_id})).fetchone() is None:
        raise ended("The API key has been revoked.")
    found = await connection.execute(_DEPTH, {"id": key_id, "most": MAX_DEPTH})
    depth, root = await found.fetchone() or (0, key_id)
    if depth >= MAX_DEPTH:
        raise StudioError(
            ERROR_REASON_PERMISSION_DENIED,
            f"The API key is the last of {MAX_DEPTH} of which each has issued the next: it can't issue keys.",
        )
    (issued,) = await (await connection.execute(_BELOW, {"id": root})).fetchone() or (0,)
    if issued >= MAX_ISSUED:
        raise StudioError(
            ERROR_REASON_RESOURCE_EXHAUSTED,
            f"{MAX_ISSUED} API keys end with {root}, as many as there may be: revoke some first.",
        )


def _key(row: Sequence[Any]) -> ApiKey:
    id_, name, role, project_refs, *rest = row
    return ApiKey(id_, name, role, None if project_refs is None else tuple(project_refs), *rest)
