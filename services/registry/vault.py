"""Seals connection strings, and seals anew those that crypto-js wrote: the one place with every engine's key.

What is sealed is opened here only to change a part of it, or to seal it anew; connecting is the engines' services'
business. The format is `services.runtime.crypto`'s; a value is bound to its row's id and type.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Protocol

from services.registry import connection_strings
from services.registry.connection_strings.common import SCHEMES
from services.registry.crypto_js import is_legacy, open_legacy
from services.runtime.crypto import KeyRing, SealedValueError
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_ENGINE_DISABLED


class Secrets(Protocol):
    """Where keys come from: the settings."""

    def key_ring(self, type_: str) -> KeyRing:
        """The keys of one type."""

    def secrets(self, type_: str) -> list[str]:
        """The passphrases that may have written legacy values."""

    def sealed_types(self) -> tuple[str, ...]:
        """The types that have a key."""


class Form(enum.Enum):
    """How a connection string is stored."""

    CURRENT = "sealed by the current key"
    RETIRED = "sealed by a retired key"
    LEGACY = "written by crypto-js"
    PLAIN = "not encrypted"


class Vault:
    """The keys of all types.

    Args:
        source: where they come from.
    """

    def __init__(self, source: Secrets) -> None:
        types = source.sealed_types()
        self._rings: Mapping[str, KeyRing] = {type_: source.key_ring(type_) for type_ in types}
        self._passphrases: Mapping[str, Sequence[str]] = {type_: source.secrets(type_) for type_ in types}

    def seal(self, url: str, *, row_id: str, type_: str) -> str:
        """Encrypts a connection string for one row.

        Raises:
            StudioError: ENGINE_DISABLED, this type has no key here.
        """
        return self._ring(type_).seal(url, row_id=row_id, type_=type_)

    def open(self, sealed: str, *, row_id: str, type_: str) -> str:
        """Decrypts a connection string, for a change of one of its parts.

        Raises:
            SealedValueError: it does not open.
            StudioError: ENGINE_DISABLED, this type has no key here.
        """
        return self._ring(type_).open(sealed, row_id=row_id, type_=type_)

    def current_key_id(self, type_: str) -> str:
        """Name of the key that seals this type; empty where it has none here."""
        ring = self._rings.get(type_)
        return ring.current_key_id if ring else ""

    def renew(self, stored: str, *, row_id: str, type_: str) -> str | None:
        """The value in today's format, where the stored one is legacy; None where it needs no change.

        Raises:
            SealedValueError: a legacy value that none of our passphrases opens.
        """
        if not is_legacy(stored):
            return None
        return self.seal(self._open_legacy(stored, type_), row_id=row_id, type_=type_)

    def read(self, stored: str, *, row_id: str, type_: str) -> tuple[Form, str]:
        """A connection string in whatever form it is stored, for those who seal it anew or check that it opens.

        Raises:
            SealedValueError: none of our keys opens it, or it is nothing we know; the message holds none of it.
        """
        ring = self._rings.get(type_)
        if ring is None:
            raise SealedValueError(f"no key is set for type {type_}")
        if is_legacy(stored):
            return Form.LEGACY, self._open_legacy(stored, type_)
        if _is_url_of(type_, stored):
            return Form.PLAIN, _canonical(type_, stored)
        text = ring.open(stored, row_id=row_id, type_=type_)
        return (Form.CURRENT if ring.is_current(stored) else Form.RETIRED), text

    def current_key_ids(self) -> dict[str, str]:
        """The name of the key that seals, by type."""
        return {type_: ring.current_key_id for type_, ring in self._rings.items()}

    def _ring(self, type_: str) -> KeyRing:
        ring = self._rings.get(type_)
        if ring is None:
            raise StudioError(
                ERROR_REASON_ENGINE_DISABLED,
                f"No key encrypts connections of type {type_} here: set PG_META_CRYPTO_KEY or MULTI_DB_CRYPTO_KEY.",
            )
        return ring

    def _open_legacy(self, stored: str, type_: str) -> str:
        for passphrase in self._passphrases.get(type_, ()):
            try:
                text = open_legacy(stored, passphrase)
            except SealedValueError:
                continue
            # Nothing authenticates the format: only a URL proves that the passphrase was right.
            if _is_url_of(type_, text):
                return _canonical(type_, text)
        raise SealedValueError("written by crypto-js with a passphrase that is not among ours")


def _is_url_of(type_: str, text: str) -> bool:
    scheme, separator, _ = text.partition("://")
    return bool(separator) and SCHEMES.get(scheme.lower()) == type_


def _canonical(type_: str, text: str) -> str:
    try:
        return connection_strings.parse(type_, text).url
    except StudioError:
        # Written by a program less strict than ours. Kept as it is: whoever connects says what is wrong with it.
        return text
