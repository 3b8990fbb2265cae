"""The version is written down twice, since an installed service has no pyproject.toml beside it."""

from __future__ import annotations

import tomllib
from pathlib import Path

from services.runtime.version import VERSION


def test_both_say_the_same() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION
