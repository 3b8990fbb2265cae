"""The `Source` of API keys that all others lead to: asks the store, and hears of what ends from the feed."""

from __future__ import annotations

import hmac
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

from services.registry.credentials.feed import CredentialFeed
from services.registry.credentials.store import ApiKey, CredentialStore
from services.runtime.auth import api_keys
from services.runtime.auth.claims import STUDIO_ROLES
from services.runtime.auth.credentials import Answer, Event, Kind, Verdict
from services.runtime.context import Caller, Credential
from studio.options.v1.access_pb2 import ROLE_UNSPECIFIED

HEARTBEAT_S = 5.0
"""Longest silence of a watch that is alive."""


class StoredCredentials:
    """Answers for the store.

    Args:
        store: keeps the keys.
        feed: tells what ends.
    """

    def __init__(self, store: CredentialStore, feed: CredentialFeed) -> None:
        self._store = store
        self._feed = feed

    async def resolve(self, key_id: str, secret_digest: bytes) -> Answer:
        """What a key is worth. Only who has its secret learns more than that there is none."""
        held = await self._store.get(key_id)
        if held is None or not hmac.compare_digest(held.secret_hash, api_keys.stored(secret_digest)):
            return Answer(Verdict.UNKNOWN)
        if held.key.revoked_at is not None:
            return Answer(Verdict.REVOKED)
        if held.has_expired:
            return Answer(Verdict.EXPIRED)
        return Answer(Verdict.VALID, caller_of(held.key))

    async def watch(self, known: Sequence[str]) -> AsyncGenerator[Event, None]:
        """What has ended meanwhile, SYNCED, then what ends."""
        # Subscribed before it compares: what ends in between is told twice rather than never.
        with self._feed.subscribe() as subscription:
            for each in await self._store.ended(known):
                yield Event(Kind.ENDED, each.id, each.forget_after_s)
            yield Event(Kind.SYNCED)
            while True:
                ended = await subscription.next(HEARTBEAT_S)
                if ended is None:
                    yield Event(Kind.HEARTBEAT)
                else:
                    yield Event(Kind.ENDED, ended.id, ended.forget_after_s)

    async def note_use(self, key_ids: Sequence[str]) -> None:
        """Notes that these keys have been used."""
        await self._store.note_use(key_ids)


def caller_of(key: ApiKey) -> Caller:
    """Who calls with this key."""
    caller = Caller(
        subject=f"{api_keys.SUBJECT_PREFIX}{key.id}",
        role=STUDIO_ROLES.get(key.role, ROLE_UNSPECIFIED),
        projects=None if key.project_refs is None else frozenset(key.project_refs),
        credential=Credential.API_KEY,
        credential_id=key.id,
    )
    if key.expires_at is None:
        return caller
    return replace(caller, expires_at=key.expires_at.timestamp())
