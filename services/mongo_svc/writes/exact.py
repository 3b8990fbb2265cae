"""Changes that are made only where a document still is what the caller saw.

A query can't ask for that: to the server 5, 5.0 and NumberDecimal("5") are equal, -0.0 and 0.0, too. So the document is
read and compared here, byte for byte, and changed in the same transaction: who changes it in between makes that fail.
Servers without transactions (a single one that is no replica set) compare as well as they can in the filter of the
change; what they take for equal may then be overwritten, if it came in the moment between.

Seen as relaxed Extended JSON, a document doesn't tell a 64-bit 5 from a 32-bit one. There the caller's is compared with
what the stored one looks like in that form; and of a replacement, every value that looks as before stays what it is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import bson
import pymongo
from bson.raw_bson import RawBSONDocument
from pymongo.errors import PyMongoError

from services.mongo_svc import ejson, errors, terms
from services.mongo_svc.ejson import Element, Mode
from services.mongo_svc.ejson.layout import Kind
from services.mongo_svc.writes import transactions
from services.mongo_svc.writes.bounds import MAX_CONFLICT_BYTES, TRIES
from services.mongo_svc.writes.changing import Changed
from services.mongo_svc.writes.where import Where
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_CONFLICT

if TYPE_CHECKING:
    from pymongo.asynchronous.client_session import AsyncClientSession

    from services.mongo_svc.client import MongoClient

Act = Callable[[Where, bytes, "AsyncClientSession | None"], Awaitable[Changed]]
"""Makes the change: of these documents, of which this is the one, in this transaction."""


async def when_unchanged(client: MongoClient, where: Where, expected: bytes, mode: Mode, act: Act) -> Changed:
    """Makes a change where the document still is what is expected.

    Args:
        client: the database.
        where: the document, by its `_id`.
        expected: what the caller saw.
        mode: the form in which it was seen.
        act: makes the change.

    Raises:
        StudioError: DOCUMENT_NOT_FOUND; CONFLICT, with the document as it is in the metadata where it fits.
        PyMongoError: call it inside `errors.translated`.
    """
    with pymongo.timeout(client.deadline_s(where.max_time_s)):
        for tries_left in reversed(range(TRIES)):
            try:
                async with transactions.begin(client) as session:
                    current = await _current(client, where, session)
                    _check(current, expected, mode)
                    return await act(where, current, session)
            except transactions.UnavailableError:
                return await _without_transaction(client, where, expected, mode, act)
            except PyMongoError as error:
                # Another change crossed this one: what it made of the document shows when it is read again.
                if not (tries_left and error.has_error_label("TransientTransactionError")):
                    raise
    raise AssertionError("unreachable")


async def _without_transaction(
    client: MongoClient, where: Where, expected: bytes, mode: Mode, act: Act
) -> Changed:
    current = await _current(client, where, None)
    _check(current, expected, mode)
    same = bson.encode({"$expr": {"$eq": ["$$ROOT", {"$literal": RawBSONDocument(current)}]}})
    exactly = dataclasses.replace(where, filter=terms.all_of(where.filter, same))
    changed = await act(exactly, current, None)
    if not changed.matched:
        raise _conflict(await _current(client, where, None), mode)
    return changed


async def _current(client: MongoClient, where: Where, session: AsyncClientSession | None) -> bytes:
    found = await where.on(client).find_one(RawBSONDocument(where.filter), session=session)
    if found is None:
        raise errors.document_not_found()
    return bytes(found.raw)


def _check(current: bytes, expected: bytes, mode: Mode) -> None:
    if current != expected and not (mode == Mode.RELAXED and _seen(current) == expected):
        raise _conflict(current, mode)


def _seen(document: bytes) -> bytes:
    """A document as it comes back from its relaxed form."""
    return ejson.loads(ejson.dumps(document, Mode.RELAXED))


def _conflict(current: bytes, mode: Mode) -> StudioError:
    text = ejson.dumps(current, mode)
    fits = len(text) <= MAX_CONFLICT_BYTES
    return StudioError(
        ERROR_REASON_CONFLICT,
        "The document is not what was expected: it was changed since it was read. Nothing was done.",
        hint="Read it again.",
        metadata={"current": text.decode()} if fits else {"current_bytes": str(len(current))},
    )


def keeping_types(document: bytes, current: bytes) -> bytes:
    """A document in which every value that looks, relaxed, as in the current one is just that.

    Args:
        document: as it came from a relaxed form.
        current: the stored one.
    """
    seen = _seen(current)
    return current if document == seen else _keeping(document, seen, current)


def _keeping(document: bytes, seen: bytes, current: bytes) -> bytes:
    before: dict[bytes, list[tuple[Element, Element]]] = {}
    for pair in zip(ejson.elements(seen), ejson.elements(current), strict=True):
        before.setdefault(pair[0].name, []).append(pair)
    fields = []
    for each in ejson.elements(document):
        known = before.get(each.name)
        fields.append(_kept(each, *known.pop(0)) if known else each)
    return ejson.build(fields)


def _kept(field: Element, seen: Element, current: Element) -> Element:
    if field.kind == seen.kind and field.raw == seen.raw:
        return current
    if field.kind == seen.kind == current.kind == Kind.DOCUMENT:
        return Element(field.kind, field.name, _keeping(field.raw, seen.raw, current.raw))
    if field.kind == seen.kind == current.kind == Kind.ARRAY:
        return Element(field.kind, field.name, _keeping_items(field.raw, seen.raw, current.raw))
    return field


def _keeping_items(array: bytes, seen: bytes, current: bytes) -> bytes:
    """The same for an array, in which values may have moved."""
    pairs = list(zip(ejson.elements(seen), ejson.elements(current), strict=True))
    moved = {one.value: other for one, other in reversed(pairs)}
    items = []
    for place, each in enumerate(ejson.elements(array)):
        kept = moved.get(each.value)
        if place < len(pairs) and (kept is None or pairs[place][0].value == each.value):
            kept = _kept(each, *pairs[place])
        items.append(each if kept is None else Element(kept.kind, each.name, kept.raw))
    return ejson.build(items)
