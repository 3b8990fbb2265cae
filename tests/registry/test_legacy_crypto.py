"""Values of crypto-js: known ones open, wrong passphrases and broken values don't."""

from __future__ import annotations

import base64

import pytest

from services.registry.legacy_crypto import is_legacy, open_legacy
from services.runtime.crypto import SealedValueError

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
