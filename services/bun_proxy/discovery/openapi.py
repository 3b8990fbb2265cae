"""From an OpenAPI 3 or Swagger 2 document to routes. Whatever it holds in place of what it should is passed over.

https://spec.openapis.org/oas/v3.1.1.html, https://spec.openapis.org/oas/v2.0.html
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from services.bun_proxy.discovery import bounds
from services.bun_proxy.discovery.model import Document, Outcome, Parameter, Route
from services.bun_proxy.discovery.refs import References
from services.bun_proxy.discovery.texts import clean, default, number_or_text, scalar
from services.bun_proxy.discovery.trees import UnreadableError

METHODS = ("get", "head", "post", "put", "patch", "delete", "options", "trace")
_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
_PLACES = frozenset({"path", "query", "header", "cookie"})


def read(tree: object, *, path: str, base_path: str) -> Document:
    """The routes of a document. Takes time: not for the event loop.

    Args:
        tree: the document.
        path: where it was found.
        base_path: of the API's connection: what callers can reach lies below it.

    Raises:
        UnreadableError: it is no OpenAPI document, or of a version that nobody knows here.
    """
    if not isinstance(tree, dict) or not ({"openapi", "swagger"} & tree.keys()):
        raise UnreadableError("is no OpenAPI document: it has neither openapi nor swagger", is_other=True)
    kind = "openapi" if "openapi" in tree else "swagger"
    version = number_or_text(tree[kind], 16)
    if not version.startswith("3." if kind == "openapi" else "2"):
        raise UnreadableError(f"is {kind} {version!r}; OpenAPI 3 and Swagger 2 can be read")
    if not isinstance(tree.get("paths", {}), dict):
        raise UnreadableError("has paths that are no mapping")
    return _Reader(tree, kind == "swagger", base_path).document(path, f"{kind} {version}")


class _Reader:
    def __init__(self, tree: dict[str, Any], is_swagger: bool, base_path: str) -> None:  # noqa: FBT001  private
        self._tree = tree
        self._is_swagger = is_swagger
        self._base_path = base_path
        self._references = References(tree)
        self._mapping = self._references.mapping
        self._details = 0
        self._full = False

    def document(self, path: str, format_: str) -> Document:
        info = self._mapping(self._tree.get("info"))
        routes: dict[tuple[str, str], Route] = {}
        skipped = 0
        for route in self._routes():
            if route is None:
                skipped += 1
            else:
                routes[route.key] = route
                self._details += len(route.parameters) + len(route.outcomes)
                self._full = len(routes) >= bounds.ROUTES or self._details >= bounds.DETAILS
        if self._full and skipped:
            self._references.warn(f"It is large: only {len(routes)} routes are shown.")
        tags = {tag for route in routes.values() for tag in route.tags}
        return Document(
            path=path,
            format=format_,
            title=clean(info.get("title"), bounds.LINE_CHARS),
            version=number_or_text(info.get("version"), bounds.NAME_CHARS),
            description=clean(info.get("description"), bounds.ABOUT_CHARS),
            routes=tuple(routes[key] for key in sorted(routes)),
            skipped=skipped,
            warnings=tuple(self._references.warnings),
            tags=tuple(sorted(tags)[: bounds.ALL_TAGS]),
            fetched_at=time.time(),
        )

    def _routes(self) -> Iterator[Route | None]:
        """Each route; None for one that makes no sense, or is too many."""
        for path, item in self._tree.get("paths", {}).items():
            if path.startswith("x-"):
                continue
            if not path.startswith("/") or len(path) > bounds.PATH_CHARS or not path.isprintable():
                self._references.warn(f"{clean(path, bounds.NAME_CHARS)!r} is no path.")
                yield None
                continue
            found = self._mapping(item)
            for method in METHODS:
                if method in found:
                    operation = found[method]
                    makes_sense = isinstance(operation, dict) and not self._full
                    yield self._route(method, path, found, operation) if makes_sense else None

    def _route(self, method: str, path: str, item: dict[str, Any], operation: dict[str, Any]) -> Route:
        parameters, types, required = self._parameters(item, operation)
        body = self._mapping(operation.get("requestBody"))
        security, is_public = self._security(operation)
        return Route(
            method=method.upper(),
            path=clean(path, bounds.PATH_CHARS),
            proxy_path=self._proxy_path(path, item, operation),
            operation_id=clean(operation.get("operationId"), bounds.NAME_CHARS),
            summary=clean(operation.get("summary"), bounds.LINE_CHARS),
            description=clean(operation.get("description"), bounds.TEXT_CHARS),
            tags=_texts(operation.get("tags"), bounds.TAGS),
            deprecated=operation.get("deprecated") is True,
            parameters=parameters,
            content_types=types or self._content(body),
            body_required=required or body.get("required") is True,
            outcomes=self._outcomes(operation),
            security=security,
            is_public=is_public,
        )

    def _parameters(
        self, item: dict[str, Any], operation: dict[str, Any]
    ) -> tuple[tuple[Parameter, ...], tuple[str, ...], bool]:
        """The parameters, those of the operation in place of the path's; in Swagger 2 also what the body is."""
        found: dict[tuple[str, str], Parameter] = {}
        types: tuple[str, ...] = ()
        required = False
        for each in (*_items(item.get("parameters")), *_items(operation.get("parameters"))):
            given = self._mapping(each)
            place, name = given.get("in"), clean(given.get("name"), bounds.NAME_CHARS)
            if self._is_swagger and place in {"body", "formData"}:
                types = self._consumes(operation, is_form=place == "formData")
                required = required or given.get("required") is True
                place = "form" if place == "formData" else None
            elif place not in _PLACES:
                place = None
            if isinstance(place, str) and name and len(found) < bounds.PARAMETERS:
                found[place, name] = self._parameter(given, name, place)
        return tuple(found.values()), types, required

    def _parameter(self, given: dict[str, Any], name: str, place: str) -> Parameter:
        schema = given if self._is_swagger else self._mapping(given.get("schema"))
        if (
            not schema
        ):  # https://spec.openapis.org/oas/v3.1.1.html#parameter-object: or as content of one type
            content = self._mapping(given.get("content"))
            schema = self._mapping(self._mapping(next(iter(content.values()), None)).get("schema"))
        return Parameter(
            name=name,
            place=place,
            required=place == "path" or given.get("required") is True,
            type=self._type(schema, bounds.TYPES),
            format=clean(schema.get("format"), bounds.NAME_CHARS),
            description=clean(given.get("description"), bounds.LINE_CHARS),
            values=tuple(
                scalar(each, bounds.NAME_CHARS) for each in _items(schema.get("enum"), bounds.VALUES)
            ),
            default=default(schema["default"], bounds.NAME_CHARS) if "default" in schema else "",
            deprecated=given.get("deprecated") is True,
        )

    def _type(self, schema: dict[str, Any], levels: int) -> str:
        """The type in words."""
        types = schema.get("type")
        if isinstance(types, list):
            return " | ".join(_texts(types, bounds.TYPES))
        if types == "array" and levels > 1:
            inner = self._type(self._mapping(schema.get("items")), levels - 1)
            return f"array of {inner}" if inner else "array"
        if isinstance(types, str):
            return clean(types, bounds.NAME_CHARS)
        for name in ("anyOf", "oneOf", "allOf"):
            if levels > 1 and name in schema:
                # One level: five of five of five … would be thousands.
                each = (self._type(self._mapping(part), 1) for part in _items(schema[name], bounds.TYPES))
                found = list(dict.fromkeys(filter(None, each)))
                return " | ".join(found[:1] if name == "allOf" else found)[: bounds.NAME_CHARS]
        return ""

    def _consumes(self, operation: dict[str, Any], *, is_form: bool) -> tuple[str, ...]:
        given = _texts(operation.get("consumes", self._tree.get("consumes")), bounds.CONTENT_TYPES)
        return given or (_FORMS if is_form else ("application/json",))

    def _content(self, body: dict[str, Any]) -> tuple[str, ...]:
        return _texts(
            list(islice(self._mapping(body.get("content")), bounds.CONTENT_TYPES)), bounds.CONTENT_TYPES
        )

    def _outcomes(self, operation: dict[str, Any]) -> tuple[Outcome, ...]:
        produced: tuple[str, ...] = ()
        if self._is_swagger:
            produced = _texts(operation.get("produces", self._tree.get("produces")), bounds.CONTENT_TYPES)
        found = []
        for status, each in islice(self._mapping(operation.get("responses")).items(), bounds.ANSWERS):
            answer = self._mapping(each)
            found.append(
                Outcome(
                    status=clean(status, 16),
                    description=clean(answer.get("description"), bounds.LINE_CHARS),
                    content_types=(produced if "schema" in answer else ())
                    if self._is_swagger
                    else self._content(answer),
                )
            )
        return tuple(found)

    def _security(self, operation: dict[str, Any]) -> tuple[tuple[str, ...], bool]:
        """Alternatives, and whether none is needed."""
        alternatives = [
            each
            for each in _items(operation.get("security", self._tree.get("security")), bounds.SCHEMES)
            if isinstance(each, dict)
        ]
        named = (_texts(list(islice(each, bounds.SCHEMES)), bounds.SCHEMES) for each in alternatives if each)
        return tuple(" + ".join(each) for each in named), not all(alternatives) or not alternatives

    def _proxy_path(self, path: str, item: dict[str, Any], operation: dict[str, Any]) -> str:
        """The path below the connection's base path; empty for one that is not below it."""
        prefix = self._server_path(item, operation)
        if prefix is None:
            # Said of no server: many mean the base path, though it is the root by the specification.
            base = self._base_path
            return path[len(base) :] or "/" if base and _is_below(path, base) else path
        whole = f"{prefix}{path}"
        if not _is_below(whole, self._base_path):
            return ""
        return whole[len(self._base_path) :] or "/"

    def _server_path(self, item: dict[str, Any], operation: dict[str, Any]) -> str | None:
        """What stands before the paths; None where the document does not say."""
        if self._is_swagger:
            base = self._tree.get("basePath")
            return base.rstrip("/") if isinstance(base, str) and base.startswith("/") else None
        for owner in (operation, item, self._tree):
            for server in _items(owner.get("servers"), 1):
                url = server.get("url") if isinstance(server, dict) else None
                if isinstance(url, str) and url.strip() not in {"", "/"}:
                    return _path_of(url, self._mapping(server.get("variables")))
        return None


def _path_of(url: str, variables: dict[str, Any]) -> str | None:
    """The path of a server: https://spec.openapis.org/oas/v3.1.1.html#server-object."""
    url = url[: bounds.PATH_CHARS]
    for name, variable in islice(variables.items(), bounds.VALUES):
        value = variable.get("default") if isinstance(variable, dict) else None
        url = url.replace(f"{{{name}}}", clean(value, bounds.NAME_CHARS))[: bounds.PATH_CHARS]
    try:
        path = urlsplit(url).path.rstrip("/")
    except ValueError:
        return None
    if path and not path.startswith("/"):
        return None  # relative to where the document lies: as good as nothing said
    return path or None


def _is_below(path: str, base: str) -> bool:
    return not base or path == base or path.startswith(f"{base}/")


def _items(value: object, most: int = bounds.PARAMETERS) -> list[Any]:
    return value[:most] if isinstance(value, list) else []


def _texts(value: object, most: int) -> tuple[str, ...]:
    return tuple(filter(None, (clean(each, bounds.NAME_CHARS) for each in _items(value, most))))
