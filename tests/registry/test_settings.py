"""Settings: what is missing or wrong stops the start and names the variable."""

from __future__ import annotations

import pytest

from services.registry.connection_strings import TYPES
from services.registry.settings import Settings
from services.registry.vault import Vault
from services.runtime.errors import StudioError, reason_name
from services.runtime.settings import load
from tests.registry.harness import CRYPTO_KEYS, JWT_SECRET, SERVICE_SECRET, settings

ENVIRONMENT = {
    "JWT_SECRET": JWT_SECRET,
    "SERVICE_TOKEN_SECRET": SERVICE_SECRET,
    "MULTI_DB_CRYPTO_KEY": CRYPTO_KEYS["redis"],
}


def read(monkeypatch: pytest.MonkeyPatch, **changes: str | None) -> Settings:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in {**ENVIRONMENT, **changes}.items():
        if value is not None:
            monkeypatch.setenv(name, value)
    return load(Settings)


def test_the_least_that_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch)
    assert (found.grpc_address, found.http_address, found.database_url) == ("[::]:50051", "[::]:9051", None)
    assert found.sealed_types() == TYPES


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"SERVICE_TOKEN_SECRET": None}, "SERVICE_TOKEN_SECRET"),
        ({"JWT_SECRET": None}, "JWT_SECRET"),
        ({"MULTI_DB_CRYPTO_KEY": None}, "REDIS_CRYPTO_KEY"),
        ({"MULTI_DB_CRYPTO_KEY": "short"}, "MULTI_DB_CRYPTO_KEY"),
        ({"MONGODB_CRYPTO_KEY": "SAMPLE_KEY"}, "MONGODB_CRYPTO_KEY"),
        ({"DATABASE_POOL_SIZE": "0"}, "DATABASE_POOL_SIZE"),
        ({"DATABASE_POOL_SIZE": "many"}, "DATABASE_POOL_SIZE"),
        ({"DATABASE_POOL_WAITING": "0"}, "DATABASE_POOL_WAITING"),
        ({"DATABASE_URL": "redis://c4n4ry@host"}, "^(?!.*c4n4ry).*DATABASE_URL"),
        ({"DATABASE_URL": "c4n4ry"}, "^(?!.*c4n4ry).*DATABASE_URL"),
        ({"DATABASE_LISTEN_URL": "postgres://u:c4n4ry@h:port/x y=z"}, "^(?!.*c4n4ry).*DATABASE_LISTEN_URL"),
        ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL"),
    ],
    ids=lambda each: ascii(each)[:40],
)
def test_what_is_missing_or_wrong_is_named(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str | None], says: str
) -> None:
    with pytest.raises(SystemExit, match=says):
        read(monkeypatch, **changes)


def test_without_a_key_for_postgres_only_that_type_is_off() -> None:
    without = settings(None, pg_meta_crypto_key=None)
    assert set(without.sealed_types()) == set(TYPES) - {"postgres"}
    vault = Vault(without)
    assert vault.seal("redis://h", row_id="1", type_="redis").startswith("v1.")
    with pytest.raises(StudioError, match="PG_META_CRYPTO_KEY") as refused:
        vault.seal("postgres://h", row_id="1", type_="postgres")
    assert reason_name(refused.value.reason) == "ENGINE_DISABLED"
