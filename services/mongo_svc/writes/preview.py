"""What a change would do: how many documents match, and what becomes of some of them. Changes nothing.

The samples are changed in a transaction that is aborted, so the server itself says what they become, and what it would
refuse. Where it has no transactions, only what they are now is shown.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pymongo
from bson.raw_bson import RawBSONDocument

from services.mongo_svc import counting, ejson, find, terms
from services.mongo_svc.counting import Count
from services.mongo_svc.paging.places import value_at
from services.mongo_svc.writes import changing, transactions
from services.mongo_svc.writes.bounds import SAMPLE_BYTES, SAMPLES
from services.mongo_svc.writes.changing import Update
from services.mongo_svc.writes.where import Where

if TYPE_CHECKING:
    from pymongo.asynchronous.client_session import AsyncClientSession

    from services.mongo_svc.client import MongoClient


@dataclass(frozen=True, slots=True)
class Sample:
    """A document that a change would be about."""

    before: bytes | None
    """As it is; None for one that would be inserted."""
    after: bytes | None
    """As it would be; None where nobody can say."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change would do."""

    matched: Count
    """How many documents match."""
    samples: list[Sample]
    """Some of them."""
    without_after: bool = False
    """The server has no transactions."""


async def deletion(client: MongoClient, where: Where, *, many: bool) -> Preview:
    """What a deletion would take.

    Raises:
        StudioError: as `MongoClient.command`.
    """
    matched = await _matched(client, where, many=many)
    return Preview(matched, [Sample(each, None) for each in await _documents(client, where, many=many)])


async def update(client: MongoClient, where: Where, change: Update) -> Preview:
    """What an update would do.

    Raises:
        StudioError: as `MongoClient.command`.
        PyMongoError: call it inside `errors.translated`.
    """
    matched = await _matched(client, where, many=change.many)
    before = await _documents(client, where, many=change.many)
    try:
        async with transactions.begin(client) as session:
            with pymongo.timeout(client.deadline_s(where.max_time_s)):
                samples = await _changed(client, where, change, before, session)
            await session.abort_transaction()
    except transactions.UnavailableError:
        return Preview(matched, [Sample(each, None) for each in before], without_after=True)
    return Preview(matched, samples)


async def _changed(
    client: MongoClient, where: Where, change: Update, before: list[bytes], session: AsyncClientSession
) -> list[Sample]:
    if not before:
        if not change.upsert:
            return []
        made = await changing.update(client, where, change, session=session)
        new = (
            None
            if made.upserted is None
            else await _by_id(client, where, terms.id_is(made.upserted), session)
        )
        return [Sample(None, new)]
    samples = []
    for each in before:
        one = terms.id_is(value_at(each, b"_id"))
        # The user's filter stays: the positional `$` goes by it.
        others = [field for field in ejson.elements(where.filter) if field.name != b"_id"]
        only = dataclasses.replace(where, filter=ejson.build([*others, *ejson.elements(one)]))
        await changing.update(
            client, only, dataclasses.replace(change, many=False, upsert=False), session=session
        )
        samples.append(Sample(each, await _by_id(client, where, one, session)))
    return samples


async def _by_id(client: MongoClient, where: Where, one: bytes, session: AsyncClientSession) -> bytes | None:
    found = await where.on(client).find_one(RawBSONDocument(one), session=session)
    return None if found is None else bytes(found.raw)


async def _matched(client: MongoClient, where: Where, *, many: bool) -> Count:
    if many:
        # Also of an empty filter what is counted, not what the bookkeeping says.
        query = where.query(0)
        if query.filter == terms.EMPTY:
            query = dataclasses.replace(query, filter=terms.is_(b"_id", b"$exists", terms.TRUE))
        return await counting.count(client, query, exact=False)
    found = await find.first_batch(client, where.query(1))
    return Count(float(len(found.documents)), counting.EXACT)


async def _documents(client: MongoClient, where: Where, *, many: bool) -> list[bytes]:
    found = (await find.first_batch(client, where.query(SAMPLES if many else 1))).documents
    size = number = 0
    for each in found:
        size += len(each)
        if number and size > SAMPLE_BYTES:
            break
        number += 1
    return found[:number]
