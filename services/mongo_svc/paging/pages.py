"""A page of documents."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.mongo_svc import find, terms
from services.mongo_svc.ejson import Value
from services.mongo_svc.paging import brackets, order, places, projections, tokens
from services.mongo_svc.paging.bounds import MAX_SKIPPED, MAX_TIES
from services.mongo_svc.paging.order import Order
from services.mongo_svc.paging.places import Key
from services.mongo_svc.paging.projections import Adapted
from services.mongo_svc.paging.tokens import State
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_DB_QUERY_ERROR, ERROR_REASON_RESOURCE_EXHAUSTED

if TYPE_CHECKING:
    from services.mongo_svc.client import MongoClient

_ID = b"_id"
_BY_ID = terms.nested(terms.document(_id=terms.int32(1)))
"""The index of `_id`, which a few collections lack: capped ones of old servers, the oplog."""


class NoSuchIndexError(Exception):
    """The server has no index of `_id` here."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page."""

    documents: Sequence[bytes]
    """Its documents."""
    next: str
    """The token of the next page; empty on the last."""


@dataclass(frozen=True, slots=True)
class _Found:
    documents: list[bytes]
    more: bool
    ranges: int
    """Of how many ranges they are."""


async def page(client: MongoClient, query: find.Query, token: str) -> Page:
    """A page of what matches.

    Args:
        client: the database.
        query: the question; `limit` is the page's.
        token: the page's, or empty for the first.

    Raises:
        StudioError: INVALID_CURSOR, RESOURCE_EXHAUSTED, and as `find.first_batch`.
    """
    question = _question(client, query)
    state = _state(query, token, question) if token else await order.begin(client, query)
    if state.named:
        adapted = projections.adapt(query.projection, _needed(query, state))
        found = None if adapted is None else await _Walk(client, query, state, adapted).page(question)
        if found is not None:
            return found
        state = state.counted()
    return await _counted(client, query, state, question)


def _state(query: find.Query, token: str, question: bytes) -> State:
    state = tokens.read(token, question)
    if state.values and len(state.values) != len(order.order_of(query, state).keys):
        raise tokens.invalid()
    return state


def _question(client: MongoClient, query: find.Query) -> bytes:
    names = (client.database_name(query.database).encode(), query.collection.encode())
    texts = (query.filter, query.projection, query.sort, query.collation, b"%d" % query.skip)
    return tokens.digest([*names, *texts])


def _needed(query: find.Query, state: State) -> list[bytes]:
    paths = [key.path for key in order.order_of(query, state).keys]
    return paths if _ID in paths else [*paths, _ID]


async def _counted(client: MongoClient, query: find.Query, state: State, question: bytes) -> Page:
    skip = query.skip + state.shown
    if state.shown > MAX_SKIPPED:
        raise StudioError(
            ERROR_REASON_RESOURCE_EXHAUSTED,
            f"Pages in this order end after {MAX_SKIPPED} documents, since the server counts off those before.",
            hint="Narrow the filter, or sort by fields that no array is in, without a collation.",
            code="INVALID_ARGUMENT",
        )
    batch = await find.first_batch(
        client, query, count=query.limit + 1, skip=skip, sort=order.order_of(query, state).sort
    )
    documents, more = _cut(client, query, batch.documents, more=batch.more)
    state = dataclasses.replace(state, shown=state.shown + len(documents))
    return Page(documents, tokens.write(state, question) if more else "")


def _cut(
    client: MongoClient, query: find.Query, documents: list[bytes], *, more: bool
) -> tuple[list[bytes], bool]:
    """What of the documents a page holds, and whether there are more."""
    size = count = 0
    for each in documents[: query.limit]:
        size += len(each)
        if count and size > client.limits.page_bytes:
            break
        count += 1
    return documents[:count], more or count < len(documents)


