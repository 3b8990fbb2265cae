"""Seals connection strings, and seals anew those that crypto-js wrote: the one place with every engine's key.

Opening what is sealed is the engines' services' business. The format is `services.runtime.crypto`'s; a value is bound
to its row's id and type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from services.registry import connection_strings
from services.registry.connection_strings.common import SCHEMES
from services.registry.legacy_crypto import is_legacy, open_legacy
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
        ring = self._rings.get(type_)
        if ring is None:
            raise StudioError(
                ERROR_REASON_ENGINE_DISABLED,
                f"No key encrypts connections of type {type_} here: set PG_META_CRYPTO_KEY or MULTI_DB_CRYPTO_KEY.",
            )
        return ring.seal(url, row_id=row_id, type_=type_)

    def renew(self, stored: str, *, row_id: str, type_: str) -> str | None:
        """The value in today's format, where the stored one is legacy; None where it needs no change.

        Raises:
            SealedValueError: a legacy value that none of our passphrases opens.
        """
        if not is_legacy(stored):
            return None
        return self.seal(self._open_legacy(stored, type_), row_id=row_id, type_=type_)

    def _open_legacy(self, stored: str, type_: str) -> str:
        for passphrase in self._passphrases.get(type_, ()):
            try:
                text = open_legacy(stored, passphrase)
            except SealedValueError:
                continue
            # Nothing authenticates the format: only a URL proves that the passphrase was right.
            if SCHEMES.get(text.partition("://")[0].lower()) == type_:
                return _canonical(type_, text)
        raise SealedValueError("written by crypto-js with a passphrase that is not among ours")


def _canonical(type_: str, text: str) -> str:
    try:
        return connection_strings.parse(type_, text).url
    except StudioError:
        # Written by a program less strict than ours. Kept as it is: whoever connects says what is wrong with it.
        return text
