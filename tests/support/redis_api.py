"""One database's REST routes, as a client calls them."""

from __future__ import annotations

import base64
from typing import Any

import httpx

Json = Any
"""What a JSON body holds; each test knows its shape."""


class RedisApi:
    """The routes under `/api/platform/redis/{database_id}`."""

    def __init__(self, http: httpx.AsyncClient, database_id: str) -> None:
        self.http = http
        self._base = f"/api/platform/redis/{database_id}"

    @property
    def base(self) -> str:
        """The path before every route."""
        return self._base

    @staticmethod
    async def sample_id(http: httpx.AsyncClient) -> str:
        """The id of the Redis that the local system registers."""
        databases = (await http.get("/api/platform/databases", params={"projectRef": "default"})).json()
        return next(str(each["id"]) for each in databases if each["name"] == "sample-redis")

    async def get(self, route: str, **query: object) -> Json:
        """What a GET answers; it must succeed."""
        return _success(await self._get(route, query))

    async def post(self, route: str, **body: object) -> Json:
        """What a POST answers; it must succeed."""
        return _success(await self.http.post(f"{self._base}/{route}", json=body))

    async def get_refused(self, route: str, **query: object) -> tuple[int, str]:
        """The status and the error code of a GET that must fail."""
        return _failure(await self._get(route, query))

    async def post_refused(self, route: str, **body: object) -> tuple[int, str]:
        """The status and the error code of a POST that must fail."""
        return _failure(await self.http.post(f"{self._base}/{route}", json=body))

    async def post_status(self, route: str, **body: object) -> int:
        """The status of a POST that may fail."""
        return (await self.http.post(f"{self._base}/{route}", json=body)).status_code

    async def permission(self, verb: str, route: str, **fields: object) -> str:
        """The permission that an answer with 403 says is missing."""
        if verb == "GET":
            answer = await self._get(route, fields)
        else:
            answer = await self.http.post(f"{self._base}/{route}", json=fields)
        assert _failure(answer) == (403, "DB_PERMISSION_DENIED"), answer.text
        return str(answer.json()["details"][0]["metadata"]["permission"])

    async def _get(self, route: str, query: dict[str, object]) -> httpx.Response:
        shown = {
            name.replace("__", "."): str(value).lower() if isinstance(value, bool) else value
            for name, value in query.items()
        }
        return await self.http.get(f"{self._base}/{route}", params=shown)  # type: ignore[arg-type]  # plain values


def blob(content: bytes) -> dict[str, str]:
    """Bytes as a request gives them."""
    return {"value_base64": base64.b64encode(content).decode()}


def content(blob: dict[str, Any]) -> bytes:
    """Bytes as an answer gives them."""
    if "value_base64" in blob:
        return base64.b64decode(blob["value_base64"])
    return str(blob["value"]).encode()


def _success(answer: httpx.Response) -> Json:
    assert answer.is_success, f"{answer.status_code}: {answer.text}"
    return answer.json()


def _failure(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json()
    assert body["message"] == body["error"]["message"]
    assert body["message"][0].isupper() or ":" in body["message"], body["message"]
    return answer.status_code, str(body["error_code"])
