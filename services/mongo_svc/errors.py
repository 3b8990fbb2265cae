"""Errors of PyMongo and of the server to errors of the contract, in one place. Never a 5xx for what a user can mend.

`metadata` says `server_error` (the server's name of the code), and of failed changes `outcome`: `not_done` where they
certainly weren't made, `unknown` where they may have been.
"""

from __future__ import annotations

import contextlib
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bson import json_util
from bson.errors import BSONError
from pymongo import errors as driver
from pymongo.topology_description import TOPOLOGY_TYPE, TopologyDescription

from services.mongo_svc import tls
from services.mongo_svc.error_table import (
    ATLAS,
    DUPLICATE,
    DUPLICATES,
    INVALID,
    LOGIN_NEEDED,
    NAMES,
    NOT_DONE,
    PERMISSION,
    TABLE,
    UNAUTHORIZED,
    UNKNOWN,
    VALIDATION,
    Row,
)
from services.mongo_svc.options import where as shown
from services.runtime import context
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e
from studio.options.v1.access_pb2 import ROLE_READ_ONLY

MAX_TEXT = 300
"""Characters of a server's text that an error repeats."""

# not authorized on shop to execute command { insert: "c", …      (MongoDB)
# not authorized on shop to execute command (action: insert)
_AUTHORIZED = re.compile(
    r"not authorized on (\S{1,64}) to execute [\w ]{1,32}(?:\{ *\"?|\(action: )(\w{1,64})"
)
_INDEX = re.compile(r"index: (\S{1,128}) dup key")
_TIMED_OUT = "timed out"

Address = tuple[str, int | None]


class DialError(OSError):
    """A connection that was not made, for the driver; `studio` is what it means."""

    def __init__(self, studio: StudioError) -> None:
        super().__init__(studio.message)
        self.studio = studio


class NoServerError(driver.ServerSelectionTimeoutError):
    """No server that may be used was found.

    Args:
        error: what the driver says; a sentence only.
        description: what is known of the servers.
        failures: why connections to them failed.
        seeds: the servers that the connection string names; those beside them were announced.
    """

    def __init__(
        self,
        error: Exception,
        description: TopologyDescription,
        failures: Mapping[Address, StudioError],
        seeds: frozenset[Address],
    ) -> None:
        super().__init__(str(error))
        self.description = description
        self.failures = failures
        self.seeds = seeds


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raises what PyMongo raises as errors of ours."""
    try:
        yield
    except (driver.PyMongoError, BSONError, OSError) as error:
        raise to_studio_error(error) from None


def to_studio_error(error: BaseException) -> StudioError:
    """What an error of PyMongo means."""
    for kinds, meaning in _MEANINGS:
        if isinstance(error, kinds):
            return meaning(error)
    return StudioError(e.ERROR_REASON_DB_QUERY_ERROR, f"The driver refuses this: {str(error)[:MAX_TEXT]}")


def of_code(code: int, text: str, details: Mapping[str, Any]) -> StudioError:
    """What an error code of the server means.

    Args:
        code: the number; 0 for none.
        text: what is said where `details` have no `errmsg`.
        details: the server's answer, or the part of it about one write.
    """
    text = str(details.get("errmsg") or text)
    name = str(details.get("codeName") or NAMES.get(code) or (f"Location{code}" if code else ""))
    if code == UNAUTHORIZED or (code == ATLAS and "not allowed" in text):
        return _unauthorized(text, name)
    if code == ATLAS and "auth" in text.lower():
        return _error(TABLE[18], name, {})
    if code in DUPLICATES:
        return _duplicate(text, name, details)
    if code == VALIDATION:
        return _error(INVALID, name, _why_invalid(details))
    row = TABLE.get(code)
    if row is None and ("no such command" in text or "no such cmd" in text):
        row = TABLE[59]
    if row is None or not row.message:
        return _error(
            Row(e.ERROR_REASON_DB_QUERY_ERROR, f"The MongoDB server answered: {text[:MAX_TEXT] or name}"),
            name,
            {},
        )
    said = {"message": text[:MAX_TEXT]} if row.reason == e.ERROR_REASON_NOT_SUPPORTED and text else {}
    return _error(row, name, said)


def of_connection(error: BaseException, where: str) -> StudioError:
    """What a failed attempt to connect to a server means."""
    cause = _cause(error, where)
    if cause is not None:
        return cause
    if isinstance(error, (TimeoutError, driver.NetworkTimeout)) or _TIMED_OUT in str(error):
        return StudioError(
            e.ERROR_REASON_DB_TIMEOUT,
            f"{where} did not answer in time.",
            hint="It may hang, be no MongoDB or not speak TLS, or a firewall may drop the packets.",
            metadata={"stage": "protocol"},
        )
    return StudioError(
        e.ERROR_REASON_DB_CONNECTION_FAILED,
        f"{where} ended the connection.",
        hint="It may expect TLS (tls=true), have as many connections as it takes, have stopped, or be no MongoDB.",
        metadata={"stage": "protocol"},
    )


def _cause(error: BaseException, where: str) -> StudioError | None:
    """What an error says that is behind a failed connection, if it says anything."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, (StudioError, DialError, driver.OperationFailure, driver.ConfigurationError)):
            return to_studio_error(seen) if not isinstance(seen, DialError) else seen.studio
        if isinstance(seen, ssl.SSLError):
            return tls.explain(seen, where)
        seen = seen.__cause__
    return None


