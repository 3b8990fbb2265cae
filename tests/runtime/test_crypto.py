"""Sealed values: they open for their row and nobody else's, and a changed one not at all."""

from __future__ import annotations

import base64
import string

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings
from hypothesis import strategies as st

from services.runtime import crypto
from services.runtime.crypto import KeyRing, SealedValueError, WeakKeyError, is_sealed

SECRET, OTHER = "first-secret-0123456789-abcdefghij", "second-secret-0123456789-abcdefghi"
RING = KeyRing.from_secrets(SECRET)
ROW = "6f1c1c7e-3d0b-4b0e-9a75-0d5a3a1b2c3d"


def opens(ring: KeyRing, sealed: str, *, row_id: str = ROW, type_: str = "redis") -> str | None:
    try:
        return ring.open(sealed, row_id=row_id, type_=type_)
    except SealedValueError:
        return None


@given(plain=st.text(), row_id=st.text(max_size=40), type_=st.text(max_size=10))
def test_any_text_comes_back(plain: str, row_id: str, type_: str) -> None:
    sealed = RING.seal(plain, row_id=row_id, type_=type_)
    assert RING.open(sealed, row_id=row_id, type_=type_) == plain
    assert sealed.isascii()
    assert sealed.isprintable()
    assert is_sealed(sealed)


def test_a_value_of_the_documented_format_opens() -> None:
    """Made once and kept: what is stored today must open for ever.

    By hand: HKDF-SHA256 of the secret with the two infos, AES-256-GCM with the nonce 000102…0b.
    """

    def derive(info: bytes, length: int) -> bytes:
        return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(SECRET.encode())

    key_id = derive(b"studio-databases/v1/key-id", 8).hex()
    parts = (b"v1", key_id.encode(), ROW.encode(), b"redis")
    data = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    nonce = bytes(range(12))
    body = nonce + AESGCM(derive(b"studio-databases/v1/key", 32)).encrypt(nonce, b"redis://u:p@h", data)
    made = f"v1.{key_id}.{base64.urlsafe_b64encode(body).decode().rstrip('=')}"
    assert made == VECTOR
    assert RING.open(VECTOR, row_id=ROW, type_="redis") == "redis://u:p@h"
    assert RING.current_key_id == key_id == VECTOR.split(".")[1]


VECTOR = "v1.232af32e10d885f4.AAECAwQFBgcICQoLXXmyHgAqzTDL3R57XmJewHZ9zOeDF9QjupH1q5I"


def test_a_value_belongs_to_its_row_type_and_key() -> None:
    sealed = RING.seal("secret", row_id=ROW, type_="redis")
    assert opens(RING, sealed) == "secret"
    assert opens(RING, sealed, row_id=ROW.replace("6", "7", 1)) is None
    assert opens(RING, sealed, type_="mongodb") is None
    assert opens(KeyRing.from_secrets(OTHER), sealed) is None
    # One ring with both keys: the id says which, and is bound as well.
    both = KeyRing.from_secrets(OTHER, [SECRET])
    version, _, body = sealed.split(".")
    assert opens(both, f"{version}.{both.current_key_id}.{body}") is None


def test_lengths_are_bound_too() -> None:
    """Without them the row `ab` of type `c` would be the row `a` of type `bc`."""
    sealed = RING.seal("x", row_id="ab", type_="c")
    assert opens(RING, sealed, row_id="a", type_="bc") is None


ALPHABET = string.ascii_letters + string.digits + "-_.=+/ \n"


def test_a_change_of_any_character_is_noticed() -> None:
    for plain in ("", "x", "xy", "a longer one"):  # every length of the last base64 group
        sealed = RING.seal(plain, row_id=ROW, type_="redis")
        for index, old in enumerate(sealed):
            for new in ALPHABET:
                if new != old:
                    assert opens(RING, sealed[:index] + new + sealed[index + 1 :]) is None, (index, old, new)


@settings(max_examples=50)
@given(cut=st.integers(min_value=0, max_value=60), added=st.text(alphabet=ALPHABET, min_size=1, max_size=4))
def test_neither_less_nor_more_opens(cut: int, added: str) -> None:
    sealed = RING.seal("secret", row_id=ROW, type_="redis")
    assert opens(RING, sealed[:cut]) is None
    assert opens(RING, sealed + added) is None
    assert opens(RING, added + sealed) is None


@given(st.text(max_size=80))
def test_what_is_no_sealed_value(text: str) -> None:
    for each in (text, f"v1.{text}", f"v1.{RING.current_key_id}.{text}", f"v1.{text}.{'A' * 60}"):
        assert opens(RING, each) is None
        assert not RING.is_current(text)


def test_every_sealing_has_its_own_nonce() -> None:
    sealed = {RING.seal("same", row_id=ROW, type_="redis") for _ in range(1000)}
    nonces = {base64.urlsafe_b64decode(each.split(".")[2] + "==")[:12] for each in sealed}
    assert len(nonces) == 1000


def test_rotation() -> None:
    sealed = RING.seal("secret", row_id=ROW, type_="redis")
    rotated = KeyRing.from_secrets(OTHER, [SECRET, SECRET, OTHER])
    assert opens(rotated, sealed) == "secret"
    assert (RING.is_current(sealed), rotated.is_current(sealed)) == (True, False)
    renewed = rotated.seal("secret", row_id=ROW, type_="redis")
    assert rotated.is_current(renewed)
    assert opens(RING, renewed) is None
    assert opens(KeyRing.from_secrets(OTHER), renewed) == "secret"


def test_errors_never_show_what_was_to_be_opened() -> None:
    plain = "v1.redis://user:canary@host.AAAA"
    for text in (plain, f"v1.{'f' * 16}.{'A' * 60}", VECTOR):
        with pytest.raises(SealedValueError) as raised:
            KeyRing.from_secrets(OTHER).open(text, row_id=ROW, type_="redis")
        assert "canary" not in str(raised.value)
        assert text.rpartition(".")[2] not in str(raised.value)


@pytest.mark.parametrize("secret", ["", "short", "x" * 64, "abc" * 20, *sorted(crypto.WELL_KNOWN)])
def test_secrets_that_protect_nothing(secret: str) -> None:
    with pytest.raises(WeakKeyError) as raised:
        KeyRing.from_secrets(secret)
    assert not secret or secret not in str(raised.value)


def test_a_weak_retired_secret_still_opens() -> None:
    assert KeyRing.from_secrets(SECRET, ["weak"]).current_key_id == RING.current_key_id
