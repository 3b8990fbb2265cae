"""User tokens signed with a key of a JWKS, which a small HTTP server hands out."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from pydantic import SecretStr

from services.runtime.auth import jwks
from services.runtime.auth.jwks import Jwks
from services.runtime.auth.tokens import ASYMMETRIC, TokenVerifier
from services.runtime.errors import StudioError
from studio.options.v1.access_pb2 import ROLE_DEVELOPER
from studio.redis.v1 import redis_service_pb2 as redis
from tests.runtime.conftest import Output
from tests.runtime.harness import (
    JWT_SECRET,
    OWNER,
    SERVICE_SECRET,
    Redis,
    bearer,
    redis_servicer,
    running,
    signed,
    token,
    until,
)

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


class Signer:
    """A private key, its JWK and what it signs."""

    def __init__(self, key_id: str, algorithm: str = "ES256") -> None:
        self.key_id, self.algorithm = key_id, algorithm
        self.key: PrivateKey
        if algorithm == "ES256":
            self.key = ec.generate_private_key(ec.SECP256R1())
        elif algorithm == "RS256":
            self.key = rsa.generate_private_key(65537, 2048)
        else:
            self.key = ed25519.Ed25519PrivateKey.generate()

    def jwk(self, **changes: object) -> dict[str, object]:
        made: dict[str, object] = jwt.get_algorithm_by_name(self.algorithm).to_jwk(
            self.key.public_key(), as_dict=True
        )
        return {**made, "kid": self.key_id, "alg": self.algorithm, "use": "sig", **changes}

    def token(self, **claims: object) -> str:
        payload = {"role": "developer", "sub": "d", "exp": int(time.time()) + 60, **claims}
        return jwt.encode(payload, self.key, algorithm=self.algorithm, headers={"kid": self.key_id})


class KeyServer:
    """Serves a key set; counts how often it is asked."""

    def __init__(self) -> None:
        self.keys: list[object] = []
        self.body: bytes | None = None
        self.status = "200 OK"
        self.asked = 0
        self.answering = asyncio.Event()
        self.answering.set()
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.asked += 1
            await self.answering.wait()
            body = json.dumps({"keys": self.keys}).encode() if self.body is None else self.body
            head = f"HTTP/1.1 {self.status}\r\ncontent-length: {len(body)}\r\nlocation: /elsewhere\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the caller hung up, as some tests make it do
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def key_server(*signers: Signer) -> AsyncIterator[KeyServer]:
    made = KeyServer()
    made.keys = [signer.jwk() for signer in signers]
    server = await asyncio.start_server(made.answer, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json"
    async with server:
        yield made


def verifier(keys: Jwks, *, secret: str | None = None) -> TokenVerifier:
    return TokenVerifier(
        jwt_secret=SecretStr(secret) if secret else None, keys=keys, service_secret=SecretStr(SERVICE_SECRET)
    )


class Clock:
    """The event loop's time, moved by the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead_s = 0.0
        loop = asyncio.get_running_loop()
        real = loop.time
        monkeypatch.setattr(loop, "time", lambda: real() + self.ahead_s)


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


async def refused(verifies: TokenVerifier, credential: str) -> str:
    with pytest.raises(StudioError) as raised:
        await verifies.verify(credential)
    return raised.value.reason_name


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
async def test_a_token_signed_by_a_key_of_the_set(algorithm: str) -> None:
    signer = Signer("one", algorithm)
    async with key_server(signer, Signer("other")) as server:
        caller = await verifier(Jwks(server.url)).verify(signer.token())
        assert (caller.subject, caller.role) == ("d", ROLE_DEVELOPER)


async def test_through_a_service_beside_the_shared_secret() -> None:
    signer = Signer("one")
    async with (
        key_server(signer) as server,
        running(redis_servicer(Redis()), jwt_jwks_url=server.url) as service,
    ):
        for metadata in (bearer(signer.token()), OWNER):
            await service.redis.GetStatus(redis.GetStatusRequest(), metadata=metadata)