def pool_exhausted() -> StudioError:
    """The error for a caller that finds every connection in use."""
    return StudioError(
        e.ERROR_REASON_RESOURCE_EXHAUSTED,
        "All connections to this MongoDB server are in use; try again in a moment.",
        hint="An operator can allow more with MONGODB_CONNECTIONS_PER_SERVER.",
        metadata=_outcome(NOT_DONE),
    )


def document_not_found() -> StudioError:
    """The error for an `_id` that no document has."""
    return StudioError(e.ERROR_REASON_DOCUMENT_NOT_FOUND, "There is no such document.")


def _error(row: Row, name: str, facts: Mapping[str, str]) -> StudioError:
    metadata = {"server_error": name, "stage": row.stage, **_outcome(row.outcome), **facts}
    return StudioError(
        row.reason,
        row.message,
        hint=row.hint,
        metadata={key: value for key, value in metadata.items() if value},
    )


def _outcome(outcome: str) -> dict[str, str]:
    """Whether a change was made; nothing for rpcs that change nothing."""
    method = context.method.get()
    changes = method is None or method.role > ROLE_READ_ONLY
    return {"outcome": outcome} if outcome and changes else {}


def _unauthorized(text: str, name: str) -> StudioError:
    if "requires authentication" in text:
        return _error(LOGIN_NEEDED, name, {})
    found = _AUTHORIZED.search(text)
    if found is None:
        message, permission = "The MongoDB user has no permission for this.", ""
    else:
        message = f"The MongoDB user has no permission for {found[2]} on the database {found[1]}."
        permission = f"{found[2]} on {found[1]}"
    hint = "An administrator of the server can grant a role that has it: db.grantRolesToUser(…)."
    return _error(PERMISSION._replace(message=message, hint=hint), name, {"permission": permission})


def _duplicate(text: str, name: str, details: Mapping[str, Any]) -> StudioError:
    found = _INDEX.search(text)
    index = found[1] if found else ""
    pattern = _short_json(details.get("keyPattern"))
    fields = ", ".join(details["keyPattern"]) if isinstance(details.get("keyPattern"), Mapping) else ""
    of = f" of {fields}" if fields else ""
    by = f": the index {index} is unique" if index else ""
    row = DUPLICATE._replace(message=f"Another document has the same value{of}{by}."[:MAX_TEXT])
    return _error(row, name, {"index": index, "key_pattern": pattern})


def _why_invalid(details: Mapping[str, Any]) -> dict[str, str]:
    info = details.get("errInfo")
    return {"err_info": _short_json(info.get("details", info) if isinstance(info, Mapping) else info)}


def _short_json(value: object) -> str:
    """A value of the server as one line that is no longer than an error may repeat."""
    if value is None:
        return ""
    text = json_util.dumps(value, json_options=json_util.RELAXED_JSON_OPTIONS)
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


def _of_bulk(error: driver.BulkWriteError) -> StudioError:
    """The first write that was refused; else what the server says of the write concern."""
    details = error.details or {}
    for each in details.get("writeErrors", ()):
        found = of_code(int(each.get("code", 0)), "", each)
        found.metadata["position"] = str(each.get("index", 0))
        return found
    for each in details.get("writeConcernErrors", ()):
        return of_code(int(each.get("code", 64)), "", each)
    return of_code(0, "a bulk write failed", {})


def _of_connection(error: BaseException) -> StudioError:
    """A connection that failed while it was used or made."""
    found = of_connection(error, "The MongoDB server")
    refused = (
        isinstance(error, driver.ServerSelectionTimeoutError) or found.metadata.get("stage") in _BEFORE_USE
    )
    if isinstance(error, driver.PyMongoError):
        refused |= error.has_error_label("SystemOverloadedError") or error.has_error_label(
            "NoWritesPerformed"
        )
    found.metadata.update(_outcome(NOT_DONE if refused else UNKNOWN))
    return found


_BEFORE_USE = frozenset({"parse", "address", "dns", "srv", "tcp", "tls", "authentication"})
"""Stages of a connection over which nothing was asked for yet."""


