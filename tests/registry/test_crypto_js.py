"""Values of crypto-js: it reads what is written here, and the other way; wrong passphrases and broken values fail."""

from __future__ import annotations

import base64

import pytest

from services.registry.crypto_js import is_legacy, open_legacy, seal_legacy
from services.runtime.crypto import SealedValueError
from tests.pg_meta.harness import run_node

# Made with `openssl enc -aes-256-cbc -md md5 -S <salt>`, which derives its key as crypto-js does.
PASSPHRASE = "legacy-passphrase-of-the-tests"
VECTORS = {
    "": "U2FsdGVkX18BI0VniavN72NVXDRrywvOMhU7ITA5vPk=",
    "redis://:pw@127.0.0.1:6379/0": "U2FsdGVkX18AAQIDBAUGB3ctZm8KVK5nr6ZK79VWBo7aCNFK/UE23SW6uX1MyHMK",
    "mongodb://user:p%40ss@host/db": "U2FsdGVkX1//7t3Mu6qZiJBL+lHmJwgvIn35gBhj4JX3RlQMqCxgxApkCEHtQ+Ga",
    "sechzehn Zeichen": "U2FsdGVkX1+lpaWlpaWlpSLYNzOZynd5jI2o6OFQFQTQjGcctnvYyFHyZ63ZPMS+",
    "пароль 🔑": "U2FsdGVkX18RIjNEVWZ3iOYkdYWymAR9xDkctLZ5zrI+RyxOiXYT0/4DVBTsAO73",
}


@pytest.mark.parametrize(
    ("plaintext", "value"), VECTORS.items(), ids=[text[:20] or "empty" for text in VECTORS]
)
def test_a_known_value_opens(plaintext: str, value: str) -> None:
    assert is_legacy(value)
    assert open_legacy(value, PASSPHRASE) == plaintext


# Every length up to two blocks, every printable character, and characters of one to four bytes.
TEXTS = [
    *("x" * length for length in range(33)),
    *(f"postgresql://u:{chr(code)}@h/db" for code in range(0x20, 0x7F)),
    "".join(map(chr, range(0x20, 0x7F))),
    "ünï-пароль-密码-🔑" * 50,
]
PASSPHRASES = [PASSPHRASE, "".join(map(chr, range(0x20, 0x7F))), "schlüssel-🔑", "k"]


def test_crypto_js_reads_what_is_written_here() -> None:
    pairs = [(seal_legacy(text, key), key) for text in TEXTS for key in PASSPHRASES]
    script = """
        const CryptoJS = require('crypto-js');
        output = input.map(([value, key]) => CryptoJS.AES.decrypt(value, key).toString(CryptoJS.enc.Utf8));
    """
    assert run_node(script, pairs) == [text for text in TEXTS for _ in PASSPHRASES]


def test_what_crypto_js_writes_is_read_here() -> None:
    pairs = [(text, key) for text in TEXTS for key in PASSPHRASES]
    script = """
        const CryptoJS = require('crypto-js');
        output = input.map(([text, key]) => CryptoJS.AES.encrypt(text, key).toString());
    """
    written = run_node(script, pairs)
    assert [open_legacy(value, key) for value, (_, key) in zip(written, pairs, strict=True)] == [
        text for text, _ in pairs
    ]


def test_no_two_values_are_alike() -> None:
    assert len({seal_legacy("text", PASSPHRASE) for _ in range(100)}) == 100


def test_another_passphrase_does_not_open_it() -> None:
    # Nothing authenticates the format, so one in 256 wrong passphrases gets past the padding; these don't.
    for passphrase in ("", "other", PASSPHRASE.upper()):
        with pytest.raises(SealedValueError):
            open_legacy(next(iter(VECTORS.values())), passphrase)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "U2FsdGVkX1",
        "U2FsdGVkX1!!",
        base64.b64encode(b"Salted__12345678").decode(),
        base64.b64encode(b"Salted__1234567812345678123").decode(),
        base64.b64encode(b"Pepper__12345678" + b"x" * 16).decode(),
        "v1.0011223344556677.AAAA",
    ],
)
def test_what_is_no_such_value_is_refused(value: str) -> None:
    with pytest.raises(SealedValueError):
        open_legacy(value, PASSPHRASE)
