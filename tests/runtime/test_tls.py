"""Mutual TLS between services: who is let in, what is said of bad files, and certificates renewed under way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from pydantic import SecretStr, ValidationError

from services.runtime.auth.service_tokens import ServiceTokens
from services.runtime.service_client import open_channel
from services.runtime.tls.files import CertificateFiles
from services.runtime.tls.material import Sources, read
from studio.redis.v1 import redis_service_pb2 as redis
from studio.redis.v1.redis_service_pb2_grpc import RedisServiceStub
from studio.registry.v1 import resolver_service_pb2 as resolving
from studio.registry.v1.resolver_service_pb2_grpc import ResolverServiceStub
from tests.runtime.conftest import Output
from tests.runtime.harness import (
    OWNER,
    SERVICE_SECRET,
    UUID,
    Redis,
    Resolving,
    redis_servicer,
    resolver_servicer,
    running,
    settings,
    until,
)
from tests.support.tls import Authority, Certificate, Installed, served

QUESTION = resolving.ResolveConnectionRequest(id=UUID, type="redis")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return made(tmp_path / "authority")


@pytest.fixture
def installed(authority: Authority, tmp_path: Path) -> Installed:
    return Installed(tmp_path / "installed", authority.issue(), authority)


def made(folder: Path) -> Authority:
    folder.mkdir()
    return Authority(folder)


def variables(installed: Installed) -> dict[str, object]:
    return {name.lower(): value for name, value in installed.variables("SERVICE_TLS").items()}


def tokens(installed: Installed) -> ServiceTokens:
    tls = settings(**variables(installed)).service_tls()
    assert tls is not None
    return ServiceTokens("tests", SecretStr(SERVICE_SECRET), tls)


def complaint(installed: Installed, **changes: object) -> str:
    with pytest.raises(ValidationError) as raised:
        settings(**variables(installed) | changes)
    return str(raised.value.errors()[0]["msg"]).removeprefix("Value error, ")


# Who is let in.


async def test_a_service_with_a_certificate_of_the_authority_is_served(installed: Installed) -> None:
    async with running(resolver_servicer(Resolving()), **variables(installed)) as service:
        for host in ("127.0.0.1", "localhost"):
            channel = open_channel(f"{host}:{service.port}", tokens(installed))
            assert (await ResolverServiceStub(channel).ResolveConnection(QUESTION, timeout=10)).id == UUID
            await channel.close()


def no_certificate(authority: Authority, _other: Authority) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(authority.certificate.read_bytes())


def of_another_authority(authority: Authority, other: Authority) -> grpc.ChannelCredentials:
    return credentials(authority, other.issue())


def expired(authority: Authority, _other: Authority) -> grpc.ChannelCredentials:
    return credentials(authority, authority.issue(name="expired", expired=True))


def credentials(trusted: Authority, own: Certificate) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        trusted.certificate.read_bytes(), own.key.read_bytes(), own.certificate.read_bytes()
    )


Client = Callable[[Authority, Authority], grpc.ChannelCredentials]


@pytest.mark.parametrize("client", [None, no_certificate, of_another_authority, expired])
async def test_whoever_has_no_certificate_of_the_authority_is_refused_before_any_rpc(
    client: Client | None, authority: Authority, installed: Installed, tmp_path: Path
) -> None:
    handler = Redis()
    async with running(redis_servicer(handler), **variables(installed)) as service:
        channel = (
            grpc.aio.insecure_channel(service.address)
            if client is None
            else grpc.aio.secure_channel(service.address, client(authority, made(tmp_path / "other")))
        )
        async with channel:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await RedisServiceStub(channel).GetStatus(
                    redis.GetStatusRequest(), metadata=OWNER, timeout=10
                )
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
        assert handler.reached == []


async def test_a_certificate_for_another_host_is_not_the_services(
    authority: Authority, installed: Installed, tmp_path: Path
) -> None:
    elsewhere = authority.issue(name="other", hosts=("registry.internal",))
    other = Installed(tmp_path / "service", elsewhere, authority)
    async with running(resolver_servicer(Resolving()), **variables(other)) as service:
        channel = open_channel(service.address, tokens(installed))
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await ResolverServiceStub(channel).ResolveConnection(QUESTION, timeout=10)
        await channel.close()
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


# Files that can't be used.


def test_the_three_variables_go_together(installed: Installed) -> None:
    assert (
        complaint(installed, service_tls_authority=None)
        == "SERVICE_TLS_CERTIFICATE, SERVICE_TLS_KEY and SERVICE_TLS_AUTHORITY must be set together"
    )


def test_a_file_that_is_missing_unreadable_or_no_pem_is_named_by_its_variable(
    installed: Installed, tmp_path: Path
) -> None:
    (tmp_path / "text").write_text("not a certificate")
    for name, what in (("certificate", "certificate"), ("key", "private key"), ("authority", "certificate")):
        variable = f"SERVICE_TLS_{name.upper()}"
        for value, why in (
            ("missing", "does not exist"),
            (".", "can't be read: Is a directory"),
            ("text", f"holds no PEM {what}"),
        ):
            said = complaint(installed, **{variable.lower(): tmp_path / value})
            assert said == f"{variable} names a file that {why}"


def test_a_key_of_another_certificate_is_refused(authority: Authority, installed: Installed) -> None:
    key = authority.issue(name="another").key
    assert complaint(installed, service_tls_key=key) == (
        "SERVICE_TLS_KEY is not the private key of the first certificate in SERVICE_TLS_CERTIFICATE"
    )


def test_a_key_with_a_passphrase_or_of_an_unknown_kind_is_refused(
    installed: Installed, tmp_path: Path
) -> None:
    for encryption, why in (
        (serialization.BestAvailableEncryption(b"passphrase"), "has a passphrase: give the key without one"),
        (
            serialization.NoEncryption(),
            "must be an RSA key of 2048 bits at least, or of P-256, P-384 or P-521",
        ),
    ):
        path = tmp_path / "ed25519.key"
        path.write_bytes(
            ed25519.Ed25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
            )
        )
        assert complaint(installed, service_tls_key=path) == f"SERVICE_TLS_KEY {why}"


def test_a_certificate_that_the_others_would_not_accept_is_refused(
    authority: Authority, installed: Installed, tmp_path: Path
) -> None:
    installed.install(authority.issue(), made(tmp_path / "other"))
    refused = "SERVICE_TLS_CERTIFICATE can't be used: the authority does not accept it: "
    assert complaint(installed).startswith(refused)
    installed.install(authority.issue(expired=True), authority)
    assert complaint(installed) == f"{refused}certificate has expired"


def test_no_key_shows_in_what_is_printed(installed: Installed) -> None:
    material = read(Sources("SERVICE_TLS", installed.certificate, installed.key, installed.authority))
    assert "PRIVATE KEY" in material.key
    assert "PRIVATE KEY" not in repr(material)


# Renewed while the service runs.


@asynccontextmanager
async def calling(stub: ResolverServiceStub) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    """Calls one after the other all the while, each of which must succeed; yields what waits for some more."""
    done, stop = 0, False

    async def call() -> None:
        nonlocal done
        while not stop:
            await stub.ResolveConnection(QUESTION, timeout=10)
            done += 1

    task = asyncio.create_task(call())

    async def more(count: int) -> None:
        target = done + count
        await until(lambda: done >= target or task.done())
        if task.done():
            await task

    try:
        yield more
    finally:
        stop = True
        await task


async def test_certificates_and_their_authority_are_replaced_while_calls_run_and_none_fails(
    authority: Authority, installed: Installed, tmp_path: Path
) -> None:
    successor, watched = made(tmp_path / "successor"), Resolving()
    watched.forever = True
    former = authority.issue(name="former")
    async with running(resolver_servicer(watched), **variables(installed)) as service:
        known = tokens(installed)
        assert known.tls is not None
        channel = open_channel(service.address, known)
        stream = ResolverServiceStub(channel).WatchConnections(
            resolving.WatchConnectionsRequest(type="redis")
        )
        assert isinstance(await stream.read(), resolving.WatchConnectionsResponse)

        async def shows(context_of: Authority, own: Certificate) -> int | None:
            return await served(service.port, context_of.client_context(own))

        async with calling(ResolverServiceStub(channel)) as more:
            await more(20)
            # The authority's successor is let in before anybody shows a certificate of it.
            installed.install(authority.issue(), authority, successor)
            while await shows(authority, former) != installed.serial:
                await more(1)
            while successor.certificate.read_text().strip() not in (known.tls.current().authority or ""):
                await more(1)
            newest = successor.issue()
            installed.install(newest, authority, successor)
            while await shows(successor, newest) != installed.serial:
                await more(1)
            installed.install(newest, successor)
            while await shows(successor, former) is not None:
                await more(1)
            await more(20)
        assert not stream.done(), "what ran before goes on"
        stream.cancel()
        await channel.close()


async def test_a_set_that_is_incomplete_or_wrong_leaves_the_former_in_use(
    authority: Authority, installed: Installed, output: Output
) -> None:
    files = CertificateFiles(
        Sources("SERVICE_TLS", installed.certificate, installed.key, installed.authority)
    )
    before = files.current()
    renewed = authority.issue(name="renewed")
    installed.certificate.write_bytes(renewed.certificate.read_bytes())
    await until(lambda: files.current() is not before or bool(output.of("tls.not_reloaded")))
    assert files.current() is before
    (line,) = output.of("tls.not_reloaded")
    assert (
        line["error"]
        == "SERVICE_TLS_KEY is not the private key of the first certificate in SERVICE_TLS_CERTIFICATE"
    )

    installed.key.write_bytes(renewed.key.read_bytes())
    await until(lambda: files.current() is not before)
    assert files.current().key == renewed.key.read_text()
    assert len(output.of("tls.not_reloaded")) == 1