async def test_a_token_that_only_claims_a_known_key_is_refused() -> None:
    signer, thief = Signer("one"), Signer("one")
    async with key_server(signer) as server:
        verifies = verifier(Jwks(server.url), secret=JWT_SECRET)
        assert await refused(verifies, thief.token()) == "AUTH_INVALID_TOKEN"
        assert await refused(verifies, signer.token(exp=1)) == "AUTH_INVALID_TOKEN"
        without_kid = jwt.encode({"role": "owner", "exp": 9e9}, signer.key, algorithm="ES256")
        assert await refused(verifies, without_kid) == "AUTH_INVALID_TOKEN"
        public = signer.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        confused = signed({"alg": "HS256", "kid": "one"}, {"role": "owner", "exp": 9e9}, public)
        assert await refused(verifies, confused) == "AUTH_INVALID_TOKEN"


async def test_another_algorithm_than_the_keys_own_is_refused() -> None:
    signer = Signer("one")
    async with key_server() as server:
        server.keys = [Signer("one", "RS256").jwk()]
        assert await refused(verifier(Jwks(server.url)), signer.token()) == "AUTH_INVALID_TOKEN"


async def test_without_a_key_set_asymmetric_tokens_are_refused_unasked() -> None:
    verifies = TokenVerifier(
        jwt_secret=SecretStr(JWT_SECRET), keys=None, service_secret=SecretStr(SERVICE_SECRET)
    )
    assert await refused(verifies, Signer("one").token()) == "AUTH_INVALID_TOKEN"


async def test_a_key_that_is_rotated_in_is_fetched_and_one_rotated_out_ends(clock: Clock) -> None:
    first, second = Signer("first"), Signer("second")
    async with key_server(first) as server:
        verifies = verifier(Jwks(server.url))
        await verifies.verify(first.token())
        server.keys = [second.jwk()]
        clock.ahead_s += jwks.REFETCH_AFTER_S + 1
        await verifies.verify(second.token())
        assert server.asked == 2
        assert await refused(verifies, first.token(sub="anew")) == "AUTH_INVALID_TOKEN"


async def test_no_call_fails_while_keys_are_rotated_under_load(clock: Clock) -> None:
    first, second = Signer("first"), Signer("second")
    async with key_server(first) as server:
        keys = Jwks(server.url)
        verifies, signing, verified = verifier(keys), [first], [0]

        async def call(caller: int) -> None:
            while signing:
                await verifies.verify(signing[0].token(sub=f"{caller} {verified[0]}"))
                verified[0] += 1
                await asyncio.sleep(0)

        async def fetched(signer: Signer, *, is_there: bool) -> None:
            for attempt in range(2000):
                if attempt % 100 == 0:
                    clock.ahead_s += jwks.KEEP_S + 1
                try:
                    await keys.key(signer.key_id)
                except StudioError:
                    found = False
                else:
                    found = True
                if found == is_there:
                    return
                await asyncio.sleep(0.005)
            pytest.fail("the set was not fetched anew")

        async def go_on() -> None:
            enough = verified[0] + 40
            await until(lambda: verified[0] >= enough)

        calls = [asyncio.create_task(call(number)) for number in range(8)]
        await go_on()
        # Published before it signs, withdrawn when nobody shows it any more.
        server.keys = [first.jwk(), second.jwk()]
        await fetched(second, is_there=True)
        signing[0] = second
        await go_on()
        server.keys = [second.jwk()]
        await fetched(first, is_there=False)
        await go_on()
        signing.clear()
        await asyncio.gather(*calls)
        await keys.aclose()


async def test_unknown_key_ids_do_not_hammer_the_server(clock: Clock) -> None:
    async with key_server(Signer("known")) as server:
        verifies = verifier(Jwks(server.url))
        for number in range(20):
            await refused(verifies, Signer(f"forged {number}").token())
        assert server.asked == 1
        clock.ahead_s += jwks.REFETCH_AFTER_S + 1
        await refused(verifies, Signer("forged").token())
        assert server.asked == 2


async def test_many_callers_at_once_ask_once() -> None:
    signer = Signer("one")
    async with key_server(signer) as server:
        server.answering.clear()
        verifies = verifier(Jwks(server.url))
        calls = [asyncio.create_task(verifies.verify(signer.token(sub=str(number)))) for number in range(10)]
        await until(lambda: server.asked > 0)
        calls[0].cancel()  # the one that caused it goes away
        server.answering.set()
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(found[0], asyncio.CancelledError)
        assert all(not isinstance(each, BaseException) for each in found[1:])
        assert server.asked == 1


