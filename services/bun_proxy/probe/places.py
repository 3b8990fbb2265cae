"""Which paths of an API are asked: those of the database's config, or the usual ones. All lie below the base path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.bun_proxy.forward import paths
from services.bun_proxy.probe.bounds import PATH_CHARS
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_INVALID_CONNECTION_STRING

HEALTH = ("/health", "/healthz", "/")
DOCUMENTS = (
    "/openapi.json",
    "/swagger.json",
    "/openapi",
    "/openapi/json",  # Elysia
    "/swagger/json",  # Elysia's former plugin
    "/doc",  # Hono
    "/docs/json",  # Fastify
    "/documentation/json",
    "/api-docs",
    "/api-docs.json",
    "/api-json",  # NestJS
    "/api/openapi.json",
    "/v3/api-docs",  # Spring
    "/swagger/v1/swagger.json",  # ASP.NET
    "/openapi.yaml",
    "/openapi.yml",
    "/swagger.yaml",
)


@dataclass(frozen=True, slots=True)
class Places:
    """The paths of one API."""

    health: tuple[str, ...]
    """Those that are asked how it is; the first that is there counts."""
    documents: tuple[str, ...]
    """Those where its OpenAPI document may be."""
    health_is_configured: bool
    document_is_configured: bool


def places_of(config: Mapping[str, object]) -> Places:
    """The paths that a database's config names (`health_path`, `openapi_path`), or the usual ones.

    Raises:
        StudioError: INVALID_CONNECTION_STRING.
    """
    health, document = _path(config, "health_path"), _path(config, "openapi_path")
    return Places(
        health=(health,) if health else HEALTH,
        documents=(document,) if document else DOCUMENTS,
        health_is_configured=bool(health),
        document_is_configured=bool(document),
    )


def _path(config: Mapping[str, object], name: str) -> str:
    value = config.get(name)
    if value is None or value == "":
        return ""
    if (
        not isinstance(value, str)
        or len(value) > PATH_CHARS
        or not value.isascii()
        or not value.isprintable()
    ):
        raise _unusable(name, "is a path of printable ASCII characters")
    if "?" in value or " " in value:
        raise _unusable(name, "is a path without a query, with spaces percent-encoded")
    try:
        paths.check(value)
    except StudioError as error:
        raise _unusable(name, error.violations[0].description) from None
    return value


def _unusable(name: str, why: str) -> StudioError:
    return StudioError(ERROR_REASON_INVALID_CONNECTION_STRING, f"{name}: {why}.", metadata={"stage": "parse"})
