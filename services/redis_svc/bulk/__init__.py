"""Work on many keys: preview, delete, expire, copy, export, import; in flat memory, a few milliseconds at a time."""
