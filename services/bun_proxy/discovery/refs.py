"""References inside a document (`{"$ref": "#/components/parameters/id"}`), followed within bounds.

Nothing outside is ever asked for: what a document points to would be read with our connection and our key.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from services.bun_proxy.discovery import bounds
from services.bun_proxy.discovery.texts import clean


class References:
    """The references of one document.

    Args:
        tree: the document.
    """

    def __init__(self, tree: dict[str, Any]) -> None:
        self._tree = tree
        self._warned: set[str] = set()
        self.warnings: list[str] = []
        """What could not be followed, or read, the first `bounds.WARNINGS`."""

    def mapping(self, value: object) -> dict[str, Any]:
        """The mapping that a value is or leads to; an empty one where it is or leads to none.

        https://spec.openapis.org/oas/v3.1.1.html#reference-object
        """
        seen: set[str] = set()
        while isinstance(value, dict) and isinstance(pointer := value.get("$ref"), str):
            if pointer in seen or len(seen) >= bounds.REF_HOPS:
                self.warn(f"{_shown(pointer)} leads back to itself, or over too many others.")
                return {}
            seen.add(pointer)
            value = self._target(pointer)
        return value if isinstance(value, dict) else {}

    def warn(self, message: str) -> None:
        """Notes what could not be read, once."""
        if len(self.warnings) < bounds.WARNINGS and message not in self._warned:
            self._warned.add(message)
            self.warnings.append(message)

    def _target(self, pointer: str) -> object:
        """What a JSON pointer names: https://www.rfc-editor.org/rfc/rfc6901."""
        if not pointer.startswith("#") or len(pointer) > bounds.POINTER_CHARS:
            self.warn(f"{_shown(pointer)} lies outside the document, and is not followed.")
            return None
        found: object = self._tree
        for part in unquote(pointer[1:]).split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict) and name in found:
                found = found[name]
            elif (
                isinstance(found, list) and name.isascii() and name.isdecimal() and int(name[:9]) < len(found)
            ):
                found = found[int(name[:9])]
            else:
                self.warn(f"{_shown(pointer)} names nothing.")
                return None
        return found


def _shown(pointer: str) -> str:
    return f"The reference {clean(pointer, bounds.NAME_CHARS)!r}"
