"""Finds the documents that break validation rules, step by step along the index of `_id`.

Steps have both ends given to the index itself (`min`, `max`), since a condition such as `$gt` compares within one type
only, and `_id`s of a collection may have many. So each step is bounded, and a stopped test goes on where it was.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from bson.raw_bson import RawBSONDocument

from services.mongo_svc import ejson, terms
from services.mongo_svc.aggregation import run
from services.mongo_svc.client import MongoClient, without_none
from services.mongo_svc.ejson import Element, Value
from services.mongo_svc.ejson.layout import Kind
from services.mongo_svc.schema import bounds, rules, validation
from services.mongo_svc.schema.analysis import UNKNOWN, estimate
from services.mongo_svc.schema.rules import Clause
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e


@dataclass(frozen=True, slots=True)
class Question:
    """What to test."""

    database: str
    """Name of the database; empty for the connection's."""
    collection: str
    """The collection."""
    validator: bytes | None = None
    """BSON of the rules; None for those of the collection."""
    samples: int = bounds.DEFAULT_SAMPLES
    """Documents to show."""
    resume: str = ""
    """Where to begin; empty for the beginning."""
    step: int = bounds.STEP_DOCUMENTS
    """Documents of a step."""


@dataclass(frozen=True, slots=True)
class Invalid:
    """A document that breaks rules."""

    id: Value
    """Its `_id`."""
    document: bytes
    """BSON; nothing where it is too large to show."""
    broken: Sequence[Clause]
    """The single rules that it breaks."""


@dataclass(frozen=True, slots=True)
class Report:
    """How far a test is."""

    checked: int = 0
    failed: int = 0
    total_estimate: float = UNKNOWN
    elapsed_s: float = 0.0
    done: bool = False
    resume: str = ""
    """Where to go on; empty when done."""
    samples: Sequence[Invalid] = field(default=())
    """Those that the last step has found and that no report before had."""


async def test(client: MongoClient, question: Question) -> AsyncGenerator[Report, None]:
    """A report after each step; the last is done.

    Raises:
        StudioError: INVALID_CURSOR; as `validation.get`; as `MongoClient.command`.
    """
    began = perf_counter()
    start = _position(question.resume)
    stored = await validation.get(client, question.database, question.collection)
    validator = stored.validator if question.validator is None else question.validator
    walk = _Walk(client, question, validator)
    total = await estimate(client, question.database, question.collection)
    checked = failed = shown = 0
    while True:
        step = await walk.step(start)
        samples = await walk.show(step.failing[: question.samples - shown])
        checked += step.checked
        failed += len(step.failing)
        shown += len(samples)
        yield Report(
            checked=checked,
            failed=failed,
            total_estimate=total,
            elapsed_s=perf_counter() - began,
            done=step.end is None,
            resume="" if step.end is None else _token(step.end),
            samples=samples,
        )
        if step.end is None:
            return
        start = step.end


@dataclass(frozen=True, slots=True)
class _Step:
    checked: int
    failing: Sequence[Value]
    end: Value | None
    """The `_id` where the next step begins; None at the end of the collection."""


