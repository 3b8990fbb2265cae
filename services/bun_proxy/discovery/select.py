"""Which routes of a document are wanted, and after which the page begins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.bun_proxy.discovery.model import Route

DEFAULT_PAGE = 100


@dataclass(frozen=True, slots=True)
class Choice:
    """What is wanted; empty or 0 for any."""

    search: str = ""
    """Contained in path, summary or operation id, in whatever case."""
    method: str = ""
    tag: str = ""
    size: int = 0
    after: Sequence[str] = ()
    """Key of the last route of the page before."""

    @property
    def page_size(self) -> int:
        """Routes of a page."""
        return self.size or DEFAULT_PAGE

    def takes(self, route: Route) -> bool:
        """Whether a route is wanted."""
        text = self.search.casefold()
        return (
            (not self.method or route.method == self.method)
            and (not self.tag or self.tag in route.tags)
            and (
                not text
                or any(text in each.casefold() for each in (route.path, route.summary, route.operation_id))
            )
        )


def choose(routes: Sequence[Route], choice: Choice) -> Iterator[Route]:
    """The wanted routes from where the page begins, in their order."""
    after = tuple(choice.after)
    return (route for route in routes if (not after or route.key > after) and choice.takes(route))
