"""SQL of those who may only read: which text may run at all. What a session may do, `sessions` asks the database.

The session starts read-only, and PostgreSQL refuses writes in it. What is left is what would end that, and functions
whose effects no transaction knows (ending other sessions, files of the server, other servers):

- One statement only: PostgreSQL separates statements by `;` alone, so a text without one, apart from its end, is one
  statement, however quotes and comments are read. A `;` inside a literal is refused with the others; as a parameter
  it passes.
- It begins with a word that reads, so it is neither `SET`, `COMMIT`, `CALL` nor `DO`, which may leave the transaction.
- It names none of the functions with effects, not even inside quotes, where other functions would run it as SQL. Names
  can't be disguised: identifiers with Unicode escapes are refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from services.registry.pg_meta.bounds import MAX_PARAMETERS, MAX_SQL_CHARACTERS
from services.runtime.errors import StudioError, invalid_argument
from studio.options.v1.errors_pb2 import ERROR_REASON_COMMAND_REFUSED

WORDS = ("SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN")
"""What a statement that reads begins with."""

_WRITING = frozenset({"insert", "update", "delete", "merge", "into"})
"""Words of statements that begin as if they read: `WITH … DELETE`, `EXPLAIN ANALYZE UPDATE`, `SELECT … INTO`."""

_FIELDS = {"query", "parameters"}
_SPACE = " \t\n\r\f\v"
_BEFORE = re.compile(r"(?:[ \t\n\r\f\v(]+|--[^\n\r]*|/\*(?:[^*/]|\*(?!/)|/(?!\*))*\*/)*")
_WORD = re.compile(r"[A-Za-z_]+")
_ESCAPED_NAME = re.compile(r'[uU]&"')
# `$` may stand inside a name; here it ends one, so that `$tag$` hides nothing that follows it.
_NAME = re.compile(r"[a-z_\x80-\U0010ffff][a-z0-9_\x80-\U0010ffff]*")

HINT = "A developer may run it, on a connection that is not registered as read-only."


def check_statement(sql: str) -> None:
    """Refuses a text that is anything but one statement that reads.

    Raises:
        StudioError: COMMAND_REFUSED.
    """
    if len(sql) > MAX_SQL_CHARACTERS:
        raise _refused(f"Read-only SQL has {MAX_SQL_CHARACTERS} characters at most.")
    if "\0" in sql:
        raise _refused("SQL holds no NUL character.")
    if ";" in sql.rstrip(f";{_SPACE}"):
        raise _refused(
            'Read-only SQL is one statement, without ";" but at its end; a literal with one is passed in `parameters`.'
        )
    before = _BEFORE.match(sql)
    word = _WORD.match(sql, before.end() if before else 0)
    if word is None or word[0].upper() not in WORDS:
        raise _refused(f"Read-only SQL begins with {', '.join(WORDS[:-1])} or {WORDS[-1]}.")
    if _ESCAPED_NAME.search(sql):
        raise _refused("Read-only SQL holds no names with Unicode escapes.")


def reads_plainly(content_type: str, body: bytes) -> bool:
    """Whether the SQL of a request reads, as far as its text tells: no word in it writes, not even in a literal."""
    try:
        sql = read_body(content_type, body)
        check_statement(sql)
    except StudioError:
        return False
    return not _WRITING.intersection(_NAME.findall(sql.casefold()))


def check_names(sql: str, functions: Iterable[str]) -> None:
    """Refuses SQL that names one of these functions, wherever in the text.

    Raises:
        StudioError: COMMAND_REFUSED, naming it.
    """
    found = set(_NAME.findall(sql.casefold())).intersection(name.casefold() for name in functions)
    if found:
        raise _refused(f"{min(found)}() may do more than read, so read-only SQL does not name it.")


def read_body(content_type: str, body: bytes) -> str:
    """The SQL in the body of a request, when it is sure that pg-meta reads the same.

    Raises:
        StudioError: INVALID_ARGUMENT.
    """
    _check_type(content_type)
    try:
        found = json.loads(body.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise invalid_argument("body", "must be a JSON object in UTF-8, each name in it once") from None
    if not isinstance(found, dict) or not _FIELDS.issuperset(found):
        raise invalid_argument("body", "must be a JSON object with `query`, and perhaps `parameters`")
    sql, parameters = found.get("query"), found.get("parameters")
    if not isinstance(sql, str) or not sql:
        raise invalid_argument("query", "must be text")
    if parameters is not None and not (isinstance(parameters, list) and len(parameters) <= MAX_PARAMETERS):
        raise invalid_argument("parameters", f"must be a list of at most {MAX_PARAMETERS} values")
    return sql


def check_body(content_type: str, body: bytes) -> None:
    """Refuses a body without SQL, which pg-meta answers as a failure of its own, whoever sends it.

    Raises:
        StudioError: INVALID_ARGUMENT.
    """
    _check_type(content_type)
    try:
        # Numbers as they stand: of very long ones Python refuses to make integers.
        found = json.loads(body.decode("utf-8-sig"), parse_int=float)
    except (ValueError, RecursionError):
        raise invalid_argument("body", "must be a JSON object in UTF-8") from None
    if not isinstance(found, dict) or not isinstance(found.get("query"), str) or not found["query"]:
        raise invalid_argument("query", "must be text")


def _check_type(content_type: str) -> None:
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise invalid_argument("content-type", "must be application/json")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _refused(message: str) -> StudioError:
    return StudioError(ERROR_REASON_COMMAND_REFUSED, message, hint=HINT)
