"""What handlers tell the record of the current call, where its request alone does not show it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from google.protobuf.message import Message

from services.runtime import context
from services.runtime.audit import targets


def note_message(message: Message, **names: str) -> None:
    """Notes the names in a message that came inside a body, and others."""
    record = context.record.get()
    if record is None:
        return
    found: targets.Target = {}
    plan = targets.plan_of(message.DESCRIPTOR)
    if plan is not None:
        plan(message, found)
    found.update((kind, targets.shown(name)) for kind, name in names.items())
    record.note(found)


def note_names(**names: str | Sequence[str]) -> None:
    """Notes names by their kind."""
    record = context.record.get()
    if record is not None:
        record.note({kind: _text(name) for kind, name in names.items() if name})


def note_database(database_id: str, name: str = "", project_ref: str = "") -> None:
    """Says which registered database the call is about, and what is known of it where the service's log can't tell."""
    record = context.record.get()
    if record is not None:
        record.database_id = database_id
        if name:
            record.database = name, project_ref


def _text(names: str | Sequence[str]) -> str:
    if isinstance(names, str):
        return targets.shown(names)
    each: Iterable[str] = names
    return targets.listed(each, len(names))
