"""What of a server is never changed here, or by administrators only: what the server keeps its own books in."""

from __future__ import annotations

from services.mongo_svc import policy
from services.mongo_svc.namespaces import SYSTEM_DATABASES, is_system
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e


def check_changeable(database: str, collection: str) -> None:
    """Refuses collections that are the server's own.

    Args:
        database: name of the database, not empty.
        collection: name of the collection.

    Raises:
        StudioError: COMMAND_REFUSED for `system.*`, whoever asks; PERMISSION_DENIED for other collections of the
            server's databases, below administrator.
    """
    if is_system(collection):
        raise StudioError(
            e.ERROR_REASON_COMMAND_REFUSED,
            f"{collection[:64]} is one of the server's own collections: it is changed by the server alone.",
        )
    policy.check_source(database, collection, "database_name")


def check_droppable(database: str, confirm: str) -> None:
    """Refuses to drop a database of the server's own, or one whose name is not repeated.

    Raises:
        StudioError: COMMAND_REFUSED; CONFIRMATION_REQUIRED.
    """
    if database in SYSTEM_DATABASES:
        raise StudioError(
            e.ERROR_REASON_COMMAND_REFUSED, f"{database} is one of the server's own databases and stays."
        )
    if confirm != database:
        raise StudioError(
            e.ERROR_REASON_CONFIRMATION_REQUIRED,
            "Dropping a database drops all that is in it.",
            hint="Send the call again with the name of the database in `confirm`.",
            metadata={"confirmation": database},
        )
