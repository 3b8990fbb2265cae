"""One database's REST routes, as a client calls them."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import httpx

from deploy.local.register import name_of

Json = Any
"""What a JSON body holds; each test knows its shape."""


class EngineApi:
    """The routes under `/api/platform/<type>/{database_id}`."""

    TYPE: ClassVar[str]
    """The type of the databases."""

    def __init__(self, http: httpx.AsyncClient, database_id: str) -> None:
        self.http = http
        self.database_id = database_id

    @property
    def base(self) -> str:
        """The path before every route."""
        return f"/api/platform/{self.TYPE}/{self.database_id}"

    @classmethod
    async def sample_id(cls, http: httpx.AsyncClient) -> str:
        """The id of the database that the local system registers."""
        databases = (await http.get("/api/platform/databases", params={"projectRef": "default"})).json()
        return next(str(each["id"]) for each in databases if each["name"] == name_of(cls.TYPE))

    async def get(self, route: str, **query: object) -> Json:
        """What a GET answers; it must succeed."""
        return _success(await self.send("GET", route, query=query))

    async def post(self, route: str, **body: object) -> Json:
        """What a POST answers; it must succeed."""
        return _success(await self.send("POST", route, body=body))

    async def get_refused(self, route: str, **query: object) -> tuple[int, str]:
        """The status and the error code of a GET that must fail."""
        return _failure(await self.send("GET", route, query=query))

    async def post_refused(self, route: str, **body: object) -> tuple[int, str]:
        """The status and the error code of a POST that must fail."""
        return _failure(await self.send("POST", route, body=body))

    async def post_status(self, route: str, **body: object) -> int:
        """The status of a POST that may fail."""
        return (await self.send("POST", route, body=body)).status_code

    async def permission(self, verb: str, route: str, **fields: object) -> str:
        """The permission that an answer with 403 says is missing."""
        given = {"query": fields} if verb == "GET" else {"body": fields}
        answer = await self.send(verb, route, **given)
        assert _failure(answer) == (403, "DB_PERMISSION_DENIED"), answer.text
        return str(answer.json()["details"][0]["metadata"]["permission"])

    async def send(
        self,
        verb: str,
        route: str,
        *,
        query: dict[str, object] | None = None,
        body: dict[str, object] | None = None,
    ) -> httpx.Response:
        """Whatever a call answers. Names in a query take `__` for a dot; objects there become JSON text."""
        shown = {name.replace("__", "."): _text(value) for name, value in (query or {}).items()}
        return await self.http.request(
            verb,
            f"{self.base}/{route}",
            params=shown,  # type: ignore[arg-type]  # plain values
            json=body,
        )


def _text(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, dict) else value


def _success(answer: httpx.Response) -> Json:
    assert answer.is_success, f"{answer.status_code}: {answer.text}"
    return answer.json() if answer.content else None


def _failure(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json()
    assert body["message"] == body["error"]["message"]
    assert body["message"][0].isupper() or ":" in body["message"], body["message"]
    return answer.status_code, str(body["error_code"])
