"""What a token is worth: HS256 tokens of users and of services."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from services.runtime.auth import claims, tokens
from services.runtime.auth import service_tokens as service_auth
from services.runtime.auth.service_tokens import ServiceTokens
from services.runtime.auth.tokens import TokenVerifier, bearer_token
from services.runtime.errors import StudioError
from studio.options.v1 import access_pb2
from tests.runtime.harness import JWT_SECRET, SERVICE_SECRET, encoded, service_tokens, signed, token


@pytest.fixture
def verifier() -> TokenVerifier:
    return TokenVerifier(
        jwt_secret=SecretStr(JWT_SECRET), keys=None, service_secret=SecretStr(SERVICE_SECRET)
    )


async def refusal(verifier: TokenVerifier, credential: str) -> str:
    with pytest.raises(StudioError) as raised:
        await verifier.verify(credential)
    assert raised.value.reason_name == "AUTH_INVALID_TOKEN"
    return raised.value.message


@pytest.mark.parametrize(
    ("claim", "role"),
    [
        ("owner", access_pb2.ROLE_OWNER),
        ("administrator", access_pb2.ROLE_ADMINISTRATOR),
        ("developer", access_pb2.ROLE_DEVELOPER),
        ("read_only", access_pb2.ROLE_READ_ONLY),
        ("service_role", access_pb2.ROLE_OWNER),
        ("anon", access_pb2.ROLE_UNSPECIFIED),
        ("authenticated", access_pb2.ROLE_UNSPECIFIED),
        ("Owner", access_pb2.ROLE_UNSPECIFIED),
        ("internal", access_pb2.ROLE_UNSPECIFIED),
        (None, access_pb2.ROLE_UNSPECIFIED),
    ],
)
async def test_the_role_claim_and_what_it_is_worth(
    verifier: TokenVerifier, claim: str | None, role: access_pb2.Role.ValueType
) -> None:
    caller = await verifier.verify(token(claim))
    assert (caller.role, caller.is_service) == (role, False)


@pytest.mark.parametrize("role", [["owner"], {"owner": 1}, 4, True])
async def test_a_role_that_is_no_text_is_worth_nothing(verifier: TokenVerifier, role: object) -> None:
    payload = {"role": role, "exp": int(time.time()) + 3600, "sub": "x"}
    caller = await verifier.verify(jwt.encode(payload, JWT_SECRET, algorithm="HS256"))
    assert caller.role == access_pb2.ROLE_UNSPECIFIED


async def test_keys_as_supabase_makes_them(verifier: TokenVerifier) -> None:
    """Claims role, iss, iat and exp, no sub: https://supabase.com/docs/guides/self-hosting/docker."""
    now = int(time.time())
    for role, worth in (("service_role", access_pb2.ROLE_OWNER), ("anon", access_pb2.ROLE_UNSPECIFIED)):
        key = signed(
            {"alg": "HS256", "typ": "JWT"},
            {"role": role, "iss": "supabase", "iat": now, "exp": now + 5 * 365 * 86400},
        )
        caller = await verifier.verify(key)
        assert (caller.subject, caller.role) == (role, worth)


async def test_an_audience_does_not_matter_for_users(verifier: TokenVerifier) -> None:
    assert (await verifier.verify(token(aud="authenticated"))).subject == "somebody"


async def test_a_long_subject_is_cut(verifier: TokenVerifier) -> None:
    assert len((await verifier.verify(token(sub="x" * 5000))).subject) == claims.MAX_SUBJECT_CHARS


def now(offset: int) -> int:
    return int(time.time()) + offset


@pytest.mark.parametrize(
    ("credential", "sentence"),
    [
        (token(exp=now(-60)), "The token has expired"),
        (token(exp=None), "The token is not valid: it has no claim exp"),
        (token(nbf=now(7200)), "The token is not valid: it is not valid yet"),
        (token(iat=now(7200)), "The token is not valid: it is not valid yet"),
        (token(secret="another-secret-0123456789-abcdefg"), "The token is not valid: its signature is wrong"),
        (token()[:-3] + "AAA", "The token is not valid: its signature is wrong"),
        (
            signed({"alg": "HS512"}, {"role": "owner", "exp": 9e9}),
            "The token is not valid: its algorithm is not accepted",
        ),
        (jwt.encode({"role": "owner", "exp": 9e9}, "", algorithm="none"), "its algorithm is not accepted"),
        (signed({"alg": "None"}, {"role": "owner", "exp": 9e9}), "its algorithm is not accepted"),
        (
            signed({"alg": "RS256", "kid": "a"}, {"role": "owner", "exp": 9e9}),
            "its algorithm is not accepted",
        ),
        (signed({"alg": ["HS256"]}, {"role": "owner", "exp": 9e9}), "its algorithm is not accepted"),
        (token() + "x" * tokens.MAX_TOKEN_CHARS, "The token is too long"),
    ],
)
async def test_a_refused_token_says_what_is_wrong(
    verifier: TokenVerifier, credential: str, sentence: str
) -> None:
    assert sentence in await refusal(verifier, credential)


