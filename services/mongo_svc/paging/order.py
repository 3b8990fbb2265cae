"""What documents are sorted by, and whether a place in that order can be named by values.

Sort keys are completed by `_id`, so that every document has a place of its own. Where the server has an index for the
sort that was asked for, and none for the completed one, completing it would sort the whole collection for each page:
there the order stays as it was asked for, and documents of equal keys are told apart by the `_id`s handed out so far.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from services.mongo_svc import ejson, find, terms
from services.mongo_svc.ejson import Element
from services.mongo_svc.ejson.layout import Kind
from services.mongo_svc.paging.bounds import KINDS_AGE_S, MAX_KINDS
from services.mongo_svc.paging.places import Key
from services.mongo_svc.paging.tokens import State
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

if TYPE_CHECKING:
    from services.mongo_svc.client import MongoClient

_ID = b"_id"
_OWN_ORDER = (b"$near\0", b"$nearSphere\0", b"$geoNear\0", b"$text\0")
"""Operators that sort what they find, or can't be combined with conditions of ours."""
_EXPLAINABLE = frozenset(
    {e.ERROR_REASON_DB_QUERY_ERROR, e.ERROR_REASON_NOT_SUPPORTED, e.ERROR_REASON_DB_PERMISSION_DENIED}
)


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a listing."""

    sort: bytes
    """What the server is asked to sort by; empty to leave the order to it."""
    keys: tuple[Key, ...]
    """The parts of the sort key; empty where places are counted."""


async def begin(client: MongoClient, query: find.Query) -> State:
    """How a listing begins.

    Raises:
        StudioError: as `find.first_batch`.
    """
    if not query.sort_fields and not has_own_order(query) and await _kinds(client).is_plain(client, query):
        return State(completed=True, dense=True, named=query.collation == terms.EMPTY)
    if not _is_nameable(query) or not await _kinds(client).is_plain(client, query):
        return State(completed=False, dense=False, named=False)
    if keys_of(query.sort_fields)[0].path == _ID:
        return State(completed=True, dense=True, named=query.collation == terms.EMPTY)
    plan = await _explain(client, query, _completed(query.sort_fields))
    if plan is not None and plan.sorts:
        as_asked = await _explain(client, query, query.sort_fields)
        if as_asked is not None and not as_asked.sorts:
            return State(completed=False, dense=as_asked.dense, named=query.collation == terms.EMPTY)
    return State(
        completed=True,
        dense=plan is not None and plan.dense and not plan.sorts,
        named=query.collation == terms.EMPTY,
    )


def order_of(query: find.Query, state: State) -> Order:
    """The order in which a listing goes on."""
    fields = list(query.sort_fields)
    if state.completed:
        fields = _completed(fields)
    keys = keys_of(fields) if state.named else ()
    return Order(ejson.build(fields), keys)


def has_own_order(query: find.Query) -> bool:
    """The filter decides about the order."""
    return b"$" in query.filter and any(each in query.filter for each in _OWN_ORDER)


def keys_of(fields: Sequence[Element]) -> tuple[Key, ...]:
    """The parts of a sort key, as far as they matter: none behind `_id`, which no two documents share."""
    keys: list[Key] = []
    for each in fields:
        keys.append(Key(each.name, descending=_number(each) < 0))
        if each.name == _ID:
            break
    return tuple(keys)


def _completed(fields: Sequence[Element]) -> list[Element]:
    """In the direction of the last part, so that an index on both serves."""
    if any(each.name == _ID for each in fields):
        return list(fields)
    direction = -1 if fields and _number(fields[-1]) < 0 else 1
    return [*fields, Element(Kind.INT32, _ID, terms.int32(direction).raw)]


def _is_nameable(query: find.Query) -> bool:
    fields = query.sort_fields
    return (
        bool(fields)
        and not has_own_order(query)
        and len({each.name for each in fields}) == len(fields)
        and all(_number(each) and not each.name.startswith(b"$") for each in fields)
    )


def _number(element: Element) -> float:
    match element.kind:
        case Kind.DOUBLE:
            return float(struct.unpack("<d", element.raw)[0])
        case Kind.INT32 | Kind.INT64:
            return int.from_bytes(element.raw, "little", signed=True)
        case _:
            return 0.0


@dataclass(frozen=True, slots=True)
class _Plan:
    sorts: bool
    """It reads all that matches, and sorts it."""
    dense: bool
    """It reads an index in which no array is."""


async def _explain(client: MongoClient, query: find.Query, sort: Sequence[Element]) -> _Plan | None:
    asked = {"explain": find.command(client, query, sort=ejson.build(sort)), "verbosity": "queryPlanner"}
    try:
        answer = await client.command(query.database, asked, timeout_s=query.max_time_s)
    except StudioError as error:
        if error.reason in _EXPLAINABLE:
            return None  # the query itself will say what is wrong with it
        raise
    planner = answer.get("queryPlanner")
    if not isinstance(planner, Mapping):
        return None
    stages = list(_stages(planner.get("winningPlan")))
    scans = [each for each in stages if each.get("stage") == "IXSCAN"]
    return _Plan(
        sorts=any(each.get("stage") == "SORT" for each in stages),
        dense=bool(scans) and all(each.get("isMultiKey") is False for each in scans),
    )


def _stages(plan: Any) -> Iterator[Mapping[str, Any]]:  # noqa: ANN401  a plan differs by version and topology
    if isinstance(plan, Mapping):
        if "stage" in plan:
            yield plan
        for each in plan.values():
            yield from _stages(each)
    elif isinstance(plan, list):
        for each in plan:
            yield from _stages(each)


class _Kinds:
    """Which names are those of collections, not of views or time series, which have an order of their own."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[float, bool]] = {}

    async def is_plain(self, client: MongoClient, query: find.Query) -> bool:
        """Whether it is a collection."""
        key = client.database_name(query.database), query.collection
        known = self._known.get(key)
        now = time.monotonic()
        if known is not None and now - known[0] < KINDS_AGE_S:
            return known[1]
        plain = await self._ask(client, query)
        if len(self._known) >= MAX_KINDS:
            self._known.clear()
        self._known[key] = now, plain
        return plain

    @staticmethod
    async def _ask(client: MongoClient, query: find.Query) -> bool:
        asked = {
            "listCollections": 1,
            "filter": {"name": query.collection},
            "nameOnly": True,
            "authorizedCollections": True,
        }
        found = (await client.command(query.database, asked))["cursor"]["firstBatch"]
        return not found or found[0].get("type", "collection") == "collection"


_known_kinds: WeakKeyDictionary[MongoClient, _Kinds] = WeakKeyDictionary()


def _kinds(client: MongoClient) -> _Kinds:
    return _known_kinds.setdefault(client, _Kinds())
