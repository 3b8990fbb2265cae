"""What is wrong with a text or a document, and where.

The place is gathered while the error passes through the levels of the document, so it costs nothing where all is well.
"""

from __future__ import annotations

from services.mongo_svc.ejson.bounds import SHOWN_LENGTH, SHOWN_NAME_LENGTH, SHOWN_PLACE_NAMES
from services.runtime.errors import FieldViolation, StudioError
from studio.options.v1.errors_pb2 import ErrorReason


class ContentError(Exception):
    """Something is wrong in a text or a document.

    Args:
        description: what is wrong, to go on after the name of the place: `must be a string`.
        names: the place, outermost name first; an integer is a position in an array.
    """

    def __init__(self, description: str, *names: str | int) -> None:
        super().__init__(description)
        self.description = description
        self._names = list(reversed(names))

    def within(self, name: str | bytes | int) -> None:
        """Puts a name before the place."""
        self._names.append(name.decode("utf-8", "replace") if isinstance(name, bytes) else name)

    @property
    def place(self) -> str:
        """The path to the place, `documents[3].price.$numberInt`; empty for the outermost level."""
        names = self._names[:SHOWN_PLACE_NAMES]
        parts = [
            f"[{name}]" if isinstance(name, int) else f".{_shown_name(name)}" for name in reversed(names)
        ]
        path = "".join(parts).removeprefix(".")
        return f"…{path}" if len(names) < len(self._names) else path

    def as_user_error(self, what: str) -> StudioError:
        """The error for one who sent it."""
        return StudioError(
            ErrorReason.ERROR_REASON_INVALID_ARGUMENT,
            self._sentence(what),
            violations=[FieldViolation(self.place, self.description)] if self.place else (),
        )

    def as_engine_error(self, what: str) -> StudioError:
        """The error for bytes that a database sent."""
        return StudioError(ErrorReason.ERROR_REASON_DB_PROTOCOL_ERROR, self._sentence(what))

    def _sentence(self, what: str) -> str:
        if self.place:
            return f"In {what}, {self.place}: {self.description}."
        # A field's name stays as it is written; "the body" begins a sentence.
        return f"{what.replace('the ', 'The ', 1) if what.startswith('the ') else what}: {self.description}."


def shown(value: object) -> str:
    """A value as an error may repeat it: its first characters, or what it is."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int | float):
        return _clipped(repr(value), SHOWN_LENGTH)
    if isinstance(value, str):
        return f'"{_clipped(_printable(value[: SHOWN_LENGTH + 1]), SHOWN_LENGTH)}"'
    if isinstance(value, list):
        return "an array"
    return "an object"


def _shown_name(name: str) -> str:
    return _clipped(_printable(name[: SHOWN_NAME_LENGTH + 1]), SHOWN_NAME_LENGTH)


def _printable(text: str) -> str:
    """Half surrogates and control characters, which a message can't carry or a reader can't see, as escapes."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _clipped(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}…"
