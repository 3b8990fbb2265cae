"""The version of this system, as pyproject.toml has it."""

VERSION = "0.1.0"
