"""Secrets in files: `<NAME>_FILE` in place of `<NAME>`, for every setting that holds one and no other."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.settings import GatewaySettings
from services.mongo_svc.settings import Settings as MongoSettings
from services.registry.settings import Settings as RegistrySettings
from services.runtime.base_settings import Settings
from services.runtime.secret_files import MAX_BYTES, secret_fields
from services.runtime.settings import CryptoSettings, load

SECRET = "secret-of-a-file-5f0c"


class Example(Settings):
    """A few settings of all kinds."""

    api_key: SecretStr
    password: SecretStr | None = None
    name: str = "unset"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*Example.model_fields, *CryptoSettings.model_fields):
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(f"{name.upper()}_FILE", raising=False)


def a_file(directory: Path, content: bytes) -> str:
    path = directory / "secret.txt"
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"], ids=["bare", "line", "line of Windows"])
def test_a_secret_is_what_the_file_holds_without_its_line_end(
    end: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEY_FILE", a_file(tmp_path, SECRET.encode() + end))
    assert load(Example).api_key.get_secret_value() == SECRET


def test_several_secrets_in_one_file_are_separated_as_in_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_CRYPTO_KEYS_RETIRED_FILE", a_file(tmp_path, b"first, second\n"))
    found = load(CryptoSettings).redis_crypto_keys_retired
    assert [secret.get_secret_value() for secret in found] == ["first", "second"]


def test_what_is_no_secret_comes_from_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "in-the-environment")
    monkeypatch.setenv("NAME_FILE", a_file(tmp_path, b"from-a-file"))
    assert load(Example).name == "unset"


def test_which_settings_are_secrets() -> None:
    assert secret_fields(Example) == {"api_key", "password"}
    assert {"jwt_secret", "service_token_secret", "database_url", "mongodb_url", "audit_chain_secret"} < (
        secret_fields(RegistrySettings)
    )
    assert {"mongodb_crypto_key", "mongodb_crypto_keys_retired"} < secret_fields(MongoSettings)
    assert secret_fields(GatewaySettings) == {
        "jwt_secret",
        "service_token_secret",
        "otel_exporter_otlp_headers",
    }


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "names an empty file"),
        (b"\n", "names an empty file"),
        (b"\xff" + SECRET.encode(), "names a file that is not UTF-8"),
        (SECRET.encode() + b"x" * MAX_BYTES, f"names a file of more than {MAX_BYTES} bytes"),
    ],
    ids=["empty", "a line end", "bytes", "long"],
)
def test_a_file_that_holds_no_secret_stops_the_start(
    content: bytes, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEY_FILE", a_file(tmp_path, content))
    with pytest.raises(SystemExit) as raised:
        load(Example)
    assert str(raised.value) == f"configuration: API_KEY_FILE {sentence}"


def test_a_file_that_is_not_there_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY_FILE", str(tmp_path / "absent"))
    with pytest.raises(SystemExit) as raised:
        load(Example)
    assert str(raised.value) == (
        "configuration: API_KEY_FILE names a file that can't be read: No such file or directory"
    )


def test_one_secret_from_two_places_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "another-secret-9d1e")
    monkeypatch.setenv("API_KEY_FILE", a_file(tmp_path, SECRET.encode()))
    with pytest.raises(SystemExit) as raised:
        load(Example)
    assert str(raised.value) == "configuration: API_KEY and API_KEY_FILE must not both be set"


def test_an_empty_variable_names_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", SECRET)
    monkeypatch.setenv("API_KEY_FILE", "")
    assert load(Example).api_key.get_secret_value() == SECRET