def _of_configuration(error: Exception) -> StudioError:
    text = str(error)
    if "wire version" in text:
        return StudioError(
            e.ERROR_REASON_DB_PROTOCOL_ERROR,
            "The MongoDB server's version is too old, or too new, for this service.",
            hint="MongoDB 4.4 and later are supported.",
            metadata={"stage": "protocol"},
        )
    if "set name" in text or "setName" in text:
        return wrong_set_name()
    return StudioError(
        e.ERROR_REASON_INVALID_CONNECTION_STRING,
        f"The driver refuses the connection's options: {text[:MAX_TEXT]}",
        metadata={"stage": "parse"},
    )


def _of_use(error: driver.InvalidOperation) -> StudioError:
    text = str(error)
    if "after close" in text:
        return StudioError(e.ERROR_REASON_DB_UNAVAILABLE, "The connection was changed meanwhile; try again.")
    return StudioError(e.ERROR_REASON_DB_QUERY_ERROR, f"The driver refuses this: {text[:MAX_TEXT]}")


def wrong_set_name(expected: str = "", found: str = "") -> StudioError:
    """The error for a server of another replica set than the connection string names, or of none."""
    about = f" {expected}" if expected else " that the connection string names"
    instead = f": it is {found}" if found else ""
    return StudioError(
        e.ERROR_REASON_INVALID_CONNECTION_STRING,
        f"The server is no member of the replica set{about}{instead}.",
        hint="Correct replicaSet in the connection string, or remove it.",
        metadata={"stage": "topology"},
    )


def _no_server(error: NoServerError) -> StudioError:
    """Why none of the servers can be used."""
    description = error.description
    servers = description.server_descriptions()
    if not servers:
        found = wrong_set_name(description.replica_set_name or "")
    elif description.known_servers:
        found = _none_suits(description)
    else:
        address = next(iter(sorted(servers, key=lambda each: each not in error.failures)))
        failure = error.failures.get(address)
        cause = failure or of_connection(servers[address].error or TimeoutError(_TIMED_OUT), shown(address))
        found = StudioError(cause.reason, cause.message, hint=cause.hint, metadata=cause.metadata)
        if error.seeds and address not in error.seeds:
            found = announced(found, shown(address), description.replica_set_name or "")
    found.metadata.update(_outcome(NOT_DONE))
    return found


def announced(cause: StudioError, member: str, name: str) -> StudioError:
    """The error for a replica set that can be asked, but names members that can't be reached.

    Args:
        cause: what happens there.
        member: one of them.
        name: of the replica set.
    """
    return StudioError(
        cause.reason,
        f"The replica set {name} answers, but names {member} as a member: {cause.message}".replace("  ", " "),
        hint="Add directConnection=true to use the named server alone, or have the set announce names that can be "
        "reached from where the services run.",
        metadata={**cause.metadata, "stage": "topology"},
    )


def _none_suits(description: TopologyDescription) -> StudioError:
    if description.topology_type == TOPOLOGY_TYPE.ReplicaSetNoPrimary:
        message, hint = (
            "The replica set has no primary at the moment.",
            "It is choosing one, or too few members are up.",
        )
    else:
        message = "No server fits the read preference of the connection string."
        hint = "See readPreference and readPreferenceTags."
    return StudioError(e.ERROR_REASON_DB_UNAVAILABLE, message, hint=hint, metadata={"stage": "topology"})


def _of_operation(error: driver.OperationFailure) -> StudioError:
    return of_code(error.code or 0, str(error.details or error), error.details or {})


def _of_not_primary(error: driver.NotPrimaryError) -> StudioError:
    # A code of the server, or none where the driver noticed first.
    details = error.details if isinstance(error.details, Mapping) else {}
    return of_code(int(details.get("code", 10107)), "", details)


def _of_bson(error: Exception) -> StudioError:
    return StudioError(
        e.ERROR_REASON_DB_QUERY_ERROR,
        f"A document can't be read or written as BSON: {str(error)[:MAX_TEXT]}",
    )


_MEANINGS: tuple[
    tuple[type[BaseException] | tuple[type[BaseException], ...], Callable[[Any], StudioError]], ...
] = (
    (StudioError, lambda error: error),
    (driver.BulkWriteError, _of_bulk),
    (driver.OperationFailure, _of_operation),
    (NoServerError, _no_server),
    (driver.WaitQueueTimeoutError, lambda _: pool_exhausted()),
    (driver.NotPrimaryError, _of_not_primary),
    ((driver.ConnectionFailure, OSError), _of_connection),
    (driver.DocumentTooLarge, lambda _: _error(TABLE[10334], "", {})),
    (driver.ConfigurationError, _of_configuration),
    (driver.InvalidOperation, _of_use),
    (BSONError, _of_bson),
)
"""The first that fits."""