class _Walk:
    """Along one collection."""

    def __init__(self, client: MongoClient, question: Question, validator: bytes) -> None:
        self._client = client
        self._question = question
        self._clauses = rules.clauses(validator)
        self._breaks = _nor(validator)

    async def step(self, start: Value | None) -> _Step:
        size = self._question.step
        ids = await self._ids(terms.EMPTY, start, None, size + 1)
        # Less than asked for is the end, unless ids were so large that the answer was full.
        full = sum(len(each.raw) for each in ids) > 8 * bounds.MIB
        end = ids[-1] if len(ids) > size or (full and len(ids) > 1) else None
        failing = await self._ids(self._breaks, start, end, size) if ids else []
        return _Step(len(ids) if end is None else len(ids) - 1, failing, end)

    async def show(self, ids: Sequence[Value]) -> list[Invalid]:
        found: list[Invalid] = []
        for at in range(0, len(ids), bounds.EXPLAINED_AT_ONCE):
            part = ids[at : at + bounds.EXPLAINED_AT_ONCE]
            broken = await self._broken(part)
            for place, id_ in enumerate(part):
                document = await self._document(id_)
                if document is not None:
                    found.append(Invalid(id_, document, broken.get(place, ())))
        return found

    async def _ids(self, condition: bytes, start: Value | None, end: Value | None, limit: int) -> list[Value]:
        command = {
            "find": self._client.collection_name(self._question.database, self._question.collection),
            "filter": RawBSONDocument(condition),
            "projection": {"_id": 1},
            "sort": {"_id": 1},
            "hint": {"_id": 1},
            **without_none(min=_bound(start), max=_bound(end)),
            "limit": limit,
            "batchSize": limit,
            "singleBatch": True,
        }
        answer = await self._client.raw_command(self._question.database, command)
        return [_id_of(document) for document in validation.first_batch(bytes(answer.raw))]

    async def _document(self, id_: Value) -> bytes | None:
        """A document; nothing of one too large to show, None of one that is gone."""
        command: dict[str, Any] = {
            "find": self._question.collection,
            "filter": RawBSONDocument(terms.id_is(id_)),
            "limit": 1,
            "singleBatch": True,
        }
        answer = await self._client.raw_command(self._question.database, command)
        found = validation.first_batch(bytes(answer.raw))
        if not found:
            return None
        return found[0] if len(found[0]) <= bounds.MAX_SAMPLE_BYTES else b""

    async def _broken(self, ids: Sequence[Value]) -> dict[int, list[Clause]]:
        """Which single rules each document breaks, by its place."""
        if not self._clauses:
            return {}
        only_id = terms.document(**{"$project": terms.nested(terms.document(_id=terms.int32(1)))})
        branches = [
            Element(
                Kind.ARRAY,
                b"f%d" % place,
                terms.array([terms.nested(_match(_nor(clause.query))), terms.nested(only_id)]).raw,
            )
            for place, clause in enumerate(self._clauses)
        ]
        stages = (
            _match(terms.is_(b"_id", b"$in", terms.array(ids))),
            terms.document(**{"$facet": terms.nested(ejson.build(branches))}),
        )
        question = run.Question(self._question.database, self._question.collection, stages)
        try:
            result = await run.first(
                self._client, question, limit=1, max_bytes=bounds.MIB, timeout_s=self._client.deadline_s()
            )
        except StudioError as error:
            if error.reason != e.ERROR_REASON_DB_QUERY_ERROR:
                raise
            return {}  # rules that can't stand alone (`$near`, `$text`): that they are broken is known
        places = {id_: place for place, id_ in enumerate(ids)}
        found: dict[int, list[Clause]] = {}
        for clause, branch in zip(self._clauses, ejson.elements(result.documents[0]), strict=True):
            for each in ejson.elements(branch.raw):
                place = places.get(_id_of(each.raw))
                if place is not None:
                    found.setdefault(place, []).append(clause)
        return found


def _match(condition: bytes) -> bytes:
    return terms.document(**{"$match": terms.nested(condition)})


def _nor(query: bytes) -> bytes:
    return terms.document(**{"$nor": terms.array([terms.nested(query)])})


def _id_of(document: bytes) -> Value:
    return next(element.value for element in ejson.elements(document) if element.name == b"_id")


def _bound(id_: Value | None) -> RawBSONDocument | None:
    return None if id_ is None else RawBSONDocument(terms.document(_id=id_))


def _token(id_: Value) -> str:
    return base64.urlsafe_b64encode(terms.document(_id=id_)).decode()


def _position(token: str) -> Value | None:
    if not token:
        return None
    try:
        document = base64.b64decode(token, altchars=b"-_", validate=True)
        ejson.check(document)
        (element,) = ejson.elements(document)
    except (binascii.Error, StudioError, ValueError):
        raise StudioError(
            e.ERROR_REASON_INVALID_CURSOR, "The token in `resume` is none of this test."
        ) from None
    return element.value
