"""What a confirmation of dangerous commands is bound to; `services.runtime.confirmation` makes the tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PURPOSE = b"redis/console"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a token is bound to."""

    caller: str
    """Who asks."""
    database_id: str
    """Where."""
    commands: Sequence[Sequence[bytes]]
    """What, word by word."""

    def parts(self) -> list[bytes]:
        """All of it; how many words each command has stands before them."""
        names = [text.encode("utf-8", "surrogatepass") for text in (self.caller, self.database_id)]
        words = [part for each in self.commands for part in (b"%d" % len(each), *each)]
        return [*names, *words]
