"""Secrets that Envoy takes from files which it watches: each is one file, replaced in one step while Envoy runs."""

from __future__ import annotations

import json
import os
from pathlib import Path

from gateway.errors import Config


def write(path: Path, name: str, secret: Config) -> None:
    """Puts a secret in place, for this user's eyes only; Envoy looks again when a file is moved there.

    Args:
        path: the file.
        name: by which Envoy's configuration asks for it.
        secret: the rest of Envoy's `Secret`.

    Raises:
        OSError: the file can't be written.
    """
    type_ = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600, exist_ok=False)
    new.write_text(json.dumps({"resources": [{"@type": type_, "name": name, **secret}]}))
    os.replace(new, path)  # noqa: PTH105  one step


def source(path: Path, name: str) -> Config:
    """Envoy's `SdsSecretConfig` for it."""
    return {"name": name, "sds_config": {"path_config_source": {"path": str(path)}}}