class _Walk:
    """A page whose place is named."""

    def __init__(self, client: MongoClient, query: find.Query, state: State, adapted: Adapted) -> None:
        self._client = client
        self._query = query
        self._state = state
        self._order: Order = order.order_of(query, state)
        self._adapted = adapted
        keys = self._order.keys
        self._by_id = all(key.path == _ID for key in keys)
        paths = () if state.dense else tuple(_prefixes(keys))
        self._arrays = paths

    async def page(self, question: bytes) -> Page | None:
        """The page; None where an array turned up, and it has to be counted."""
        found = await self._find()
        documents, more = _cut(self._client, self._query, found.documents, more=found.more)
        keys = self._order.keys
        # An `_id` is no array and has no equal: its places but the last don't matter.
        looked_at = documents[-1:] if self._by_id else found.documents
        positions = [places.position(each, keys) for each in looked_at]
        if found.ranges > 1 and None in positions:
            return None  # an array may be in several ranges: by one element here, by another there
        shown = [self._adapted.strip(each) for each in documents]
        if not more:
            return Page(shown, "")
        following = self._following(documents, positions[: len(documents)])
        return Page(shown, tokens.write(following, question))

    async def _find(self) -> _Found:
        wanted = self._query.limit + 1
        found: list[bytes] = []
        conditions = self._conditions()
        for place, condition in enumerate(conditions, start=1):
            batch = await self._batch(condition, wanted - len(found))
            found += batch.documents
            size = sum(map(len, found))
            if batch.more or len(found) == wanted or size > self._client.limits.page_bytes:
                more = batch.more or len(found) == wanted or place < len(conditions)
                return _Found(found, more and bool(found), place)
        return _Found(found, more=False, ranges=len(conditions))

    async def _batch(self, condition: bytes, count: int) -> find.Batch:
        query = self._query
        if query.filter == terms.EMPTY and query.hint is None and self._by_id:
            # A server that weighs no plans against each other would sort the whole collection.
            with contextlib.suppress(NoSuchIndexError):
                return await self._ask(dataclasses.replace(query, hint=_BY_ID), condition, count)
        return await self._ask(query, condition, count)

    async def _ask(self, query: find.Query, condition: bytes, count: int) -> find.Batch:
        try:
            return await find.first_batch(
                self._client,
                query,
                filter_=terms.all_of(query.filter, condition),
                sort=self._order.sort,
                projection=self._adapted.projection,
                skip=0 if self._state.values else query.skip,
                count=count,
            )
        except StudioError as error:
            if query.hint is _BY_ID and error.reason == ERROR_REASON_DB_QUERY_ERROR:
                raise NoSuchIndexError from error
            raise

    def _conditions(self) -> list[bytes]:
        """The ranges that are left, in their order."""
        state, keys = self._state, self._order.keys
        if not state.values:
            return [terms.EMPTY]
        same = [
            brackets.equal(key.path, each, self._arrays) for key, each in zip(keys, state.values, strict=True)
        ]
        ranges = []
        if not state.completed:
            unseen = terms.is_(_ID, b"$nin", terms.array(state.ties))
            ranges.append(terms.all_of(*same, unseen))
        for place in reversed(range(len(keys))):
            key = keys[place]
            behind = brackets.behind(
                key.path, state.values[place], descending=key.descending, arrays=self._arrays
            )
            ranges += [terms.all_of(*same[:place], each) for each in behind]
        return ranges

    def _following(self, documents: Sequence[bytes], positions: Sequence[tuple[Value, ...] | None]) -> State:
        state = dataclasses.replace(self._state, shown=self._state.shown + len(documents))
        last = positions[-1]
        if last is None or (not state.dense and None in positions):
            return state.counted()
        ties = () if state.completed else self._ties(documents, positions)
        if len(ties) > MAX_TIES:
            return state.counted()
        return dataclasses.replace(state, values=last, ties=ties)

    def _ties(
        self, documents: Sequence[bytes], positions: Sequence[tuple[Value, ...] | None]
    ) -> tuple[Value, ...]:
        """The `_id`s of all documents so far that may have the last one's sort key."""
        last = positions[-1]
        ties: list[Value] = []
        for document, each in zip(reversed(documents), reversed(positions), strict=True):
            if not _same(each, last):
                return tuple(ties)
            ties.append(places.value_at(document, _ID))
            if len(ties) > MAX_TIES:
                return tuple(ties)
        return (*ties, *self._state.ties) if _same(self._state.values, last) else tuple(ties)


def _same(one: tuple[Value, ...] | None, other: tuple[Value, ...] | None) -> bool:
    return bool(one and other) and all(map(places.sorts_as, one or (), other or ()))


def _prefixes(keys: Sequence[Key]) -> list[bytes]:
    """The paths of the keys, and those that lead to them."""
    paths: dict[bytes, None] = {}
    for key in keys:
        names = key.path.split(b".")
        for length in range(1, len(names) + 1):
            paths[b".".join(names[:length])] = None
    return list(paths)
