"""What the server's error codes mean in the contract's words.

Names and numbers: https://www.mongodb.com/docs/manual/reference/error-codes/ (`src/mongo/base/error_codes.yml` of the
server's source). Codes that are not here are a query's or command's own mistake: DB_QUERY_ERROR with the server's text.
"""

from __future__ import annotations

from typing import NamedTuple

from studio.options.v1 import errors_pb2 as e

UNKNOWN, NOT_DONE = "unknown", "not_done"
"""Values of `outcome`: whether what was asked for may have been done all the same."""


class Row(NamedTuple):
    """A meaning."""

    reason: e.ErrorReason.ValueType
    message: str
    """One sentence; empty for the server's own text."""
    hint: str = ""
    stage: str = ""
    """Of a connection test; empty for errors that no test meets."""
    outcome: str = ""
    """Of a write; empty where the server says it was refused as a whole."""


CREDENTIALS_HINT = (
    "Check the user name and the password, that special characters in them are percent-encoded, and that authSource "
    "names the database in which the user was created (often authSource=admin)."
)
_CREDENTIALS = Row(
    e.ERROR_REASON_DB_INVALID_CREDENTIALS,
    "The MongoDB server refuses the user name or the password.",
    CREDENTIALS_HINT,
    "authentication",
)
LOGIN_NEEDED = Row(
    e.ERROR_REASON_DB_INVALID_CREDENTIALS,
    "The MongoDB server asks for a login and the connection string has none.",
    "Write it as mongodb://user:password@host:27017/database?authSource=admin.",
    "authentication",
)
_MECHANISM = Row(
    e.ERROR_REASON_DB_INVALID_CREDENTIALS,
    "The MongoDB server does not offer this way of logging in.",
    "Remove authMechanism, or give one that the server has switched on.",
    "authentication",
)
PERMISSION = Row(e.ERROR_REASON_DB_PERMISSION_DENIED, "", "", "permission")
NOT_SUPPORTED = Row(
    e.ERROR_REASON_NOT_SUPPORTED,
    "The MongoDB server does not have this command or feature.",
    "A later version of the server, or a replica set, may have it.",
)
_ON_VIEW = Row(
    e.ERROR_REASON_NOT_SUPPORTED,
    "This can't be done with a view.",
    "Do it with the collection behind the view.",
)
_EXISTS = Row(e.ERROR_REASON_ALREADY_EXISTS, "There is a collection or view of this name already.")
_INDEX_EXISTS = Row(
    e.ERROR_REASON_ALREADY_EXISTS,
    "There is an index of this name, or on the same keys, with other options.",
    "Drop it first, or give other options.",
)
_NO_COLLECTION = Row(e.ERROR_REASON_NAMESPACE_NOT_FOUND, "There is no such collection, view or database.")
DUPLICATE = Row(e.ERROR_REASON_DUPLICATE_KEY, "", "Change the value, or the document that has it.")
INVALID = Row(
    e.ERROR_REASON_DOCUMENT_INVALID,
    "The collection's validation rules refuse the document.",
    "Its rules are in the collection's options, as validator.",
)
_TIMEOUT = Row(
    e.ERROR_REASON_DB_TIMEOUT,
    "The MongoDB server did not finish in time.",
    "Ask for less, add an index that helps, or allow more time.",
    outcome=UNKNOWN,
)
_CURSOR = Row(
    e.ERROR_REASON_INVALID_CURSOR,
    "The MongoDB server has this cursor no longer.",
    "Start reading again from the beginning.",
)
_HISTORY = Row(
    e.ERROR_REASON_INVALID_CURSOR,
    "The MongoDB server has lost the place from which to go on.",
    "Start again from now: what happened in between can't be read any more.",
)
_INTERRUPTED = Row(
    e.ERROR_REASON_DB_QUERY_ERROR,
    "The operation was ended on the MongoDB server.",
    "Somebody killed it.",
    outcome=UNKNOWN,
)
_NO_PRIMARY = Row(
    e.ERROR_REASON_DB_UNAVAILABLE,
    "The MongoDB server is not the primary of its replica set, or just stopped being it.",
    "Try again in a moment; a connection to a secondary alone (directConnection=true) never takes writes.",
    "topology",
    UNKNOWN,
)
_STARTING = Row(
    e.ERROR_REASON_DB_UNAVAILABLE,
    "The MongoDB server is starting, stopping, or its replica set is not initiated yet.",
    "Try again in a moment.",
    "topology",
    UNKNOWN,
)
_BUSY = Row(
    e.ERROR_REASON_DB_UNAVAILABLE,
    "The MongoDB server is busy, or can't reach another one of its cluster.",
    "Try again in a moment.",
    "",
    UNKNOWN,
)
_CONFLICT = Row(
    e.ERROR_REASON_CONFLICT,
    "Another operation works on the same data at the same time.",
    "Try again.",
    outcome=NOT_DONE,
)
_MEMORY = Row(
    e.ERROR_REASON_DB_QUERY_ERROR,
    "The query needs more memory than the MongoDB server allows one.",
    "Allow it to use the disk (allowDiskUse), add an index that gives the order, or ask for less.",
)
_DISK = Row(
    e.ERROR_REASON_DB_READ_ONLY,
    "The MongoDB server's disk is full: it takes no writes.",
    "Free space on its disk.",
)
_TOO_LARGE = Row(
    e.ERROR_REASON_PAYLOAD_TOO_LARGE,
    "A document is larger than the 16 MiB that MongoDB allows.",
    outcome=NOT_DONE,
)
_CONCERN = Row(
    e.ERROR_REASON_DB_TIMEOUT,
    "The MongoDB server wrote, but not as many members confirmed it in time as the write concern asks for.",
    "Read before writing again: the change is most likely there.",
    outcome=UNKNOWN,
)
_NO_CONCERN = Row(
    e.ERROR_REASON_DB_QUERY_ERROR,
    "The write concern can't be met: it asks for more members than there are, or for a name unknown there.",
    "Change w in the connection string.",
    outcome=UNKNOWN,
)
_TAGS = Row(
    e.ERROR_REASON_DB_UNAVAILABLE,
    "No member of the replica set fits the read preference.",
    "See readPreference.",
    "topology",
)
_IN_USE = Row(
    e.ERROR_REASON_RESOURCE_EXHAUSTED,
    "The MongoDB server takes no more requests at the moment.",
    "Try again in a moment.",
)

