"""Settings: what is missing or wrong stops the start with a sentence that names the variable, never the value."""

from __future__ import annotations

import pytest
from pydantic import Field, SecretStr

from services.runtime.base_settings import Settings
from services.runtime.discovery import check_address
from services.runtime.settings import (
    CryptoSettings,
    EngineSettings,
    ServiceSettings,
    load,
    split_csv,
)

VALUE = "value-6d2c"
GOOD = {
    "GRPC_ADDRESS": "[::]:50051",
    "HTTP_ADDRESS": "127.0.0.1:9051",
    "JWT_SECRET": "user-secret-0123456789-abcdefghijkl",
    "SERVICE_TOKEN_SECRET": "service-secret-0123456789-abcdefghi",
}
SECRETS = {name: f"{name.lower()}-with-enough-letters" for name in (
    "REDIS_CRYPTO_KEY", "MONGODB_CRYPTO_KEY", "BUN_CRYPTO_KEY", "MULTI_DB_CRYPTO_KEY", "PG_META_CRYPTO_KEY"
)}  # fmt: skip


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment with the necessary and nothing else of ours."""
    names = {*EngineSettings.model_fields, *CryptoSettings.model_fields}
    for name in names:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


def complaint(cls: type[Settings] = ServiceSettings) -> str:
    with pytest.raises(SystemExit) as raised:
        load(cls)
    assert isinstance(raised.value.code, str), "a sentence, which Python prints; the exit code is then 1"
    return raised.value.code


def test_the_necessary_is_enough() -> None:
    found = load(EngineSettings)
    assert (found.grpc_address, found.registry_address, found.max_clients) == (
        "[::]:50051",
        "127.0.0.1:50051",
        200,
    )
    assert (found.outbound_deny, found.log_level) == ((), "INFO")
    assert GOOD["JWT_SECRET"] not in repr(found)


@pytest.mark.parametrize("name", ["GRPC_ADDRESS", "HTTP_ADDRESS", "SERVICE_TOKEN_SECRET"])
@pytest.mark.parametrize("value", ["", None], ids=["empty", "absent"])
def test_a_missing_variable_is_named_and_explained(
    name: str, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv(name)
    if value is not None:
        monkeypatch.setenv(name, value)
    said = complaint()
    assert said.startswith(f"configuration: {name} must be set: ")
    assert said.count("configuration:") == 1


def test_each_missing_variable_has_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRPC_ADDRESS")
    monkeypatch.delenv("SERVICE_TOKEN_SECRET")
    assert [line.split()[1] for line in complaint().splitlines()] == ["GRPC_ADDRESS", "SERVICE_TOKEN_SECRET"]


def test_users_need_a_secret_or_a_key_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JWT_SECRET")
    assert complaint().startswith("configuration: JWT_SECRET or JWT_JWKS_URL must be set")
    monkeypatch.setenv("JWT_JWKS_URL", "https://auth.example/jwks.json")
    assert load(ServiceSettings).jwt_jwks_url == "https://auth.example/jwks.json"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GRPC_ADDRESS", f"{VALUE}"),
        ("GRPC_ADDRESS", f"{VALUE}:"),
        ("GRPC_ADDRESS", f"{VALUE}:65536"),
        ("GRPC_ADDRESS", f"{VALUE}:-1"),
        ("GRPC_ADDRESS", f"{VALUE}:\N{ARABIC-INDIC DIGIT FIVE}"),
        ("GRPC_ADDRESS", ":5000"),
        ("GRPC_ADDRESS", "::1:5000"),
        ("HTTP_ADDRESS", f"unix:{VALUE}"),
        ("HTTP_ADDRESS", f"{VALUE}:99999999999999999999"),
        ("REGISTRY_ADDRESS", VALUE),
        ("JWT_SECRET", VALUE),
        ("SERVICE_TOKEN_SECRET", VALUE),
        ("SERVICE_TOKEN_SECRET", "your-super-secret-jwt-token-with-at-least-32-characters-long"),
        ("JWT_JWKS_URL", VALUE),
        ("JWT_JWKS_URL", f"ftp://{VALUE}/"),
        ("JWT_JWKS_URL", "http://"),
        ("JWT_JWKS_URL", f"http://[{VALUE}/"),
        ("LOG_LEVEL", VALUE),
        ("MAX_CONCURRENT_RPCS", VALUE),
        ("MAX_CONCURRENT_RPCS", "0"),
        ("SHUTDOWN_GRACE_S", "-1"),
        ("MAX_CLIENTS", "0"),
        ("MAX_CLIENTS", "1.5"),
        ("CLIENT_IDLE_TIMEOUT_S", "0"),
        ("OUTBOUND_DENY", f"10.0.0.0/8, {VALUE}"),
        ("OUTBOUND_ALLOW", "10.0.0.0/33"),
    ],
)
def test_a_bad_value_is_named_and_not_repeated(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    said = complaint(EngineSettings)
    assert said.startswith(f"configuration: {name} ")
    assert VALUE not in said
    assert len(value) < 20 or value not in said


def test_one_secret_for_users_and_services_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever can make an owner could make a service."""
    monkeypatch.setenv("SERVICE_TOKEN_SECRET", GOOD["JWT_SECRET"])
    assert complaint() == "configuration: SERVICE_TOKEN_SECRET must differ from JWT_SECRET, which makes users"


