"""OpenAPI and Swagger documents, honest and hostile ones, become routes."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.bun_proxy.discovery import bounds, openapi, trees
from services.bun_proxy.discovery.model import Document, Route
from tests.bun_proxy.rpcs.control import document

LOOP = "#/components/schemas/Loop"


def read(tree: object, base_path: str = "") -> Document:
    return openapi.read(tree, path="/openapi.json", base_path=base_path)


def only(tree: object, base_path: str = "") -> Route:
    (route,) = read(tree, base_path).routes
    return route


def with_parameter(parameter: object, **more: object) -> dict[str, Any]:
    return document({"/a": {"get": {"parameters": [parameter]}}}, **more)


@pytest.mark.parametrize(
    ("schema", "shown"),
    [
        ({"type": "integer", "format": "int64"}, ("integer", "int64")),
        ({"type": ["string", "null"]}, ("string | null", "")),
        ({"type": "array", "items": {"type": "array", "items": {"type": "number"}}}, ("array of array of number", "")),
        ({"$ref": "#/components/schemas/Id"}, ("string", "uuid")),
        ({"anyOf": [{"type": "string"}, {"$ref": LOOP}, {"type": "integer"}]}, ("string | integer", "")),
        ({"allOf": [{}, {"type": "boolean"}, {"type": "string"}]}, ("boolean", "")),
        ({"type": 5, "format": []}, ("", "")),
        (True, ("", "")),
    ],
)  # fmt: skip
def test_types_of_parameters(schema: object, shown: tuple[str, str]) -> None:
    schemas = {"Id": {"type": "string", "format": "uuid"}, "Loop": {"$ref": LOOP}}
    route = only(
        with_parameter({"name": "x", "in": "query", "schema": schema}, components={"schemas": schemas})
    )
    assert (route.parameters[0].type, route.parameters[0].format) == shown


def test_an_operations_parameter_stands_in_for_the_paths() -> None:
    path = [
        {"name": "a", "in": "query", "description": "old"},
        {"name": "b", "in": "header", "required": True},
    ]
    own = [
        {
            "name": "a",
            "in": "query",
            "description": "new",
            "schema": {"enum": ["x", 1, None, True], "default": 1},
        }
    ]
    route = only(document({"/a": {"parameters": path, "get": {"parameters": own}}}))
    first, second = route.parameters
    assert (first.name, first.description, first.values, first.default) == (
        "a",
        "new",
        ("x", "1", "null", "true"),
        "1",
    )
    assert (second.place, second.required) == ("header", True)


def test_swagger_2() -> None:
    tree = {
        "swagger": "2.0",
        "info": {"title": "Old", "version": 1.5},
        "basePath": "/v1/",
        "consumes": ["application/xml"],
        "produces": ["application/json"],
        "paths": {
            "/a": {
                "post": {
                    "parameters": [
                        {"in": "body", "name": "it", "required": True, "schema": {}},
                        {"in": "query", "name": "n", "type": "array", "items": {"type": "integer"}},
                    ],
                    "responses": {
                        "200": {"description": "Fine.", "schema": {}},
                        "204": {"description": "None."},
                    },
                },
                "put": {"consumes": [], "parameters": [{"in": "formData", "name": "f", "type": "file"}]},
            }
        },
    }
    found = read(tree)
    post, put = found.routes
    assert (found.format, found.title, found.version) == ("swagger 2.0", "Old", "1.5")
    assert (post.proxy_path, post.content_types, post.body_required) == ("/v1/a", ("application/xml",), True)
    assert [(each.name, each.type) for each in post.parameters] == [("n", "array of integer")]
    assert [each.content_types for each in post.outcomes] == [("application/json",), ()]
    assert put.content_types == ("multipart/form-data", "application/x-www-form-urlencoded")
    assert [(each.name, each.place, each.type) for each in put.parameters] == [("f", "form", "file")]


@pytest.mark.parametrize(
    ("security", "shown"),
    [
        (None, (("key",), False)),
        ([], ((), True)),
        ([{}], ((), True)),
        ([{"key": []}, {}], (("key",), True)),
        ([{"key": [], "user": ["read"]}, {"other": []}], (("key + user", "other"), False)),
        ("nonsense", ((), True)),
    ],
)
def test_security(security: object, shown: tuple[tuple[str, ...], bool]) -> None:
    operation = {} if security is None else {"security": security}
    route = only(document({"/a": {"get": operation}}, security=[{"key": []}]))
    assert (route.security, route.is_public) == shown


@pytest.mark.parametrize(
    ("servers", "base_path", "path", "proxy_path"),
    [
        (None, "", "/a", "/a"),
        (None, "/v1", "/a", "/a"),
        (None, "/v1", "/v1/a", "/a"),
        (None, "/v1", "/v1", "/"),
        ([{"url": "/"}], "/v1", "/a", "/a"),
        ([{"url": "https://api.example.net/v1/"}], "", "/a", "/v1/a"),
        ([{"url": "https://api.example.net/v1"}], "/v1", "/a", "/a"),
        ([{"url": "/v2"}], "/v1", "/a", ""),
        ([{"url": "/{stage}", "variables": {"stage": {"default": "v1"}}}], "/v1", "/a", "/a"),
        ([{"url": "https://["}], "/v1", "/a", "/a"),
        ([5], "", "/a", "/a"),
    ],
)
def test_where_callers_reach_a_route(servers: object, base_path: str, path: str, proxy_path: str) -> None:
    tree = document({path: {"get": {}}}, **({} if servers is None else {"servers": servers}))
    assert only(tree, base_path).proxy_path == proxy_path


def test_what_makes_no_sense_is_passed_over_and_told() -> None:
    tree = document(
        {
            "a": {"get": {}},
            "/b": {"get": "text", "fly": {}, "x-note": {}},
            "/c": {"$ref": "#/nowhere"},
            "/d": {"$ref": "other.yaml#/paths/d"},
            "/e": {"$ref": "#/paths/~1f"},
            "/f": {
                "get": {"summary": "\ud83d\ude00 half: \ud83d", "tags": ["t", 5, None], "operationId": {}}
            },
            "x-other": {},
        },
    )
    found = read(json.loads(json.dumps(tree)))
    assert [(each.path, each.summary, each.tags, each.operation_id) for each in found.routes] == [
        ("/e", "😀 half: ?", ("t",), ""),
        ("/f", "😀 half: ?", ("t",), ""),
    ]
    assert found.skipped == 2
    assert len(found.warnings) == 3
    assert "'other.yaml#/paths/d' lies outside the document" in found.warnings[2]


def test_references_in_circles_and_without_end_are_bounded() -> None:
    parameters: dict[str, Any] = {f"p{n}": {"$ref": f"#/components/parameters/p{n + 1}"} for n in range(1000)}
    parameters["loop"] = {"$ref": "#/components/parameters/loop"}
    found = read(
        document(
            {
                "/a": {
                    "get": {"parameters": [{"$ref": f"#/components/parameters/{n}"} for n in ("p0", "loop")]}
                }
            },
            components={"parameters": parameters},
        )
    )
    assert found.routes[0].parameters == ()
    assert len(found.warnings) == 2


def test_a_large_document_is_cut_and_says_so() -> None:
    many = read(document({f"/{n}": {"get": {}} for n in range(bounds.ROUTES + 7)}))
    assert (len(many.routes), many.skipped) == (bounds.ROUTES, 7)
    assert "It is large" in many.warnings[-1]

    # Few bytes, many details: each of a hundred parameters once in the document, and in each of its routes.
    each = {
        f"p{n}": {"name": f"p{n}", "in": "query", "schema": {"enum": ["v" * 128] * 50}} for n in range(100)
    }
    references = [{"$ref": f"#/components/parameters/p{n}"} for n in range(100)]
    paths = {f"/{n}": {"get": {"parameters": references}} for n in range(2000)}
    dense = read(document(paths, components={"parameters": each}))
    assert sum(len(route.parameters) for route in dense.routes) <= bounds.DETAILS
    assert dense.skipped == 2000 - len(dense.routes)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("#/paths/~1a"),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["$ref", "get", "parameters", "schema", "in", "name", "type", "items", "content", "security", "servers",
             "url", "variables", "responses", "requestBody", "enum", "anyOf", "tags", "200", "default"]
        ),
        inner,
        max_size=6,
    ),
    max_leaves=40,
)  # fmt: skip


@given(
    st.dictionaries(st.sampled_from(["/a", "/b/{c}", "", "x"]), JSON),
    st.dictionaries(st.text(max_size=9), JSON),
)
@settings(max_examples=80, deadline=None)
def test_whatever_a_document_holds_it_is_read(paths: dict[str, Any], more: dict[str, Any]) -> None:
    for head in ({"openapi": "3.1.0"}, {"swagger": "2.0"}):
        found = read({**more, **head, "paths": paths})
        assert all(each.path.startswith("/") for each in found.routes)


# The text of documents.


YAML = """\
# a comment
openapi: 3.0.0
info: &info {title: "T", version: 1.10}
defaults: &defaults
  deprecated: true
  summary: shared
