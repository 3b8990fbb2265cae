"""Which route a path belongs to."""

from __future__ import annotations

import pytest

from services.bun_proxy.discovery import openapi
from services.bun_proxy.discovery.patterns import Patterns
from tests.bun_proxy.rpcs.control import document

ROUTES = (
    "/",
    "/books",
    "/books/{id}",
    "/books/new",
    "/books/{id}/pages/{page}",
    "/files/{name}.json",
    "/caf%C3%A9",
)


@pytest.fixture(scope="module")
def patterns() -> Patterns:
    tree = document({path: {"get": {}} for path in ROUTES})
    return Patterns(openapi.read(tree, path="", base_path="").routes)


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/", "/"),
        ("/books", "/books"),
        ("/books/", "/books"),
        ("/books/7", "/books/{id}"),
        ("/books/new", "/books/new"),
        ("/books/new/pages/2", "/books/{id}/pages/{page}"),
        ("/files/a.json", "/files/{name}.json"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/unknown/17", "/unknown/{id}"),
        ("/" + "a/" * 200, "/" + "a/" * 200),
    ],
)
def test_routes_of_a_document(patterns: Patterns, path: str, route: str) -> None:
    assert patterns.route_of(path) == route


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v1/users/42", "/v1/users/{id}"),
        ("/users/6f1c9a52-6f0e-4b1b-9d6b-0b8f6f8f3f0e/posts", "/users/{id}/posts"),
        ("/objects/507f1f77bcf86cd799439011", "/objects/{id}"),
        ("/things/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/things/{id}"),
        ("/articles/how-to-write-a-long-title", "/articles/how-to-write-a-long-title"),
        ("/deadbeef", "/deadbeef"),
    ],
)
def test_without_a_document_ids_are_guessed(path: str, route: str) -> None:
    assert Patterns().route_of(path) == route
