"""Secrets from files: for every setting that holds one, `<NAME>_FILE` may name a file in place of `<NAME>`.

What Docker and other platforms mount (`/run/secrets/…`) shows neither in the environment of a process nor in what
describes its container.
"""

from __future__ import annotations

import os
from typing import Any, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsError

SUFFIX = "_FILE"
MAX_BYTES = 64 << 10
"""Of such a file: some hundred retired keys. A variable may hold twice as much (Linux's MAX_ARG_STRLEN)."""


class SecretFiles(PydanticBaseSettingsSource):
    """Reads the files that `<NAME>_FILE` name; the line end after a secret is none of it."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The secret of one field, its key, and that it is no JSON; None where no file is named.

        Raises:
            SettingsError: both variables are set, or the file can't be used; with a sentence that shows no content.
        """
        name = field_name.upper()
        path = os.environ.get(name + SUFFIX) if holds_secret(field.annotation) else None
        if not path:
            return None, field_name, False
        if os.environ.get(name):
            raise SettingsError(f"{name} and {name}{SUFFIX} must not both be set")
        return _read(path, name + SUFFIX), field_name, False

    def __call__(self) -> dict[str, Any]:
        """All secrets that files hold, by field."""
        found = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in found.items() if value is not None}


def holds_secret(annotation: object) -> bool:
    """Whether values of that type are secrets, or hold some."""
    return annotation is SecretStr or any(holds_secret(each) for each in get_args(annotation))


def secret_fields(cls: type[BaseSettings]) -> set[str]:
    """The fields of a settings class that may come from files."""
    return {name for name, field in cls.model_fields.items() if holds_secret(field.annotation)}


def _read(path: str, variable: str) -> str:
    try:
        with open(path, "rb") as file:  # noqa: PTH123  as short as it gets
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"{variable} names a file that can't be read: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise SettingsError(f"{variable} names a file of more than {MAX_BYTES} bytes")
    try:
        text = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise SettingsError(f"{variable} names a file that is not UTF-8") from None
    if not text:
        raise SettingsError(f"{variable} names an empty file")
    return text