paths:
  /a:
    get:
      <<: *defaults
      summary: >-
        of its
        own
      security: []
    post: *defaults
"""


def test_yaml() -> None:
    found = read(trees.parse(YAML.encode()))
    assert (found.format, found.title, found.version) == ("openapi 3.0.0", "T", "1.10")
    get, post = found.routes
    assert (get.summary, get.deprecated, get.security) == ("of its own", True, ())
    assert (post.summary, post.deprecated) == ("shared", True)


def test_yaml_aliases_that_stand_for_billions_cost_nothing() -> None:
    lines = ["openapi: 3.0.0", "a0: &a0 {x: y}"]
    lines += [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 9) + "]" for n in range(1, 20)]
    assert read(trees.parse("\n".join(lines).encode())).routes == ()


def test_yaml_merges_are_counted() -> None:
    keys = ", ".join(f"k{n}: x" for n in range(1000))
    lines = ["openapi: 3.0.0", f"a: &a {{{keys}}}", "b: &b [" + ", ".join(["*a"] * 1000) + "]"]
    for more in ("c: {<<: *b}", "c: {" + ", ".join(["<<: *b"] * 1000) + "}"):
        with pytest.raises(trees.UnreadableError, match="more than 400000 values"):
            trees.parse("\n".join([*lines, more]).encode())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("openapi: [", "not valid YAML"),
        ("openapi: " + "[" * 3000, "deeper than"),
        ("openapi: 3.0.0\n" + "- " * 3000, "not valid YAML"),
        ("openapi: 3.0.0\nx: &x [*x]", "inside itself"),
        ("openapi: 3.0.0\nx: *y", "nowhere"),
        ("openapi: 3.0.0\n? [a, b]\n: 1", "a key that is no text in line 2"),
        ("openapi: 3.0.0\nx: {<<: 5}", "merges what is no mapping"),
        ("openapi: 3.0.0\nx: [" + "1," * bounds.NODES + "1]", "more than 400000 values"),
        ("openapi: 3.0.0\nx: !!python/object/apply:os.system [echo]", ""),
        ("openapi: \x01", "not valid YAML"),
        ('{"openapi": "3.0.0", "n": ' + "9" * 5000 + "}", "not valid JSON"),
    ],
)
def test_hostile_texts(text: str, says: str) -> None:
    if not says:
        # Tags make nothing but text, lists and mappings.
        assert trees.parse(text.encode())["x"] == ["echo"]
        return
    with pytest.raises(trees.UnreadableError, match=says) as refused:
        trees.parse(text.encode())
    assert not refused.value.is_other


@pytest.mark.parametrize("body", [b"", b" \n", b"<html>", b"\xff\xfe", b"plain text", b"5", b"[1", b"{}"])
def test_other_things_are_not_broken_documents(body: bytes) -> None:
    with pytest.raises(trees.UnreadableError) as refused:
        read(trees.parse(body))
    assert refused.value.is_other


def test_deep_documents_are_refused_in_threads_too() -> None:
    found: list[str] = []

    def parse() -> None:
        try:
            trees.parse(b'{"openapi": ' + b"[" * 300_000)
        except trees.UnreadableError as error:
            found.append(error.why)

    thread = threading.Thread(target=parse)
    thread.start()
    thread.join()
    assert found == [f"is nested deeper than {bounds.DEPTH} levels"]
