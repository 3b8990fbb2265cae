"""The settings of each process, and whether variables are what it reads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from unittest import mock

from pydantic_settings import BaseSettings

from gateway.settings import GatewaySettings
from services.bun_proxy.settings import Settings as BunSettings
from services.mongo_svc.settings import Settings as MongoSettings
from services.redis_svc.settings import Settings as RedisSettings
from services.registry.settings import Settings as RegistrySettings
from services.runtime.secret_files import SUFFIX, secret_fields
from services.runtime.settings import load

CLASSES: dict[str, type[BaseSettings]] = {
    "registry": RegistrySettings,
    "redis_svc": RedisSettings,
    "mongo_svc": MongoSettings,
    "bun_proxy": BunSettings,
    "gateway": GatewaySettings,
}
OF_PYTHON = {"LANG", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}


def unknown(target: str, variables: Mapping[str, str]) -> set[str]:
    """Which of the variables the process does not read."""
    cls = CLASSES[target]
    read = {name.upper() for name in cls.model_fields}
    read |= {f"{name.upper()}{SUFFIX}" for name in secret_fields(cls)}
    return set(variables) - read - OF_PYTHON - ({"PORT"} if target == "gateway" else set())


def loaded(target: str, variables: Mapping[str, str]) -> BaseSettings:
    """The settings of the process with these variables and nothing else in its environment.

    Raises:
        SystemExit: it would not start.
    """
    with mock.patch.dict(os.environ, variables, clear=True):
        return load(CLASSES[target])
