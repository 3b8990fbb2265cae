"""Databases in memory: filtered, ordered and paged as the platform database does it.

For what does not change while the process runs (the environment) and for what was known before an outage. Holds
ciphertext only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from services.registry.store.rows import Change, Database, Entry, Filters, Key, Known, Sealed


class Shelf:
    """Some databases.

    Args:
        entries: what it holds at first.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._entries = {entry.database.id: entry for entry in entries}

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def put(self, entry: Entry) -> None:
        """Adds or replaces one."""
        self._entries[entry.database.id] = entry

    def remove(self, database_id: str) -> None:
        """Takes one out, where it is there."""
        self._entries.pop(database_id, None)

    def get(self, database_id: str) -> Database | None:
        """One database."""
        entry = self._entries.get(database_id.lower())
        return entry.database if entry else None

    def sealed(self, database_id: str) -> Sealed | None:
        """One database with its ciphertext."""
        entry = self._entries.get(database_id.lower())
        return entry.sealed if entry else None

    def list_page(self, filters: Filters, after: Key | None, limit: int) -> list[Database]:
        """As `Store.list_page`."""
        chosen = (entry.database for entry in self._entries.values() if _fits(entry.database, filters))
        ordered = sorted(chosen, key=order)
        if after is not None:
            last = (after.project_ref, after.name, after.id)
            ordered = [each for each in ordered if order(each) > last]
        return ordered[:limit]

    def changes(self, type_: str, known: Iterable[Known]) -> list[Change]:
        """Those of the known connections that are different here, or out of use."""
        changes = []
        for each in known:
            sealed = self.sealed(each.id)
            if sealed is None or sealed.type != type_ or sealed.deactivated:
                changes.append(Change(each.id, deleted=True))
            elif sealed.revision != each.revision:
                changes.append(Change(each.id, deleted=False))
        return changes


def order(database: Database) -> tuple[str, str, str]:
    """The order of lists. Strings compare by code point, which is PostgreSQL's order of bytes for UTF-8."""
    return (database.project_ref, database.name, database.id)


def _fits(database: Database, filters: Filters) -> bool:
    if filters.search:
        wanted = filters.search.lower()
        if not any(wanted in text.lower() for text in (database.name, database.description, database.host)):
            return False
    if filters.projects is not None and database.project_ref not in filters.projects:
        return False
    if filters.granted_to is not None and filters.granted_to not in (database.grants or {}):
        return False
    return (
        filters.project_ref in ("", database.project_ref)
        and filters.type in ("", database.type)
        and filters.status in ("", database.status)
    )
