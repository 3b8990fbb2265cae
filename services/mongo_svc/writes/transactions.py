"""Transactions, where the server has them.

https://www.mongodb.com/docs/manual/core/transactions/
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from pymongo.errors import ConfigurationError, OperationFailure

if TYPE_CHECKING:
    from pymongo.asynchronous.client_session import AsyncClientSession

    from services.mongo_svc.client import MongoClient

_REFUSED: Final = frozenset({20, 263})
"""IllegalOperation: the server is no replica set. OperationNotSupportedInTransaction: the collection is capped, say."""


class UnavailableError(Exception):
    """The server can't do this in a transaction. Nothing was done."""


@contextlib.asynccontextmanager
async def begin(client: MongoClient) -> AsyncIterator[AsyncClientSession]:
    """A transaction: committed at the end of the block, aborted by any exception.

    Raises:
        UnavailableError: in the place of the server's error, where it refuses the transaction.
        PyMongoError: as the driver raises it; call it inside `errors.translated`.
    """
    try:
        async with client.driver.start_session() as session, await session.start_transaction():
            yield session
    except OperationFailure as error:
        if error.code in _REFUSED:
            raise UnavailableError from error
        raise
    except ConfigurationError as error:  # the server has no sessions at all
        raise UnavailableError from error