def test_a_value_that_must_be_json_and_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    class WithJson(Settings):
        listed: list[int] = Field(default=[])

    monkeypatch.setenv("LISTED", VALUE)
    said = complaint(WithJson)
    assert "listed" in said
    assert VALUE not in said


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTBOUND_DENY", " 10.0.0.0/8 ,, fd00::/8,10.1.2.3 ")
    assert load(ServiceSettings).outbound_deny == ("10.0.0.0/8", "fd00::/8", "10.1.2.3")
    assert split_csv("") == ()
    assert split_csv(("as", "it is")) == ("as", "it is")


def test_log_levels_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "debug")
    assert load(ServiceSettings).log_level == "DEBUG"


def test_addresses_of_every_kind() -> None:
    for address in ("[::]:50051", "127.0.0.1:0", "registry.internal:50051", "[fd00::1]:65535"):
        assert check_address(address) == address
    assert check_address("unix:/run/x.sock", may_be_unix=True) == "unix:/run/x.sock"


ORDER = {
    "redis": ["REDIS_CRYPTO_KEY", "MULTI_DB_CRYPTO_KEY", "PG_META_CRYPTO_KEY"],
    "mongodb": ["MONGODB_CRYPTO_KEY", "MULTI_DB_CRYPTO_KEY", "PG_META_CRYPTO_KEY"],
    "bun_api": ["BUN_CRYPTO_KEY", "MULTI_DB_CRYPTO_KEY", "PG_META_CRYPTO_KEY"],
    "postgres": ["MULTI_DB_CRYPTO_KEY", "PG_META_CRYPTO_KEY"],
}


@pytest.mark.parametrize("type_", ORDER)
def test_the_order_of_the_variables_with_a_types_key(type_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    for name in ORDER[type_]:
        expected = CryptoSettings().key_ring(type_).current_key_id
        others = [
            CryptoSettings(multi_db_crypto_key=SecretStr(secret)).key_ring("postgres").current_key_id
            for secret in SECRETS.values()
        ]
        assert others.index(expected) == list(SECRETS).index(name)
        monkeypatch.delenv(name)
    with pytest.raises(ValueError, match=f"^{' or '.join(ORDER[type_])} must be set: .*{type_}") as raised:
        CryptoSettings().key_ring(type_)
    assert not any(secret in str(raised.value) for secret in SECRETS.values())


@pytest.mark.parametrize("variable", ["REDIS_CRYPTO_KEYS_RETIRED", "MULTI_DB_CRYPTO_KEYS_RETIRED"])
def test_retired_keys_open_and_do_not_seal(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_CRYPTO_KEY", SECRETS["MONGODB_CRYPTO_KEY"])
    sealed = CryptoSettings().key_ring("redis").seal("x", row_id="r", type_="redis")
    monkeypatch.setenv("REDIS_CRYPTO_KEY", SECRETS["REDIS_CRYPTO_KEY"])
    monkeypatch.setenv(variable, f"weak, {SECRETS['MONGODB_CRYPTO_KEY']} ,")
    ring = CryptoSettings().key_ring("redis")
    assert ring.open(sealed, row_id="r", type_="redis") == "x"
    assert not ring.is_current(sealed)
    assert ring.is_current(ring.seal("x", row_id="r", type_="redis"))


@pytest.mark.parametrize("weak", ["short", "your-32-character-encryption-key", "a" * 40])
def test_a_weak_key_is_refused_by_the_name_of_its_variable(
    weak: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MULTI_DB_CRYPTO_KEY", weak)
    with pytest.raises(ValueError, match=r"^MULTI_DB_CRYPTO_KEY (must|is)") as raised:
        CryptoSettings().key_ring("redis")
    assert weak not in str(raised.value)


def test_all_secrets_of_a_type_the_current_one_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_CRYPTO_KEY", "one")
    monkeypatch.setenv("PG_META_CRYPTO_KEY", "two")
    monkeypatch.setenv("MULTI_DB_CRYPTO_KEYS_RETIRED", "three,one")
    assert CryptoSettings().secrets("redis") == ["one", "two", "three"]
    assert CryptoSettings().secrets("postgres") == ["two", "three", "one"]
