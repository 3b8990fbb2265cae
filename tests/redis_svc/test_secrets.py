"""Secrets among a command's words: `*` marks what must be masked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.redis_svc.secrets import MASK, masked_arguments

CASES = (
    "AUTH *pw",
    "auth user *pw",
    "AUTH *user *pw *more",
    "HELLO 3 AUTH user *pw SETNAME name",
    "hello 3 auth *pw",
    "HELLO AUTH user *pw",
    "CONFIG SET requirepass *pw",
    "config set maxmemory 1 MasterAuth *pw timeout 3",
    "CONFIG SET primaryauth *pw",
    "CONFIG SET tls-key-file-pass *pw",
    "CONFIG GET requirepass",
    "CONFIG SET maxmemory 1",
    "SENTINEL SET mymaster auth-pass *pw",
    "SENTINEL CONFIG SET sentinel-pass *pw",
    "MIGRATE host 6379 key 0 1000 AUTH *pw",
    "MIGRATE host 6379 key 0 1000 COPY auth2 user *pw KEYS a b",
    "MODULE LOADEX path CONFIG redis.password *pw ARGS 1",
    "ACL DRYRUN user AUTH *pw",
    "COMMAND GETKEYS MIGRATE host 6379 key 0 1000 AUTH *pw",
    "ACL SETUSER",
    "ACL WHOAMI",
    "SET auth value",
    "GET password",
    "AUTH",
    "CONFIG",
)


@pytest.mark.parametrize("case", CASES)
def test_exactly_the_secrets_are_masked(case: str) -> None:
    words = case.split(" ")
    given_ = [word.removeprefix("*").encode() for word in words]
    expected = [MASK if word.startswith("*") else word.encode() for word in words]
    before = list(given_)

    assert masked_arguments(given_) == expected
    assert given_ == before


def test_rules_of_acl_users_keep_what_is_no_password() -> None:
    rules = [b"on", b">pw1", b"<pw2", b"#" + b"a" * 64, b"!hash", b"~key:*", b"+get", b"(~a >pw3)", b"nopass"]

    masked = masked_arguments([b"acl", b"setuser", b"bob", *rules])

    assert masked[3:] == [
        b"on",
        b">***",
        b"<***",
        b"#***",
        b"!***",
        b"~key:*",
        b"+get",
        b"(~a >***",
        b"nopass",
    ]


@given(st.lists(st.binary(max_size=8), max_size=8))
def test_words_stay_as_many(words: list[bytes]) -> None:
    assert len(masked_arguments(words)) == len(words)
