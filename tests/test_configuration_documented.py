"""docs/configuration.md knows every variable, and none that nobody reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from deploy.local import services
from gateway.settings import GatewaySettings
from services.bun_proxy.settings import Settings as BunSettings
from services.mongo_svc.settings import Settings as MongoSettings
from services.redis_svc.settings import Settings as RedisSettings
from services.registry.settings import Settings as RegistrySettings
from services.runtime.secret_files import SUFFIX, secret_fields

TEXT = (Path(__file__).resolve().parent.parent / "docs" / "configuration.md").read_text()
CLASSES: dict[str, type[BaseSettings]] = {
    "registry": RegistrySettings,
    "redis_svc": RedisSettings,
    "mongo_svc": MongoSettings,
    "bun_proxy": BunSettings,
    "gateway": GatewaySettings,
}


@pytest.mark.parametrize("name", CLASSES)
def test_every_variable_is_there(name: str) -> None:
    missing = [field.upper() for field in CLASSES[name].model_fields if f"`{field.upper()}`" not in TEXT]
    assert missing == []


def test_every_variable_that_is_there_is_read() -> None:
    read = {field.upper() for each in CLASSES.values() for field in each.model_fields}
    read |= {*services.REGISTRY_VARIABLES, "PORT", "STATE_DIR"}
    read |= {f"{field.upper()}{SUFFIX}" for each in CLASSES.values() for field in secret_fields(each)}
    named = set(re.findall(r"`([A-Z][A-Z0-9_]{3,})`", TEXT))
    assert named - read - {"DEBUG", "INFO", "WARNING", "ERROR", "ENGINE_DISABLED"} == set()
