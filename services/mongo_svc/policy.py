"""What users may ask of a server beside plain reading and writing: code that it runs, pipelines, its own collections.

Whatever users send that the server evaluates (filters, expressions, updates, validators, pipelines) passes here first;
documents to insert are data and don't. Default deny: what `stages` doesn't know needs an administrator. The judgement
is by name at any depth, also where the server would take the name for data: a filter has no other use for it.

Pure: knows the caller from the context of the call, and asks no server.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from services.mongo_svc import ejson, stages
from services.mongo_svc.ejson import Element, Value
from services.mongo_svc.stages import Rule
from services.runtime.access import current_role, role_name
from services.runtime.databases import connection_read_only
from services.runtime.errors import StudioError, invalid_argument
from studio.options.v1 import errors_pb2 as e
from studio.options.v1.access_pb2 import ROLE_ADMINISTRATOR, Role

MAX_STAGES = 1000
"""Stages of one pipeline; the servers' own bound (https://www.mongodb.com/docs/manual/core/aggregation-pipeline-limits/)."""

_STRING, _DOCUMENT, _ARRAY, _CODE_WITH_SCOPE = 0x02, 0x03, 0x04, 0x0F
_NESTED = frozenset({_DOCUMENT, _ARRAY, _CODE_WITH_SCOPE})
_INTERNAL = b"$_internal"
_UPDATE_OF_MERGE = "whenMatched"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a pipeline writes to."""

    stage: str
    """`$out`, which replaces the collection, or `$merge`."""
    database: str
    """Name of the database; empty for the one that the pipeline runs in."""
    collection: str
    """Name of the collection."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline that the caller may run."""

    names: tuple[str, ...]
    """The stages' names in order."""
    stages: tuple[bytes, ...]
    """The stages, a document each."""
    target: Target | None
    """Where its last stage writes to; None where it only reads."""

    @property
    def writes(self) -> bool:
        """It changes data."""
        return self.target is not None


def is_administrator() -> bool:
    """Whether the caller is an administrator or more."""
    return _role() >= ROLE_ADMINISTRATOR


def check(document: bytes, what: str) -> None:
    """Refuses operators that run code on the server, to callers below administrator.

    Args:
        document: BSON that the server will evaluate: a filter, an update, an expression; also an array.
        what: the field that it came in, for the message.

    Raises:
        StudioError: PERMISSION_DENIED, with the place.
    """
    if is_administrator() or b"$" not in document:
        return
    # A name ends with NUL and so does a text, so this finds too much rather than too little; the walk decides.
    if _INTERNAL in document or any(b"%b\0" % name in document for name in stages.RUNS_CODE):
        for path, name in _names(document, ""):
            if name in stages.RUNS_CODE:
                raise _denied(f"{what}{path}", name.decode(), "runs code on the server", ROLE_ADMINISTRATOR)
            if name.startswith(_INTERNAL):
                raise _denied(
                    f"{what}{path}",
                    name[:64].decode("utf-8", "replace"),
                    stages.UNKNOWN.why,
                    ROLE_ADMINISTRATOR,
                )


def check_source(database: str, collection: str, what: str = "collection") -> None:
    """Refuses the server's own collections to callers below administrator: they hold users' hashes, others' commands.

    Args:
        database: name of the database, not empty.
        collection: name of the collection; empty for the database as a whole.
        what: the field that names it, for the message.

    Raises:
        StudioError: PERMISSION_DENIED.
    """
    if is_administrator():
        return
    if database in stages.SYSTEM_DATABASES:
        raise _denied(what, database, "is one of the server's own databases", ROLE_ADMINISTRATOR)
    if collection.startswith("system.") and not collection.startswith(stages.READABLE_SYSTEM_COLLECTIONS):
        raise _denied(what, collection, "is one of the server's own collections", ROLE_ADMINISTRATOR)


def check_target(database: str, collection: str, what: str = "collection") -> None:
    """Refuses to write to the server's own collections, to callers below administrator.

    Also to those that they may read: a document in `system.views` is a view that no rule here has seen.

    Args:
        database: name of the database, not empty.
        collection: name of the collection.
        what: the field that names it, for the message.

    Raises:
        StudioError: PERMISSION_DENIED.
    """
    check_source(database, collection, what)
    if collection.startswith("system.") and not is_administrator():
        raise _denied(what, collection, "is one of the server's own collections", ROLE_ADMINISTRATOR)


def check_pipeline(
    pipeline: bytes, what: str, *, read_only: bool, database: str = "", only: AbstractSet[str] | None = None
) -> Pipeline:
    """Refuses pipelines that the caller may not run.

    Args:
        pipeline: a BSON array.
        what: the field that it came in, for messages.
        read_only: the connection is registered as read-only.
        database: name of the database that it runs in, where it is known: `$out` may not write to `admin`.
        only: stages that may be in it; None for all. See `stages.OF_UPDATES`, `stages.OF_CHANGE_STREAMS`.

    Raises:
        StudioError: PERMISSION_DENIED, CONNECTION_READ_ONLY, INVALID_ARGUMENT, each with the place.
    """
    found = _Check(read_only=read_only, database=database).pipeline(pipeline, what, only=only, nested=False)
    check(pipeline, what)
    return found


