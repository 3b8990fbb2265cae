"""Tests a PostgreSQL connection through pg-meta, and says which stage failed as far as pg-meta's answers tell.

The name is looked up and its address checked here; connecting, TLS and the login are pg-meta's, whose failures are
told apart by their code: an SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html) or one of
Node.js (https://nodejs.org/api/errors.html).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from services.registry.pg_meta.bounds import DIAGNOSIS_S
from services.registry.pg_meta.client import NOT_DECRYPTED, AwayError, FailedError, PgMeta
from services.registry.pg_meta.connection import Dialling, for_pg_meta
from services.runtime.errors import StudioError, reason_name
from studio.options.v1 import errors_pb2 as e
from studio.registry.v1.database_pb2 import ConnectionDiagnosis

VERSION = """
SELECT current_setting('server_version') AS version, pg_catalog.pg_is_in_recovery() AS standby,
  current_setting('is_superuser') AS superuser
"""

_SECURE = "Encrypted connections are asked for by ?sslmode=require at the end of the connection string."


@dataclass(frozen=True, slots=True)
class _Failure:
    stage: str
    reason: e.ErrorReason.ValueType
    message: str
    hint: str = ""


_LOGIN = _Failure(
    "authentication",
    e.ERROR_REASON_DB_INVALID_CREDENTIALS,
    "The server refuses the user name or the password.",
    "Check both; reserved characters in them are percent-encoded in a connection string.",
)
_REFUSED = _Failure(
    "tcp",
    e.ERROR_REASON_DB_CONNECTION_FAILED,
    "Nothing accepts connections at this address.",
    "Check the host and the port, and that the server listens on that address.",
)
_UNREACHABLE = _Failure(
    "tcp",
    e.ERROR_REASON_DB_CONNECTION_FAILED,
    "The address can't be reached from where pg-meta runs.",
    "Check the network between the two, firewalls included.",
)
_BROKEN = _Failure(
    "protocol",
    e.ERROR_REASON_DB_CONNECTION_FAILED,
    "The connection broke off before the server had answered.",
    "Check that PostgreSQL listens on this port.",
)
_TOO_BUSY = _Failure(
    "protocol",
    e.ERROR_REASON_DB_UNAVAILABLE,
    "The server takes no more connections, is starting or shutting down.",
    "Try again in a moment.",
)
_CERTIFICATE = _Failure(
    "tls",
    e.ERROR_REASON_DB_TLS_FAILED,
    "The server's certificate is not accepted.",
    "With sslmode=verify-ca or verify-full pg-meta must trust its authority (PG_META_DB_SSL_ROOT_CERT), and the "
    "certificate must be for this host name; sslmode=require checks neither.",
)
_NOT_SPOKEN = _Failure(
    "protocol",
    e.ERROR_REASON_DB_PROTOCOL_ERROR,
    "What answers at this address is no PostgreSQL server.",
    "Check the port.",
)

_BY_CODE = {
    "28P01": _LOGIN,
    "28000": _Failure(
        "authentication",
        e.ERROR_REASON_DB_INVALID_CREDENTIALS,
        "The server does not let this user in from here, or not in this way.",
        f"Its pg_hba.conf decides. {_SECURE}",
    ),
    "3D000": _Failure(
        "permission",
        e.ERROR_REASON_DB_CONNECTION_FAILED,
        "The server has no database of this name.",
        "The name stands after the host: postgresql://user:password@host/name.",
    ),
    "42501": _Failure(
        "permission",
        e.ERROR_REASON_DB_PERMISSION_DENIED,
        "The user may not connect to this database.",
        "It needs the privilege CONNECT.",
    ),
    "53300": _TOO_BUSY,
    "57P01": _TOO_BUSY,
    "57P03": _TOO_BUSY,
    "ECONNREFUSED": _REFUSED,
    "ENOENT": _REFUSED,
    "EHOSTUNREACH": _UNREACHABLE,
    "ENETUNREACH": _UNREACHABLE,
    "ETIMEDOUT": _UNREACHABLE,
    "ENOTFOUND": _UNREACHABLE,
    "ECONNRESET": _BROKEN,
    "EPIPE": _BROKEN,
    "CERT_HAS_EXPIRED": _CERTIFICATE,
    "DEPTH_ZERO_SELF_SIGNED_CERT": _CERTIFICATE,
    "ERR_TLS_CERT_ALTNAME_INVALID": _CERTIFICATE,
    "SELF_SIGNED_CERT_IN_CHAIN": _CERTIFICATE,
    "UNABLE_TO_GET_ISSUER_CERT_LOCALLY": _CERTIFICATE,
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE": _CERTIFICATE,
}
# Of failures without a code: what their text begins with.
_BY_TEXT = (
    (
        "The server does not support SSL connections",
        _Failure(
            "tls",
            e.ERROR_REASON_DB_TLS_FAILED,
            "The server does not take encrypted connections.",
            "Leave sslmode out, or set up TLS at the server.",
        ),
    ),
    ("There was an error establishing an SSL connection", _NOT_SPOKEN),
    ("received invalid response", _NOT_SPOKEN),
    ("Received unexpected", _NOT_SPOKEN),
    ("Connection terminated", _BROKEN),
    ("SASL", _LOGIN),
)


async def diagnose(pg_meta: PgMeta, dialling: Dialling, text: str) -> ConnectionDiagnosis:
    """Tests a connection string. A test that fails is an answer.

    Args:
        pg_meta: who connects.
        dialling: where to it may.
        text: the connection string.
    """
    loop = asyncio.get_running_loop()
    begin = loop.time()
    try:
        async with asyncio.timeout(DIAGNOSIS_S):
            target = await for_pg_meta(text, dialling, read_only=False)
            (row,) = await pg_meta.query(target, VERSION)
    except StudioError as error:
        stage = error.metadata.get("stage", "parse")
        failure = _Failure(stage, error.reason, error.message, error.hint)
    except TimeoutError:
        failure = _Failure(
            "tcp",
            e.ERROR_REASON_DB_TIMEOUT,
            f"The server did not answer within {DIAGNOSIS_S:g} s.",
            "A firewall may drop the packets, or the server hangs.",
        )
    except AwayError:
        failure = _Failure(
            "service",
            e.ERROR_REASON_SERVICE_UNAVAILABLE,
            "pg-meta can't be reached, so the connection was not tested.",
            "Try again in a moment; the registry finds it by PG_META_URL.",
        )
    except FailedError as error:
        failure = _of(error)
    else:
        return _success(row, _milliseconds(begin, loop.time()))
    return ConnectionDiagnosis(
        latency_ms=_milliseconds(begin, loop.time()),
        stage=failure.stage,
        error_code=reason_name(failure.reason),
        message=failure.message,
        hint=failure.hint,
    )


def _of(error: FailedError) -> _Failure:
    if error.message in NOT_DECRYPTED:
        return _Failure(
            "service",
            e.ERROR_REASON_CONNECTION_UNREADABLE,
            "pg-meta can't decrypt what the registry sends it.",
            "Its CRYPTO_KEY must be the registry's PG_META_CRYPTO_KEY.",
        )
    if found := _BY_CODE.get(error.code):
        return found
    for beginning, failure in _BY_TEXT:
        if error.message.startswith(beginning):
            return failure
    # PostgreSQL has no message that repeats a password; the answer is redacted all the same.
    return _Failure("protocol", e.ERROR_REASON_DB_CONNECTION_FAILED, f"The test failed: {error.message}")


def _success(row: dict[str, Any], latency_ms: float) -> ConnectionDiagnosis:
    version = str(row.get("version", "")).partition(" ")[0]
    hints = []
    if row.get("standby") is True:
        hints.append("The server is a standby: it takes no changes.")
    if row.get("superuser") == "on":
        hints.append("The user is a superuser: SQL of those who may only read is refused on this connection.")
    return ConnectionDiagnosis(
        success=True,
        latency_ms=latency_ms,
        server_version=version,
        stage="done",
        message=f"PostgreSQL {version} answers.",
        hint=" ".join(hints),
    )


def _milliseconds(begin: float, end: float) -> float:
    return round((end - begin) * 1000, 3)
