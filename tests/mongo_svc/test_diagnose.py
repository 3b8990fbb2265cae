"""Testing a connection: the stage that failed, a stable code, a sentence, and what to try."""

from __future__ import annotations

import asyncio
import dataclasses
import struct
from pathlib import Path
from typing import Any
from urllib.parse import quote

import bson
import pytest

from services.mongo_svc.diagnose import diagnose
from services.mongo_svc.limits import DEFAULTS
from services.runtime.addresses import AddressPolicy
from services.runtime.diagnosis import Diagnosis
from tests.support.mongodb import MongoFactory, MongoServer, MongoUser
from tests.support.odd_servers import StartServer
from tests.support.srv import Records, serve_dns
from tests.support.tls import Authority


async def look(url: str, *, policy: AddressPolicy | None = None, seconds: float = 4.5) -> Diagnosis:
    limits = dataclasses.replace(DEFAULTS, diagnosis_s=seconds)
    return await diagnose(url, {}, policy=policy or AddressPolicy(), limits=limits)


def outcome(found: Diagnosis) -> tuple[str, str]:
    return found.stage, found.error_code


async def test_a_server_that_answers(mongodb_server: MongoServer) -> None:
    found = await look(mongodb_server.url)

    assert found.success
    assert (found.stage, found.error_code, found.hint) == ("done", "", "")
    assert found.server_version.startswith("8.")
    assert "replica set secantus with 1 member" in found.message
    assert found.latency_ms > 0


async def test_its_replica_set_by_name_and_by_another(mongodb_server: MongoServer) -> None:
    url = mongodb_server.url.replace("directConnection=true", "replicaSet=")

    assert (await look(url + "secantus")).success
    wrong = await look(url + "other")
    assert outcome(wrong) == ("topology", "INVALID_CONNECTION_STRING")
    assert "secantus" in wrong.message
    assert "replicaSet" in wrong.hint


async def test_logins_that_fail(mongodb_server: MongoServer) -> None:
    host = f"127.0.0.1:{mongodb_server.port}"
    none = await look(f"mongodb://{host}/")
    wrong = await look(f"mongodb://root:wr0ng-p4ss@{host}/?authSource=admin")
    elsewhere = await look(f"mongodb://root:{quote(mongodb_server.password, safe='')}@{host}/shop")

    for found in (none, wrong, elsewhere):
        assert outcome(found) == ("authentication", "DB_INVALID_CREDENTIALS")
        assert "wr0ng-p4ss" not in found.message + found.hint
    assert "none" in none.message
    assert "looked up in shop" in elsewhere.hint
    assert "authSource=admin" in elsewhere.hint


async def test_a_mechanism_that_the_server_lacks(mongodb_server: MongoServer) -> None:
    url = f"mongodb://root:x@127.0.0.1:{mongodb_server.port}/?authMechanism=PLAIN&authSource=%24external"

    assert outcome(await look(url)) == ("authentication", "DB_INVALID_CREDENTIALS")


async def test_a_user_without_rights_is_connected_and_told_so(start_mongodb: MongoFactory) -> None:
    server = start_mongodb(users=(MongoUser("nobody", "pw"),))

    found = await look(server.url_of("nobody", "pw"))

    assert found.success
    assert "may list no database" in found.hint


async def test_a_port_where_nobody_listens(closed_port: int) -> None:
    found = await look(f"mongodb://127.0.0.1:{closed_port}/")

    assert outcome(found) == ("tcp", "DB_CONNECTION_FAILED")
    assert str(closed_port) in found.hint


async def test_one_of_several_servers_is_down(mongodb_server: MongoServer, closed_port: int) -> None:
    host = f"127.0.0.1:{mongodb_server.port}"
    url = mongodb_server.url.replace(host, f"{host},127.0.0.1:{closed_port}").replace(
        "directConnection=true", "w=1"
    )

    found = await look(url)

    assert found.success
    assert str(closed_port) in found.hint


