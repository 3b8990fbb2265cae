"""Where no request goes, however the address is written; and that the address that was checked is the one dialled."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from tests.bun_proxy.harness import Service, running_service
from tests.bun_proxy.servers import Recorder
from tests.support.odd_servers import StartServer, unused_port

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"

ALWAYS = {
    "metadata of most clouds": "169.254.169.254",
    "the same, decimal": "2852039166",
    "the same, octal": "0251.0376.0251.0376",
    "the same, hexadecimal": "0xa9fea9fe",
    "the same, short": "169.254.43518",
    "the same, IPv4-mapped": "[::ffff:169.254.169.254]",
    "the same, IPv4-compatible": "[::169.254.169.254]",
    "the same, NAT64": "[64:ff9b::a9fe:a9fe]",
    "the same, local NAT64": "[64:ff9b:1::a9fe:a9fe]",
    "the same, 6to4": "[2002:a9fe:a9fe::]",
    "the same, Teredo": "[2001:0:0:0:0:0:5601:5601]",
    "the same, ISATAP": "[2001:db8::5efe:a9fe:a9fe]",
    "metadata of AWS, IPv6": "[fd00:ec2::254]",
    "metadata of Alibaba": "100.100.100.200",
    "metadata of Oracle": "192.0.0.192",
    "Azure's host agent": "168.63.129.16",
    "link-local, IPv6": "[fe80::1]",
    "this host": "0.0.0.0",
    "this host, short": "0",
    "this host, IPv6": "[::]",
    "multicast": "224.0.0.1",
    "broadcast": "255.255.255.255",
}
BY_POLICY = {
    "loopback": "127.0.0.1",
    "loopback, decimal": "2130706433",
    "loopback, octal": "0177.0.0.1",
    "loopback, short": "127.1",
    "loopback, by name": "localhost",
    "loopback, IPv6": "[::1]",
    "loopback, IPv4-mapped": "[::ffff:127.0.0.1]",
    "loopback, 6to4": "[2002:7f00:1::]",
    "carrier-grade NAT": "100.64.0.1",
    "carrier-grade NAT, NAT64": "[64:ff9b::6440:1]",
    "private": "10.0.0.1",
}


@pytest.mark.parametrize("host", ALWAYS.values(), ids=ALWAYS.keys())
async def test_an_address_that_nobody_may_reach_is_refused(service: Service, host: str) -> None:
    api = service.api(f"http://{host}:{unused_port()}")
    assert await api.error("GET", "/latest/meta-data/") == (400, "DB_ADDRESS_DENIED")
    await api.http.aclose()


async def test_networks_that_the_operator_denies_are_refused_in_every_form() -> None:
    denied = "127.0.0.0/8,::1/128,100.64.0.0/10,10.0.0.0/8"
    async with running_service(outbound_deny=denied) as service:
        for name, host in BY_POLICY.items():
            api = service.api(f"http://{host}:{unused_port()}")
            assert await api.error("GET", "/") == (400, "DB_ADDRESS_DENIED"), name
            await api.http.aclose()


class TestNames:
    """A name server that says what a test wants."""

    @pytest.fixture
    async def names(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
        answers: dict[str, list[str]] = {}
        loop = asyncio.get_running_loop()
        ask = loop.getaddrinfo

        async def getaddrinfo(host: str, port: int, **options: Any) -> list[Any]:  # noqa: ANN401  asyncio's own
            if host in answers:
                ip = answers[host].pop(0)
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port))]
            return await ask(host, port, **options)

        monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
        return answers

    async def test_a_name_that_changes_after_the_check_does_not_change_where_it_leads(
        self, service: Service, start_server: StartServer, names: dict[str, list[str]]
    ) -> None:
        recorder = Recorder(OK)
        names["rebind.example.com"] = ["127.0.0.1", "169.254.169.254"]
        port = await start_server(recorder.serve)
        api = service.api(f"http://rebind.example.com:{port}")
        assert (await api.get("/")).status_code == 200
        assert recorder.header("host") == [f"rebind.example.com:{port}"]
        assert names["rebind.example.com"] == ["169.254.169.254"], "asked once"
        await api.http.aclose()

    async def test_a_name_that_has_changed_is_refused_for_the_next_connection(
        self, service: Service, start_server: StartServer, names: dict[str, list[str]]
    ) -> None:
        names["rebind.example.com"] = ["127.0.0.1", "169.254.169.254"]
        recorder = Recorder(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        api = service.api(f"http://rebind.example.com:{await start_server(recorder.serve)}")
        assert (await api.get("/")).status_code == 200
        assert await api.error("GET", "/") == (400, "DB_ADDRESS_DENIED")
        await api.http.aclose()

    async def test_redirects_to_such_an_address_are_followed_by_nobody(
        self, service: Service, start_server: StartServer
    ) -> None:
        place = b"http://169.254.169.254/latest/meta-data/"
        recorder = Recorder(b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\nlocation: %b\r\n\r\n" % place)
        api = service.api(f"http://127.0.0.1:{await start_server(recorder.serve)}")
        answer = await api.get("/")
        assert (answer.status_code, answer.headers["location"]) == (302, place.decode())
        assert len(recorder.heads) == 1
        await api.http.aclose()


@pytest.mark.parametrize(
    "path",
    [
        "/../secret",
        "/a/../../secret",
        "/%2e%2e/secret",
        "/%2E./secret",
        "/.%2e",
        "/./a",
        "/..;/secret",
        "/..;a=b/secret",
        "//evil.example.com/",
        "/a//b",
        "/http://evil.example.com/",
        "/a%2fb",
        "/a%5cb",
        "/a\\b",
        "/%00",
        "/%0d%0aset-cookie:x",
        "/%zz",
        "/#a",
    ],
)
async def test_a_path_that_could_leave_the_base_path_is_refused(
    service: Service, start_server: StartServer, path: str
) -> None:
    recorder = Recorder(OK)
    api = service.api(f"http://127.0.0.1:{await start_server(recorder.serve)}/base")
    raw = await service.raw(api.head("GET", path))
    assert (await raw.head()).startswith(b"HTTP/1.1 400 ")
    assert recorder.heads == []
    raw.close()


@pytest.mark.parametrize(
    "target", [b"http://evil.example.com/", b"//evil.example.com/", b"*", b"/api/platform/bun/"]
)
async def test_a_target_that_is_no_path_of_an_api_leads_nowhere(service: Service, target: bytes) -> None:
    token = service.client().headers["authorization"].encode()
    raw = await service.raw(b"GET %b HTTP/1.1\r\nhost: a\r\nauthorization: %b\r\n\r\n" % (target, token))
    assert int((await raw.head()).split(b" ")[1]) in {400, 404}
    raw.close()