@pytest.mark.parametrize(
    "credential",
    [
        "x",
        "..",
        "a.b.c",
        "a.b",
        "eyJ.eyJ.eyJ",
        ".".join([encoded(b"{}")] * 3),
        "ünïcödé.ünïcödé.ünïcödé",
        "\x00.\x00.\x00",
        signed(b"[]", {"exp": 9e9}),
        signed(b"null", {"exp": 9e9}),
        signed({"alg": "HS256", "kid": 7}, {"exp": 9e9}),
        signed({"alg": "HS256"}, b"[]"),
        signed({"alg": "HS256"}, b"\xff\xfe"),
        signed({"alg": "HS256"}, b"[" * 5000),
        signed(b'{"alg":"HS256","x":' + b"[" * 4000, b"{}"),
        signed({"alg": "HS256"}, b'{"role":"owner","exp":1e999}'),
        signed({"alg": "HS256"}, b'{"role":"owner","exp":"soon"}'),
        signed({"alg": "HS256"}, b'{"role":"owner","exp":{}}'),
        signed({"alg": "HS256"}, b'{"role":"owner","exp":null}'),
        signed({"alg": "HS256"}, b'{"role":"owner","exp":9e9,"nbf":[]}'),
        signed({"alg": "HS256"}, b'{"role":"owner","exp":9e9,"iat":"x"}'),
        signed({"alg": "HS256"}, b'{"role":"owner","exp":9e9,"sub":5}'),
    ],
)
async def test_garbage_is_refused_and_is_no_defect(verifier: TokenVerifier, credential: str) -> None:
    await refusal(verifier, credential)


async def test_a_public_key_is_not_taken_for_a_secret() -> None:
    """The confusion of RFC 8725, section 2.1: HS256 signed with the PEM of the key that verifies ES256."""
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    credential = signed({"alg": "HS256", "kid": "a"}, {"role": "owner", "exp": 9e9}, pem)
    for secret in (None, SecretStr(JWT_SECRET)):
        verifier = TokenVerifier(jwt_secret=secret, keys=None, service_secret=SecretStr(SERVICE_SECRET))
        await refusal(verifier, credential)


async def test_a_service_is_known_by_its_token(verifier: TokenVerifier) -> None:
    caller = await verifier.verify(service_tokens("redis_svc").current())
    assert (caller.subject, caller.role, caller.is_service) == ("redis_svc", access_pb2.ROLE_INTERNAL, True)


@pytest.mark.parametrize(
    "changed",
    [{"aud": "somebody"}, {"aud": None}, {"exp": now(-60)}, {"exp": None}],
    ids=["audience", "no audience", "expired", "no expiry"],
)
async def test_a_service_token_that_lacks_something_is_refused(
    verifier: TokenVerifier, changed: dict[str, object]
) -> None:
    claims = {"iss": service_auth.ISSUER, "aud": service_auth.AUDIENCE, "sub": "x", "exp": now(60), **changed}
    kept = {name: value for name, value in claims.items() if value is not None}
    await refusal(verifier, jwt.encode(kept, SERVICE_SECRET, algorithm="HS256"))


async def test_a_service_token_of_another_system_is_refused(verifier: TokenVerifier) -> None:
    other = ServiceTokens("redis_svc", SecretStr("other-secret-0123456789-abcdefghijk"))
    assert "its signature is wrong" in await refusal(verifier, other.current())


def test_a_service_token_is_kept_and_renewed_before_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1_000_000.0]
    monkeypatch.setattr("services.runtime.auth.service_tokens.time.time", lambda: clock[0])
    minted = service_tokens()
    first = minted.current()
    clock[0] += service_auth.LIFETIME_S - service_auth.RENEW_BEFORE_S - 1
    assert minted.current() == first
    clock[0] += 1
    second = minted.current()
    assert second != first
    claims = jwt.decode(second, options={"verify_signature": False})
    assert claims["exp"] - clock[0] == service_auth.LIFETIME_S


async def test_a_verified_token_is_remembered_but_not_beyond_its_expiry(
    verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[object] = []
    decode: Any = tokens._decode  # noqa: SLF001  counts how often a signature is looked at

    def counted(*args: object, **kwargs: object) -> object:
        verified.append(args)
        return decode(*args, **kwargs)

    monkeypatch.setattr(tokens, "_decode", counted)
    long, ending = token(), token(exp=now(-2))  # within the leeway
    for credential, times in ((long, 1), (ending, 2)):
        verified.clear()
        await verifier.verify(credential)
        await verifier.verify(credential)
        assert len(verified) == times


async def test_what_is_remembered_is_bounded(
    verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "CACHE_SIZE", 3)
    for number in range(10):
        await verifier.verify(token(sub=str(number)))
    assert len(verifier._verified) == 3  # noqa: SLF001  a bound is not seen from outside
    with pytest.raises(StudioError):
        await verifier.verify("garbage")
    assert len(verifier._verified) == 3  # noqa: SLF001  as above


@pytest.mark.parametrize(
    ("header", "found"),
    [("Bearer abc", "abc"), ("bearer  abc ", "abc"), ("Basic abc", ""), ("", ""), ("abc", "")],
)
def test_the_token_in_a_header(header: str, found: str) -> None:
    assert bearer_token(header) == found
