"""The services of Studio Databases."""

VERSION = "0.1.0"
"""Of every service; as in pyproject.toml."""
