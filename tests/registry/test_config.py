"""What may be stored as `config`."""

from __future__ import annotations

import math
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct

from services.registry.config import MAX_BYTES, check_config
from services.runtime.errors import StudioError


def struct(fields: dict[str, Any]) -> Struct:
    made = Struct()
    made.update(fields)
    return made


def nested(levels: int) -> dict[str, Any]:
    return {"a": nested(levels - 1)} if levels else {}


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"a": 1, "b": 1.5, "c": True, "d": None, "e": "text", "f": [1, "x", {"y": [2]}]},
        {"sslMode": "require", "tokenLimit": 5, "maxPoolSize": 10},
        {"url": "https://host/path", "tls_ca_pem": "-----BEGIN CERTIFICATE-----"},
        nested(7),
    ],
)
def test_settings_are_kept_as_they_are(config: dict[str, Any]) -> None:
    assert check_config(struct(config)) == config


@pytest.mark.parametrize(
    ("config", "field", "says"),
    [
        ({"password": "x"}, "config.password", "belongs in the connection string"),
        ({"apiKey": "x"}, "config.apiKey", "belongs in the connection string"),
        ({"API_KEY": "x"}, "config.API_KEY", "belongs in the connection string"),
        ({"a": [{"client-secret": "x"}]}, "config.a[0].client-secret", "belongs in the connection string"),
        ({"tlsCertificateKeyData": "x"}, "config.tlsCertificateKeyData", "belongs in the connection string"),
        ({"tls_key_pem": "x"}, "config.tls_key_pem", "belongs in the connection string"),
        ({"a": "-----BEGIN RSA PRIVATE KEY-----"}, "config.a", "belongs in the connection string"),
        ({"a": ["redis://:pw@host"]}, "config.a[0]", "belongs in the connection string"),
        ({"a": "x\0y"}, "config", "NUL"),
        ({"a\0": 1}, "config", "NUL"),
        ({"a": math.inf}, "config.a", "finite"),
        ({"a": [math.nan]}, "config.a[0]", "finite"),
        ({"a": "x" * MAX_BYTES}, "config", "16 KiB"),
        (nested(9), "config", "deeper"),
        ({"a": [[[[[[[[[1]]]]]]]]]}, "config", "deeper"),
    ],
)
def test_what_is_refused(config: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(StudioError, match="config") as refused:
        check_config(struct(config))
    assert refused.value.violations[0].field == field
    assert says in refused.value.message
