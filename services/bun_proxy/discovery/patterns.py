"""Which route a path belongs to: one of the API's document, or else the path with `{id}` for what looks like one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote

from services.bun_proxy.discovery.model import Route

_ID = re.compile(
    r"\d+"
    r"|[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}"
    r"|[0-9A-Fa-f]{12,}"
    r"|(?=[A-Za-z0-9_-]*\d)[A-Za-z0-9_-]{20,}"
)
"""Numbers, UUIDs, hashes, and long words with digits in them (ULIDs, KSUIDs, nano ids)."""
MAX_SEGMENTS = 32


class _Node:
    __slots__ = ("literals", "path", "variable")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.variable: _Node | None = None
        self.path: str | None = None


class Patterns:
    """The routes of one API, for looking paths up.

    Args:
        routes: those that are known.
    """

    def __init__(self, routes: Sequence[Route] = ()) -> None:
        self._root = _Node()
        for path in sorted({route.proxy_path for route in routes if route.proxy_path}):
            self._add(path)

    def route_of(self, path: str) -> str:
        """The route of a path, both below the base path.

        A literal segment wins over a variable: https://spec.openapis.org/oas/v3.1.1.html#path-templating-matching.
        """
        segments = path.strip("/").split("/")
        found = (
            None if len(segments) > MAX_SEGMENTS else _find(self._root, [unquote(each) for each in segments])
        )
        return found or "/".join("{id}" if _ID.fullmatch(each) else each for each in path.split("/"))

    def _add(self, path: str) -> None:
        node = self._root
        for segment in path.strip("/").split("/"):
            if "{" in segment:
                node.variable = node.variable or _Node()
                node = node.variable
            else:
                node = node.literals.setdefault(unquote(segment), _Node())
        node.path = node.path or path


def _find(root: _Node, segments: Sequence[str]) -> str | None:
    """The path of the best node, literals first, among the first `MAX_SEGMENTS` of each level."""
    nodes = [root]
    for segment in segments:
        following = []
        for node in nodes:
            literal = node.literals.get(segment)
            following += [each for each in (literal, node.variable) if each is not None]
        nodes = following[:MAX_SEGMENTS]
    return next((node.path for node in nodes if node.path is not None), None)
