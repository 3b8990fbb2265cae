"""What the rest of the registry knows of the cache's Redis: that a call failed, and that a URL is none.

Imports no redis-py: it takes 6 MB, and a registry without a cache does without.
"""

from __future__ import annotations


class CacheFailedError(Exception):
    """That Redis is gone, slow, full, read-only or refuses the login."""


def check_cache_url(url: str) -> None:
    """Refuses what no client can be made of.

    Raises:
        ValueError: it is no such URL; the text may repeat it.
    """
    from redis.asyncio.connection import parse_url  # noqa: PLC0415  see above

    parse_url(url)
