"""What of a request the record names: keys, collections, users. Names, and never a value, filter or document.

Which fields are names stands in one table, whatever the rpc: a field is shown when the table has its name and its type
holds a name. A plan is made once for each message, so that a call costs what its own few fields cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, lru_cache
from itertools import islice
from typing import Any, Protocol

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from services.runtime.redaction import is_secret, redact

MAX_NAME_CHARS = 200
"""Of one name; a longer one is cut."""
MAX_LISTED = 5
"""Names shown of many, before their number."""
MAX_NAMES = 12
"""Kinds of names in one record; the registry stores 16."""
_WINDOW = 2048  # what is looked at of a long name: a secret must not show because it was cut

NAMES = {
    "bucket": "bucket",
    "channel": "channel",
    "channels": "channels",
    "collection": "collection",
    "command": "command",
    "consumer": "consumer",
    "database_name": "database_name",
    "filename": "filename",
    "grant": "grant",
    "grant_roles": "grant_roles",
    "group": "group",
    "id": "id",
    "ids": "ids",
    "indexes": "indexes",
    "key": "key",
    "key_base64": "key",
    "keys": "keys",
    "log": "log",
    "name": "name",
    "namespace": "namespace",
    "new_database_name": "new_database_name",
    "new_key": "new_key",
    "new_name": "new_name",
    "node": "node",
    "opid": "opid",
    "pattern": "pattern",
    "pattern_base64": "pattern",
    "patterns": "patterns",
    "permission_id": "permission_id",
    "project_ref": "project_ref",
    "project_refs": "project_refs",
    "revoke": "revoke",
    "revoke_roles": "revoke_roles",
    "role": "role",
    "roles": "roles",
    "shard_channels": "shard_channels",
    "subject": "subject",
    "target": "target_key",
    "target_database_id": "target_database_id",
    "type": "type",
    "update_mask": "fields",
    "user": "user",
    "view_on": "view_on",
}
"""Field of a request to what the record calls it."""
COUNTED = {"commands": "commands", "documents": "documents", "operations": "operations"}
"""Fields whose elements are data: the record says how many there were."""
FLAGS = frozenset({"drop_target", "dry_run", "many"})
"""Fields without which the record would mislead."""
MESSAGES_ONLY = frozenset({"target"})
"""Fields that hold a name where they are messages, and something else where they are text."""
OF_MESSAGE: Mapping[str, frozenset[str]] = {
    "studio.bun.v1.ForwardRequest": frozenset({"method", "path"}),
}
"""Fields that hold a name in this message only: elsewhere a path may hold values."""
NESTED = frozenset({"selection"})
"""Fields whose message has fields of the table."""

Target = dict[str, str]
Read = Callable[[Any], str]
"""A field's value as one text; empty where there is nothing to show."""


class Plan(Protocol):
    """Adds what a message names."""

    def __call__(self, message: Any, target: Target, /) -> None:  # noqa: ANN401  of the plan's own type
        """Adds to `target`."""


@lru_cache(maxsize=4096)
def shown(name: str) -> str:
    """A name as it is recorded: in one line, without what looks like a secret, `MAX_NAME_CHARS` at most."""
    text = redact(name[:_WINDOW])
    if not text.isprintable():
        text = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text[:MAX_NAME_CHARS])
    return text if len(text) <= MAX_NAME_CHARS else f"{text[: MAX_NAME_CHARS - 1]}…"


def listed(names: Iterable[str], count: int) -> str:
    """The first of many names, and how many there are."""
    text = ", ".join(shown(name) for name in islice(names, MAX_LISTED))
    return f"{text}, … ({count})" if count > MAX_LISTED else text


@cache
def plan_of(descriptor: Descriptor, without: str = "") -> Plan | None:
    """What reads the names of a message; None where it has none.

    Args:
        descriptor: of the message.
        without: a field that names the registered database: the record has that elsewhere.
    """
    fields = [field for field in descriptor.fields if field.name != without and not is_secret(field)]
    steps = [(name, field.name, read) for field in fields for name, read in _readers(field)]
    inner_plans = [(field.name, plan_of(field.message_type)) for field in fields if field.name in NESTED]
    nested = [(name, inner) for name, inner in inner_plans if inner is not None]
    if not steps and not nested:
        return None

    def plan(message: Any, target: Target) -> None:  # noqa: ANN401  as in `Plan`
        for name, field, read in steps:
            text = read(getattr(message, field))
            if text:
                target[name] = text
        for field, inner in nested:
            inner(getattr(message, field), target)

    return plan


def _readers(field: FieldDescriptor) -> Iterator[tuple[str, Read]]:
    """What a field is called in the record and how it is read, if it is in a table."""
    if field.name in COUNTED and field.is_repeated:
        yield COUNTED[field.name], _count
    elif field.name in FLAGS:
        yield field.name, _flag
    elif field.containing_type and field.name in OF_MESSAGE.get(field.containing_type.full_name, ()):
        yield field.name, shown
    elif field.name in NAMES and (field.message_type is not None or field.name not in MESSAGES_ONLY):
        read = _reader(field)
        if read is not None:
            yield NAMES[field.name], read


def _reader(field: FieldDescriptor) -> Read | None:
    """How a field's names are read, by its type; None where such a field holds none."""
    one: Read | None = None
    if field.type == FieldDescriptor.TYPE_STRING:
        one = _text
    elif field.type == FieldDescriptor.TYPE_BYTES:
        one = _bytes
    elif field.message_type is not None:
        one = _message_reader(field.message_type)
    if one is None:
        return None
    each = one
    if field.is_repeated:
        return lambda values: listed(map(each, islice(values, MAX_LISTED)), len(values))
    return shown if one is _text else lambda value: shown(each(value))


def _message_reader(descriptor: Descriptor) -> Read | None:
    fields = descriptor.fields_by_name
    if descriptor.full_name == "google.protobuf.FieldMask":
        return _paths
    if {"value", "value_base64"} <= set(fields):
        return _blob
    for name in ("role", "name"):
        if name in fields and fields[name].type == FieldDescriptor.TYPE_STRING:
            return _named(name, qualified="database_name" in fields)
    return None


def _text(value: Any) -> str:  # noqa: ANN401  as the field is
    return str(value)


def _bytes(value: bytes) -> str:
    return value[:_WINDOW].decode("utf-8", "backslashreplace")


def _blob(value: Any) -> str:  # noqa: ANN401  an engine's own message
    return str(value.value) or _bytes(value.value_base64)


def _paths(value: Any) -> str:  # noqa: ANN401  a FieldMask
    return listed(value.paths, len(value.paths))


def _named(name: str, *, qualified: bool) -> Read:
    def read(value: Any) -> str:  # noqa: ANN401  an engine's own message
        text = str(getattr(value, name))
        return f"{text}@{value.database_name}" if qualified and value.database_name else text

    return read


def _flag(value: bool) -> str:  # noqa: FBT001  the field's value
    return "true" if value else ""


def _count(values: Any) -> str:  # noqa: ANN401  a repeated field
    return str(len(values)) if len(values) else ""
