"""Hears of changes from PostgreSQL, on a connection of its own, and passes them to the feed.

LISTEN belongs to a session: it needs a direct connection, no transaction pooler in between. A broken connection puts
the feed down, so that whoever watches compares when it is up again.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import psycopg

from services.registry.credentials.feed import CredentialFeed
from services.registry.credentials.store import Ended
from services.registry.feed import Feed
from services.registry.store.guard import answered_within
from services.registry.store.pool import CONNECT_TIMEOUT_S, connection_arguments
from services.runtime.backoff import Backoff
from services.runtime.logs import get_logger

CHANNEL = "studio_databases"
"""The channel of `platform.notify_database_changed()`."""
LISTS_CHANNEL = "studio_lists"
"""The channel of `platform.notify_lists_changed()`."""
CREDENTIALS_CHANNEL = "studio_credentials"
"""The channel of `platform.notify_credential_ended()`."""
PROBE_EVERY_S = 10.0
"""How often the connection is used, so that a server gone without a word is noticed."""
PROBE_TIMEOUT_S = 5.0

log = get_logger(__name__)


class Listener:
    """Listens for ever, reconnecting.

    Args:
        database_url: libpq URL of the platform database.
        feed: told what happens to connections.
        credentials: told which API keys and sessions end.
    """

    def __init__(self, database_url: str, feed: Feed, credentials: CredentialFeed) -> None:
        self._arguments = connection_arguments(database_url)
        self._feed = feed
        self._credentials = credentials

    async def run(self) -> None:
        """Listens until cancelled."""
        backoff = Backoff(first_s=0.1, longest_s=2.0)
        failure = ""
        while True:
            try:
                await self._listen(backoff)
            except (psycopg.Error, TimeoutError, OSError) as error:
                # The class says enough; the text of a refused login names the user.
                failure = type(error).__name__
            finally:
                self._feed.down()
                self._credentials.down()
            wait_s = backoff.next_s()
            log.warning("listener.lost", failure=failure, retry_in_s=round(wait_s, 2))
            await asyncio.sleep(wait_s)

    async def _listen(self, backoff: Backoff) -> None:
        async with asyncio.timeout(2 * CONNECT_TIMEOUT_S):
            connection = await psycopg.AsyncConnection.connect(**self._arguments, autocommit=True)
        async with connection:
            await connection.execute(f"LISTEN {LISTS_CHANNEL}")
            await connection.execute(f"LISTEN {CREDENTIALS_CHANNEL}")
            await connection.execute(f"LISTEN {CHANNEL}")
            self._feed.up()
            self._credentials.up()
            backoff.reset()
            log.info("listener.up", channel=CHANNEL)
            while True:
                async for notification in connection.notifies(timeout=PROBE_EVERY_S):
                    if notification.channel == LISTS_CHANNEL:
                        self._feed.lists_changed()
                    elif notification.channel == CREDENTIALS_CHANNEL:
                        self._hear_credential(notification.payload)
                    else:
                        self._hear(notification.payload)
                with answered_within(connection, PROBE_TIMEOUT_S):
                    await connection.execute("SELECT 1")

    def _hear(self, payload: str) -> None:
        try:
            event: dict[str, Any] = json.loads(payload)
            if event["op"] == "resync":
                self._feed.resync()
            elif event["op"] == "access":
                self._feed.publish_access(event["id"])
            else:
                self._feed.publish(event["id"], event["types"], deleted=event["op"] == "deleted")
        except (ValueError, KeyError, TypeError):
            # Anybody with access may NOTIFY. What we don't understand may have been a change.
            log.warning("listener.unknown_message", length=len(payload))
            self._feed.resync()

    def _hear_credential(self, payload: str) -> None:
        try:
            event: dict[str, Any] = json.loads(payload)
            self._credentials.publish(Ended(str(event["id"]), float(event["forget_after_s"])))
        except (ValueError, KeyError, TypeError):
            # The message that says so, or one that we don't understand: whoever watches compares.
            self._credentials.resync()
