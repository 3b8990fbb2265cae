"""Page tokens: opaque, bound to their filter, refused when altered."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registry.paging import PageTokens
from services.runtime.errors import StudioError, reason_name

SCOPE = ("default", "redis", "", "search")
KEY = ("default", "cache", "00000000-0000-0000-0000-000000000001")
TOKENS = PageTokens("the secret of the tests")


def refused(tokens: PageTokens, scope: tuple[str, ...], token: str) -> bool:
    with pytest.raises(StudioError) as error:
        tokens.read(scope, token, 3)
    return reason_name(error.value.reason) == "INVALID_CURSOR"


@given(st.lists(st.text(), min_size=3, max_size=3), st.lists(st.text(), max_size=4))
def test_a_token_gives_back_its_key(key: list[str], scope: list[str]) -> None:
    assert list(TOKENS.read(scope, TOKENS.make(scope, key), 3)) == key


def test_another_replica_reads_it() -> None:
    assert PageTokens("the secret of the tests").read(SCOPE, TOKENS.make(SCOPE, KEY), 3) == KEY


def test_another_filter_refuses_it() -> None:
    assert refused(TOKENS, ("default", "redis", "active", "search"), TOKENS.make(SCOPE, KEY))
    # Fields that concatenate to the same text are not the same filter.
    assert refused(TOKENS, ("defaultredis", "", "", "search"), TOKENS.make(SCOPE, KEY))


def test_another_secret_refuses_it() -> None:
    assert refused(PageTokens("another secret"), SCOPE, TOKENS.make(SCOPE, KEY))


def test_a_token_altered_anywhere_is_refused() -> None:
    raw = bytearray(base64.urlsafe_b64decode(TOKENS.make(SCOPE, KEY) + "=="))
    for index in range(len(raw)):
        altered = bytearray(raw)
        altered[index] ^= 1
        assert refused(TOKENS, SCOPE, base64.urlsafe_b64encode(altered).decode())


@pytest.mark.parametrize("token", ["x", "!!!", "é", "AAAA", "A" * 1024, "null", "==", "%2F"])
def test_what_is_no_token_is_refused(token: str) -> None:
    assert refused(TOKENS, SCOPE, token)


def test_a_token_of_a_list_with_another_key_is_refused() -> None:
    assert refused(TOKENS, SCOPE, TOKENS.make(SCOPE, KEY[:2]))