class _Check:
    """One pipeline and those in it."""

    def __init__(self, *, read_only: bool, database: str) -> None:
        self._read_only = read_only
        self._database = database

    def pipeline(
        self, pipeline: bytes, what: str, *, only: AbstractSet[str] | None, nested: bool
    ) -> Pipeline:
        names: list[str] = []
        raw: list[bytes] = []
        target: Target | None = None
        for place, item in enumerate(ejson.elements(pipeline)):
            where = f"{what}[{place}]"
            if place >= MAX_STAGES:
                raise invalid_argument(what, f"has more than {MAX_STAGES} stages")
            if target is not None:
                raise invalid_argument(f"{what}[{place - 1}]", f"{target.stage} must be the last stage")
            name, value = _stage(item, where)
            names.append(name)
            raw.append(item.raw)
            rule = self._allowed(name, where, only)
            if rule.writes:
                target = self._target(name, value, where, nested=nested)
            for each in rule.sources:
                self._sources(value, each, where)
            for each in rule.pipelines:
                self._nested(value, each.split("."), f"{where}.{name}")
        return Pipeline(tuple(names), tuple(raw), target)

    def _allowed(self, name: str, where: str, only: AbstractSet[str] | None) -> Rule:
        if name in stages.ENDLESS:
            raise invalid_argument(where, f"{name} never ends: use the stream of changes")
        if only is not None and name not in only:
            raise invalid_argument(
                where, f"{_short(name)} can't be used here, only {', '.join(sorted(only))}"
            )
        rule = stages.STAGES.get(name, stages.UNKNOWN)
        if _role() < rule.role:
            raise _denied(where, _short(name), rule.why, rule.role)
        return rule

    def _nested(self, value: Value, path: list[str], where: str) -> None:
        """The pipelines at a path of a stage."""
        if not path:
            if value.kind != _ARRAY:
                raise invalid_argument(where, "must be an array of stages")
            self.pipeline(value.raw, where, only=None, nested=True)
        elif value.kind == _DOCUMENT:
            for field in ejson.elements(value.raw):
                name = field.name.decode("utf-8", "replace")
                if path[0] in ("*", name):
                    self._nested(field.value, path[1:], f"{where}.{_short(name)}")

    def _sources(self, value: Value, field: str, where: str) -> None:
        for each in _fields(value, field) if field else (value,):
            database, collection = _namespace(each)
            check_source(database or self._database, collection, where)

    def _target(self, name: str, value: Value, where: str, *, nested: bool) -> Target:
        if nested:
            raise invalid_argument(where, f"{name} must be the last stage of the outermost pipeline")
        if self._read_only:
            raise connection_read_only()
        if name == "$merge" and value.kind == _DOCUMENT:
            for update in _fields(value, _UPDATE_OF_MERGE):
                if update.kind == _ARRAY:
                    self.pipeline(
                        update.raw, f"{where}.{_UPDATE_OF_MERGE}", only=stages.OF_UPDATES, nested=True
                    )
            into = list(_fields(value, "into"))
            if len(into) != 1:
                raise invalid_argument(where, "must say once, in `into`, where to write to")
            value = into[0]
        database, collection = _namespace(value)
        if not collection:
            raise invalid_argument(where, f"{name} must name a collection to write to")
        if (database or self._database) in stages.SYSTEM_DATABASES or collection.startswith("system."):
            raise StudioError(
                e.ERROR_REASON_PERMISSION_DENIED,
                f"{where}: {name} can't write to the server's own collections.",
                metadata={"path": where, "operator": name},
            )
        return Target(name, database, collection)


def _stage(item: Element, where: str) -> tuple[str, Value]:
    fields = list(ejson.elements(item.raw)) if item.kind == _DOCUMENT else []
    if len(fields) != 1 or not fields[0].name.startswith(b"$"):
        raise invalid_argument(where, "must be an object with one field, whose name is the stage's: `$match`")
    return fields[0].name.decode("utf-8", "replace"), fields[0].value


def _fields(value: Value, name: str) -> Iterator[Value]:
    """The values of that name, of which a document may have several."""
    if value.kind == _DOCUMENT:
        for field in ejson.elements(value.raw):
            if field.name == name.encode():
                yield field.value


def _namespace(value: Value) -> tuple[str, str]:
    """Database and collection that a stage names, as `name`, `{db, coll}` or `{coll}`."""
    if value.kind == _STRING:
        return "", _text(value)
    found = {"db": "", "coll": ""}
    for name in found:
        texts = [_text(each) for each in _fields(value, name) if each.kind == _STRING]
        if len(texts) > 1:
            raise invalid_argument(name, "is given twice")
        found[name] = texts[0] if texts else ""
    return found["db"], found["coll"]


def _text(value: Value) -> str:
    return value.raw[4:-1].decode("utf-8", "replace")


def _names(document: bytes, path: str) -> Iterator[tuple[str, bytes]]:
    """Every name in a document with its path, outermost first."""
    for field in ejson.elements(document):
        inner = f"{path}.{_short(field.name.decode('utf-8', 'replace'))}"
        yield inner, field.name
        if field.kind in _NESTED:
            yield from _names(_inner(field), inner)


def _inner(field: Element) -> bytes:
    if field.kind != _CODE_WITH_SCOPE:
        return field.raw
    return field.raw[8 + int.from_bytes(field.raw[4:8], "little") :]


def _short(name: str) -> str:
    return name if len(name) <= 64 else f"{name[:64]}…"  # noqa: PLR2004  what an error repeats of a name


def _role() -> Role.ValueType:
    return current_role()


def _denied(where: str, name: str, why: str, role: Role.ValueType) -> StudioError:
    return StudioError(
        e.ERROR_REASON_PERMISSION_DENIED,
        f"{where}: {name} {why}; it needs the role {role_name(role)}.",
        metadata={"path": where, "operator": name, "role": role_name(role)},
    )