async def test_a_server_that_is_down_is_not_asked_by_every_call(output: Output, clock: Clock) -> None:
    signer = Signer("one")
    async with key_server(signer) as server:
        server.status = "503 Service Unavailable"
        verifies = verifier(Jwks(server.url))
        for number in range(5):
            assert await refused(verifies, signer.token(sub=str(number))) == "SERVICE_UNAVAILABLE"
        assert server.asked == 1
        assert len(output.of("jwks.fetch_failed")) == 1
        server.status = "200 OK"
        clock.ahead_s += jwks.RETRY_AFTER_S + 0.1
        await verifies.verify(signer.token())


async def test_nobody_at_the_address(output: Output) -> None:
    async with key_server() as server:
        url = server.url
    assert await refused(verifier(Jwks(url)), Signer("one").token()) == "SERVICE_UNAVAILABLE"
    assert output.of("jwks.fetch_failed")[0]["level"] == "warning"


async def test_known_keys_go_on_working_while_the_server_is_down(output: Output, clock: Clock) -> None:
    signer = Signer("one")
    async with key_server(signer) as server:
        keys = Jwks(server.url)
        verifies = verifier(keys)
        await verifies.verify(signer.token())
        server.status = "500 Oops"
        for _ in range(3):
            clock.ahead_s += 2 * jwks.KEEP_S + 1
            await verifies.verify(signer.token(sub=str(clock.ahead_s)))
        assert server.asked == 4
        assert len(output.of("jwks.fetch_failed")) == 3
        await keys.aclose()


async def test_an_old_set_is_fetched_behind_the_calls_backs(clock: Clock) -> None:
    signer = Signer("one")
    async with key_server(signer) as server:
        keys = Jwks(server.url)
        await keys.key("one")
        server.answering.clear()
        clock.ahead_s += jwks.KEEP_S + 1
        await asyncio.wait_for(keys.key("one"), 10)  # does not wait for a server that hangs
        await keys.aclose()
        server.answering.set()


@pytest.mark.parametrize(
    "body",
    [b"", b"not json", b"[]", b"null", b'{"keys": 5}', b"\xff", b"[" * 100_000, b" " * (jwks.MAX_BYTES + 1)],
    ids=["empty", "text", "list", "null", "number", "bytes", "deep", "large"],
)
async def test_an_answer_that_is_no_key_set_is_an_outage(output: Output, body: bytes) -> None:
    async with key_server() as server:
        server.body = body
        assert await refused(verifier(Jwks(server.url)), Signer("one").token()) == "SERVICE_UNAVAILABLE"
    assert len(output.of("jwks.fetch_failed")) == 1


async def test_a_redirect_is_not_followed(output: Output) -> None:
    async with key_server(Signer("one")) as server:
        server.status = "302 Found"
        assert await refused(verifier(Jwks(server.url)), Signer("one").token()) == "SERVICE_UNAVAILABLE"
        assert server.asked == 1
    assert "302" in output.of("jwks.fetch_failed")[0]["error"]


async def test_unusable_keys_beside_a_good_one_do_not_matter(output: Output) -> None:
    signer = Signer("good")
    symmetric = {
        "kty": "oct",
        "kid": "shared",
        "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTAx",
        "alg": "HS256",
    }
    bad: list[Any] = [
        7,
        {},
        {"kty": "??", "kid": "x"},
        {"kty": "EC", "kid": "y", "crv": "P-256", "x": 1},
        symmetric,
    ]
    async with key_server() as server:
        server.keys = [*bad, signer.jwk(), Signer("enc").jwk(use="enc"), Signer("no id").jwk(kid="")]
        keys = Jwks(server.url)
        assert (await keys.key("good")).key_id == "good"
        for absent in ("shared", "enc", "", "x", "y"):
            with pytest.raises(StudioError):
                await keys.key(absent)
    assert output.of("jwks.key_unusable")


async def test_a_symmetric_key_of_the_set_signs_nothing() -> None:
    secret = "secret-secret-secret-secret-secret"
    listed = {
        "kty": "oct",
        "kid": "shared",
        "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA",
        "alg": "HS256",
    }
    async with key_server() as server:
        server.keys = [listed]
        credential = jwt.encode(
            {"role": "owner", "exp": 9e9}, secret, algorithm="HS256", headers={"kid": "shared"}
        )
        assert await refused(verifier(Jwks(server.url)), credential) == "AUTH_INVALID_TOKEN"
        assert await refused(verifier(Jwks(server.url)), token(secret=secret)) == "AUTH_INVALID_TOKEN"