DUPLICATES = frozenset({11000, 11001, 12582})
VALIDATION = 121
UNAUTHORIZED = 13
ATLAS = 8000
"""Of MongoDB Atlas's proxy, for nearly everything; its text says what."""

TABLE: dict[int, Row] = {
    11: Row(e.ERROR_REASON_NAMESPACE_NOT_FOUND, "There is no such user."),
    18: _CREDENTIALS,
    24: _BUSY,  # LockTimeout
    26: _NO_COLLECTION,
    27: Row(e.ERROR_REASON_NAMESPACE_NOT_FOUND, "There is no such index."),
    31: Row(e.ERROR_REASON_NAMESPACE_NOT_FOUND, "There is no such role."),
    33: _MECHANISM,  # AuthSchemaIncompatible
    43: _CURSOR,
    46: _BUSY,  # LockBusy
    48: _EXISTS,
    50: _TIMEOUT,
    59: NOT_SUPPORTED,
    63: _BUSY,  # StaleShardVersion
    64: _CONCERN,
    68: _INDEX_EXISTS,
    76: NOT_SUPPORTED,  # NoReplicationEnabled
    79: _NO_CONCERN,
    85: _INDEX_EXISTS,
    86: _INDEX_EXISTS,
    89: _TIMEOUT,  # NetworkTimeout
    91: _STARTING,  # ShutdownInProgress
    94: _STARTING,  # NotYetInitialized
    100: _NO_CONCERN,
    112: _CONFLICT,
    115: NOT_SUPPORTED,
    117: _CONFLICT,
    123: NOT_SUPPORTED,  # NotAReplicaSet
    133: _TAGS,
    136: _CURSOR,  # CappedPositionLost
    146: _MEMORY,
    150: _BUSY,  # StaleEpoch
    166: _ON_VIEW,
    167: _ON_VIEW,
    189: _NO_PRIMARY,  # PrimarySteppedDown
    202: _TIMEOUT,  # NetworkInterfaceExceededTimeLimit
    208: _BUSY,  # TooManyLocks
    211: _BUSY,  # KeyNotFound, of the cluster's clock
    237: _CURSOR,
    238: NOT_SUPPORTED,
    246: _BUSY,  # SnapshotUnavailable
    262: _TIMEOUT,
    280: _HISTORY,
    286: _HISTORY,
    292: _MEMORY,
    322: NOT_SUPPORTED,  # APIVersionError
    323: NOT_SUPPORTED,  # APIStrictError
    334: _MECHANISM,
    391: _CREDENTIALS,  # ReauthenticationRequired
    462: _IN_USE,  # IngressRequestRateLimitExceeded
    6: _BUSY,  # HostUnreachable
    7: _BUSY,  # HostNotFound
    9001: _BUSY,  # SocketException
    10107: _NO_PRIMARY,
    10334: _TOO_LARGE,
    11600: _STARTING,
    11601: _INTERRUPTED,
    11602: _STARTING,
    12586: _CONFLICT,  # background operations in progress
    12587: _CONFLICT,
    13388: _BUSY,  # StaleConfig
    13435: _NO_PRIMARY,
    13436: _STARTING,
    14031: _DISK,
    17280: _TOO_LARGE,
    17419: _TOO_LARGE,
    17420: _TOO_LARGE,
    40324: NOT_SUPPORTED,  # unknown stage of a pipeline
    40573: NOT_SUPPORTED,  # $changeStream without a replica set
    51002: Row(e.ERROR_REASON_ALREADY_EXISTS, "There is a user or role of this name already."),
    51003: Row(e.ERROR_REASON_ALREADY_EXISTS, "There is a user or role of this name already."),
}

NAMES: dict[int, str] = {
    11000: "DuplicateKey",
    11001: "DuplicateKey",
    12582: "DuplicateKey",
    121: "DocumentValidationFailure",
    112: "WriteConflict",
    64: "WriteConcernFailed",
}
"""Names of the codes with which the server refuses single writes: there it leaves `codeName` out."""
