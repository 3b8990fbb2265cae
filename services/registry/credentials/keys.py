"""Issues API keys, within what their issuer may do himself, and revokes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.registry.credentials.feed import CredentialFeed
from services.registry.credentials.store import (
    LONGEST_SHOWN_S,
    ApiKey,
    CredentialStore,
    Ended,
    NewApiKey,
    Place,
)
from services.registry.paging import DEFAULT_PAGE_SIZE, PageTokens
from services.runtime.auth import api_keys
from services.runtime.context import Caller
from services.runtime.errors import StudioError, invalid_argument
from studio.options.v1.errors_pb2 import ERROR_REASON_NOT_FOUND, ERROR_REASON_PERMISSION_DENIED


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a key shall be."""

    name: str
    role: str
    project_refs: Sequence[str]
    """None for all that its issuer has."""
    expires_at: datetime | None
    """With a time zone; None for never."""


class ApiKeys:
    """The API keys, as users see them.

    Args:
        store: keeps them.
        feed: told which end.
        pages: makes page tokens.
    """

    def __init__(self, store: CredentialStore, feed: CredentialFeed, pages: PageTokens) -> None:
        self._store = store
        self._feed = feed
        self._pages = pages

    async def create(self, caller: Caller, wanted: Wanted) -> tuple[ApiKey, str]:
        """Issues a key; returns what is known of it, and the key itself.

        Raises:
            StudioError: PERMISSION_DENIED for more than the caller has; PROJECT_NOT_FOUND, RESOURCE_EXHAUSTED,
                REGISTRY_READ_ONLY.
        """
        if not wanted.name.strip():
            raise invalid_argument("name", "must not be blank")
        _check_projects(caller, wanted.project_refs)
        await self._check_end(caller, wanted.expires_at)
        made = api_keys.generate()
        stored = await self._store.insert(
            NewApiKey(
                id=made.id,
                secret_hash=made.stored,
                name=wanted.name,
                role=wanted.role,
                project_refs=tuple(wanted.project_refs) or None,
                created_by=caller.subject,
                expires_at=wanted.expires_at,
            )
        )
        return stored, made.text

    async def list(self, caller: Caller, page_size: int, page_token: str) -> tuple[list[ApiKey], str]:
        """A page of keys, the newest first, and the next page's token.

        Raises:
            StudioError: INVALID_CURSOR.
        """
        filters = ["api keys", *(sorted(caller.projects) if caller.projects is not None else ["*"])]
        after = None
        if page_token:
            created_at, key_id = self._pages.read(filters, page_token, 2)
            after = Place(datetime.fromisoformat(created_at), key_id)
        limit = page_size or DEFAULT_PAGE_SIZE
        found = await self._store.list_page(caller.projects, after, limit + 1)
        if len(found) <= limit:
            return found, ""
        last = found[limit - 1]
        return found[:limit], self._pages.make(filters, [last.created_at.isoformat(), last.id])

    async def get(self, caller: Caller, key_id: str) -> ApiKey:
        """One key.

        Raises:
            StudioError: NOT_FOUND, also for one that the caller may not see.
        """
        held = await self._store.get(key_id)
        if held is None or not _sees(caller, held.key):
            raise StudioError(ERROR_REASON_NOT_FOUND, f"There is no API key {key_id!r}.")
        return held.key

    async def revoke(self, caller: Caller, key_id: str) -> None:
        """Revokes a key.

        Raises:
            StudioError: as `get`.
        """
        key = await self.get(caller, key_id)
        await self._store.revoke(key.id)
        # The platform database tells it, too; here it counts before the answer.
        self._feed.publish(Ended(key.id, LONGEST_SHOWN_S))

    async def _check_end(self, caller: Caller, expires_at: datetime | None) -> None:
        """A key that issues keys must not live on in them."""
        if not caller.subject.startswith(api_keys.SUBJECT_PREFIX):
            return
        held = await self._store.get(caller.subject.removeprefix(api_keys.SUBJECT_PREFIX))
        ends = held.key.expires_at if held else None
        if ends is not None and (expires_at is None or expires_at > ends):
            raise StudioError(
                ERROR_REASON_PERMISSION_DENIED,
                f"An API key can't issue one that outlasts it: give an expires_at until {ends.isoformat()}.",
            )


def _sees(caller: Caller, key: ApiKey) -> bool:
    if caller.projects is None:
        return True
    return key.project_refs is not None and caller.projects.issuperset(key.project_refs)


def _check_projects(caller: Caller, refs: Sequence[str]) -> None:
    if caller.projects is None:
        return
    if not refs or not caller.projects.issuperset(refs):
        raise StudioError(
            ERROR_REASON_PERMISSION_DENIED,
            "The caller is limited to projects, and can issue keys for those only: name some in project_refs.",
        )
