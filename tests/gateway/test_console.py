"""The web pages: files that the gateway answers with by itself."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr

from gateway import __main__, console
from gateway.settings import GatewaySettings
from tests.gateway.harness import JWT_SECRET, Gateway, running_gateway

DOCUMENT = b"<!doctype html><title>Databases</title>" + b"<p>text</p>" * 200
SCRIPT = b"console.log('x');" * 100
ICON = b"<svg xmlns='http://www.w3.org/2000/svg'/>"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pages(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    root = tmp_path_factory.mktemp("console")
    (root / "assets").mkdir()
    (root / "index.html").write_bytes(DOCUMENT)
    (root / "assets" / "index-abc.js").write_bytes(SCRIPT)
    (root / "assets" / "icon-abc.svg").write_bytes(ICON)
    (root / "assets" / "notes.txt").write_bytes(b"not of the pages")
    (root / ".stamp").write_text("not of the pages")
    async with running_gateway(tmp_path_factory.mktemp("gateway"), CONSOLE_DIR=str(root)) as gateway:
        yield gateway


@pytest_asyncio.fixture(loop_scope="session")
async def browser(pages: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with pages.client(with_token=False) as client:
        yield client


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/databases",
        "/databases/",
        "/databases?search=a%20b",
        "/databases/6f1de6a0-6d6e-4bd2-9bc0-3dcb4a1f3f6a/redis",
        "/audit",
        "/api-keys",
        "/project/default",
        "/project/default/databases",
        "/project/default/databases/6f1de6a0-6d6e-4bd2-9bc0-3dcb4a1f3f6a",
    ],
)
async def test_every_page_is_the_one_document(browser: httpx.AsyncClient, path: str) -> None:
    answer = await browser.get(path)
    assert (answer.status_code, answer.content) == (200, DOCUMENT)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"


async def test_nothing_of_another_origin_may_run_or_be_told(browser: httpx.AsyncClient) -> None:
    headers = (await browser.get("/databases")).headers
    policy = dict(each.strip().split(" ", 1) for each in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'self'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


async def test_hashed_files_are_kept_for_good(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/databases-console/assets/index-abc.js")
    assert (answer.status_code, answer.content) == (200, SCRIPT)
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    again = await browser.get(
        "/databases-console/assets/index-abc.js", headers={"if-none-match": answer.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


async def test_what_is_worth_it_is_compressed_once(browser: httpx.AsyncClient) -> None:
    async def raw(path: str, encoding: str) -> tuple[str, bytes]:
        async with browser.stream("GET", path, headers={"accept-encoding": encoding}) as answer:
            return answer.headers.get("content-encoding", ""), b"".join(
                [each async for each in answer.aiter_raw()]
            )

    packed = await raw("/databases-console/assets/index-abc.js", "br, gzip;q=0.8")
    assert packed[0] == "gzip"
    assert gzip.decompress(packed[1]) == SCRIPT
    assert await raw("/databases-console/assets/index-abc.js", "identity") == ("", SCRIPT)
    assert await raw("/databases-console/assets/icon-abc.svg", "gzip") == ("", ICON)


@pytest.mark.parametrize(
    "path",
    [
        "/databases-console/assets/notes.txt",
        "/databases-console/.stamp",
        "/databases-console/assets/nothing.js",
        "/databases-console/",
        "/databases-console/index.html",
    ],
)
async def test_nothing_else_is_served(browser: httpx.AsyncClient, path: str) -> None:
    answer = await browser.get(path)
    assert (answer.status_code, answer.json()["error_code"]) == (404, "ROUTE_NOT_FOUND")


@pytest.mark.parametrize("path", ["/databases", "/databases-console/assets/index-abc.js"])
async def test_a_file_takes_no_other_method(browser: httpx.AsyncClient, path: str) -> None:
    assert (await browser.head(path)).status_code == 200
    assert (await browser.post(path)).status_code in {404, 405}


@pytest.mark.parametrize(
    "path", ["/api/platform/databases", "/project/a/b", "/project/default/settings", "/x"]
)
async def test_all_else_needs_a_token_as_before(browser: httpx.AsyncClient, path: str) -> None:
    assert (await browser.get(path)).status_code == 401


async def test_without_a_build_there_are_no_pages(gateway: Gateway) -> None:
    async with gateway.client() as client:
        answer = await client.get("/databases")
    assert (answer.status_code, answer.json()["message"]) == (404, console.NOT_HERE)


def test_the_configuration_can_be_printed_where_nothing_can_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "index.html").write_bytes(DOCUMENT)
    monkeypatch.setenv("JWT_SECRET", JWT_SECRET)
    monkeypatch.setenv("CONSOLE_DIR", str(tmp_path))
    monkeypatch.setenv("GATEWAY_STATE_DIR", "/nonexistent/state")
    assert __main__.main(["render"]) == 0
    assert '"/nonexistent/state/index.html.gz"' in capsys.readouterr().out


def test_a_directory_without_a_build_is_refused(tmp_path: Path) -> None:
    settings = GatewaySettings(jwt_secret=SecretStr(JWT_SECRET), console_dir=tmp_path)
    with pytest.raises(SystemExit, match=r"CONSOLE_DIR holds no index\.html"):
        list(console.routes(settings, tmp_path))
