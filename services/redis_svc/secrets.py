"""Masks the secrets among a command's arguments: for the audit log, MONITOR, the slow log and whatever shows commands.

Judges the words as the server does, by their places; a word that looks like a secret's name is masked once too often
rather than once too seldom.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

MASK = b"***"
"""Stands for a secret."""

_SECRET_NAME = re.compile(rb"pass|auth|secret|token|credential", re.IGNORECASE)
"""Settings that hold one: requirepass, masterauth, primaryauth, tls-key-file-pass, sentinel-pass, auth-pass, …"""
_PASSWORD_RULES = (b">", b"<", b"#", b"!")
"""Rules of ACL SETUSER that give or take a password or its hash: https://redis.io/docs/latest/commands/acl-setuser/"""

_Masker = Callable[[list[bytes]], None]


def masked_arguments(arguments: Sequence[bytes]) -> list[bytes]:
    """A command's words, its name first, with every secret replaced by `MASK`."""
    words = list(arguments)
    if words:
        masker = _MASKERS.get(words[0].upper())
        if masker is not None:
            masker(words)
    return words


def _mask_from(words: list[bytes], start: int) -> None:
    words[start:] = [MASK] * len(words[start:])


def _auth(words: list[bytes]) -> None:
    # AUTH password; AUTH user password; AUTH with too many words, which is a mistake that may hold both.
    _mask_from(words, 1 if len(words) != 3 else 2)  # noqa: PLR2004  AUTH, user, password


def _after_auth(words: list[bytes]) -> None:
    """HELLO … AUTH user password; MIGRATE … AUTH password, … AUTH2 user password."""
    is_hello = words[0].upper() == b"HELLO"
    for at, word in enumerate(words[:]):
        option = word.upper()
        if option == b"AUTH2" or (option == b"AUTH" and is_hello):
            words[at + 2 : at + 3] = [MASK] * len(words[at + 2 : at + 3])
            if len(words) == at + 2:  # half a pair: it may be the password
                words[at + 1] = MASK
        elif option == b"AUTH":
            words[at + 1 : at + 2] = [MASK] * len(words[at + 1 : at + 2])


def _after_names(words: list[bytes]) -> None:
    """The value behind a name: CONFIG SET, SENTINEL SET and CONFIG SET, MODULE LOADEX … CONFIG."""
    if len(words) > 1 and words[1].upper() in {b"SET", b"CONFIG", b"LOADEX"}:
        for at, word in enumerate(words[:-1]):
            if at > 1 and _SECRET_NAME.search(word):
                words[at + 1] = MASK


def _acl(words: list[bytes]) -> None:
    match words[1].upper() if len(words) > 1 else b"":
        case b"SETUSER":
            words[3:] = [_masked_rule(word) for word in words[3:]]
        case b"DRYRUN":
            words[3:] = masked_arguments(words[3:])


def _masked_rule(word: bytes) -> bytes:
    # Rules may stand in one word, separated by spaces, as in the configuration's `user` lines.
    return b" ".join(
        part[:1] + MASK if part.startswith(_PASSWORD_RULES) and len(part) > 1 else part
        for part in word.split(b" ")
    )


def _nested(words: list[bytes]) -> None:
    """The command behind COMMAND GETKEYS."""
    words[2:] = masked_arguments(words[2:])


_MASKERS: dict[bytes, _Masker] = {
    b"AUTH": _auth,
    b"HELLO": _after_auth,
    b"MIGRATE": _after_auth,
    b"CONFIG": _after_names,
    b"SENTINEL": _after_names,
    b"MODULE": _after_names,
    b"ACL": _acl,
    b"COMMAND": _nested,
}