async def test_names_and_addresses_that_lead_nowhere() -> None:
    assert outcome(await look("mongodb://no-such-host.invalid/")) == ("dns", "DB_CONNECTION_FAILED")
    assert outcome(await look("mongodb://169.254.169.254/")) == ("address", "DB_ADDRESS_DENIED")
    assert outcome(await look("mongodb://%2Ftmp%2Fa.sock/")) == ("address", "DB_ADDRESS_DENIED")
    assert outcome(await look("mongodb://h/?tlsCAFile=/etc/passwd")) == ("parse", "INVALID_CONNECTION_STRING")
    assert outcome(await look("mongodb://h/?tlsCAData=nonsense")) == ("parse", "INVALID_CONNECTION_STRING")


async def test_srv_records(mongodb_server: MongoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    login = mongodb_server.url.partition("://")[2].partition("@")[0]
    async with serve_dns(monkeypatch) as records:
        records["evil.shop.test"] = Records(srv=[("a.elsewhere.test", 27017)])
        records["cluster.shop.test"] = Records(srv=[("no-such-host.shop.test", 27017)])

        missing = await look("mongodb+srv://missing.shop.test/")
        foreign = await look("mongodb+srv://evil.shop.test/")
        unknown = await look(f"mongodb+srv://{login}@cluster.shop.test/")

    assert outcome(missing) == ("srv", "DB_CONNECTION_FAILED")
    assert "no servers" in missing.message
    assert outcome(foreign) == ("srv", "DB_CONNECTION_FAILED")
    assert "domain" in foreign.message
    assert outcome(unknown) == ("dns", "DB_CONNECTION_FAILED")


async def test_tls(start_mongodb: MongoFactory, mongodb_server: MongoServer) -> None:
    server = start_mongodb(tls=True)
    assert server.authority is not None
    trusting = f"{server.url}&tlsCAData={quote(server.authority.certificate.read_text(), safe='')}"

    assert (await look(trusting)).success
    untrusted = await look(server.url)
    assert outcome(untrusted) == ("tls", "DB_TLS_FAILED")
    assert "tlsCAData" in untrusted.hint
    assert (await look(f"{server.url}&tlsAllowInvalidCertificates=true")).success

    in_clear = await look(server.url.replace("&tls=true", "").replace("tls=true&", ""))
    assert outcome(in_clear) == ("tls", "DB_TLS_FAILED")
    assert "tls=true" in in_clear.hint

    unexpected = await look(f"{mongodb_server.url}&tls=true", seconds=1.5)
    assert outcome(unexpected) == ("tls", "DB_TLS_FAILED")
    assert "does not speak TLS" in unexpected.message


async def test_a_certificate_of_ours(start_mongodb: MongoFactory, tmp_path: Path) -> None:
    server = start_mongodb(tls=True, tls_ask_clients=True)
    assert server.authority is not None
    own = server.authority.issue(name="client")
    stranger = Authority(tmp_path).issue(name="client")
    trusting = f"{server.url}&tlsCAData={quote(server.authority.certificate.read_text(), safe='')}"

    def showing(pem: str) -> str:
        return f"{trusting}&tlsCertificateKeyData={quote(pem, safe='')}"

    both = own.certificate.read_text() + own.key.read_text()
    assert (await look(showing(both))).success
    assert outcome(await look(showing(stranger.certificate.read_text() + own.key.read_text()))) == (
        "parse",
        "INVALID_CONNECTION_STRING",
    )
    refused = await look(trusting)
    assert not refused.success
    assert refused.stage in {"tls", "protocol"}

    # The server can't log in by certificate: what is asked of it must be clear all the same.
    x509 = showing(both).replace(server.url, f"mongodb://127.0.0.1:{server.port}/?tls=true")
    assert outcome(await look(f"{x509}&authMechanism=MONGODB-X509")) == (
        "authentication",
        "DB_INVALID_CREDENTIALS",
    )


def hello_server(**answer: Any) -> Any:  # noqa: ANN401  a function of streams, and values of BSON
    """What answers each message with this, as a MongoDB server does."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            length, request, _, _ = struct.unpack("<iiii", await reader.readexactly(16))
            await reader.readexactly(length - 16)
            body = struct.pack("<IB", 0, 0) + bson.encode(
                {"ok": 1, "maxWireVersion": 25, "minWireVersion": 0, **answer}
            )
            writer.write(struct.pack("<iiii", 16 + len(body), 1, request, 2013) + body)

    return serve


async def test_members_that_are_announced_by_names_unknown_here(start_server: StartServer) -> None:
    name = "mongo-0.internal.invalid:27017"
    announced = {"setName": "rs0", "hosts": [name], "me": name, "isWritablePrimary": True}
    port = await start_server(hello_server(**announced))

    found = await look(f"mongodb://127.0.0.1:{port}/?replicaSet=rs0")

    assert outcome(found) == ("topology", "DB_CONNECTION_FAILED")
    assert "mongo-0.internal.invalid:27017" in found.message
    assert "directConnection=true" in found.hint


async def test_a_replica_set_without_a_primary(start_server: StartServer) -> None:
    hosts: list[str] = []
    port = await start_server(hello_server(setName="rs0", secondary=True, hosts=hosts))
    hosts.append(f"127.0.0.1:{port}")

    found = await look(f"mongodb://127.0.0.1:{port}/?replicaSet=rs0", seconds=1.5)

    assert outcome(found) == ("topology", "DB_UNAVAILABLE")
    assert "no primary" in found.message


async def test_a_server_that_is_too_old(start_server: StartServer) -> None:
    port = await start_server(hello_server(maxWireVersion=6, isWritablePrimary=True))

    assert outcome(await look(f"mongodb://127.0.0.1:{port}/")) == ("protocol", "DB_PROTOCOL_ERROR")


@pytest.mark.parametrize(
    ("greeting", "answer", "says"),
    [
        (b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP server"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", b"", "SSH server"),
        (b"\x4a\x00\x00\x00\x0a8.0.36\x00 and so on", b"", "no MongoDB server"),
    ],
)
async def test_something_else_answers(
    start_server: StartServer, greeting: bytes, answer: bytes, says: str
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await reader.read(100)
        writer.write(answer)
        await reader.read()

    found = await look(f"mongodb://127.0.0.1:{await start_server(serve)}/")

    assert outcome(found) == ("protocol", "DB_PROTOCOL_ERROR")
    assert says in found.message


async def test_a_redis_server(valkey_url: str) -> None:
    found = await look(f"mongodb://{valkey_url.rpartition('@')[2].partition('/')[0]}/", seconds=1.5)

    assert outcome(found) == ("protocol", "DB_PROTOCOL_ERROR")
    assert "Redis" in found.message


async def test_a_server_that_hangs_up_at_once(start_server: StartServer) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        writer.close()

    found = await look(f"mongodb://127.0.0.1:{await start_server(hang_up)}/")

    assert outcome(found) == ("protocol", "DB_CONNECTION_FAILED")


@pytest.mark.parametrize(("tls", "stage"), [("false", "protocol"), ("true", "tls")])
async def test_a_server_that_says_nothing_ends_in_bounded_time(
    start_server: StartServer, tls: str, stage: str
) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del writer
        await reader.read()
        await asyncio.sleep(60)

    port = await start_server(silent)
    async with asyncio.timeout(5):
        found = await look(f"mongodb://127.0.0.1:{port}/?tls={tls}", seconds=2)

    assert outcome(found) == (stage, "DB_TIMEOUT")


async def test_a_suspended_server(start_mongodb: MongoFactory) -> None:
    server = start_mongodb(auth=False)
    server.suspend()

    assert (await look(server.url, seconds=2)).error_code == "DB_TIMEOUT"


def test_the_worst_case_is_below_the_five_seconds_of_the_contract() -> None:
    assert DEFAULTS.diagnosis_s < 5
