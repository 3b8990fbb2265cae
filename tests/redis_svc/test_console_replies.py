"""Replies are read with their types, wherever the bytes are cut, and never keep more than the budget."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.redis_svc.console.resp import Budget, Kind, MalformedReplyError, Node, Parser

BULK, LIST, MAP = Kind.BULK, Kind.LIST, Kind.MAP


def parser(elements: int = 1000, size: int = 10_000, bulk: int = 1000, depth: int = 8) -> Parser:
    return Parser(Budget(elements, size, bulk, depth))


def shown(node: Node) -> object:
    """A reply as a plain value."""
    if node.kind in {LIST, MAP, Kind.SET}:
        return (node.kind.value, [shown(each) for each in node.items])
    return (node.kind.value, node.content)


REPLIES = {
    b"+OK\r\n": ("status", b"OK"),
    b"-ERR no\r\n": ("error", b"ERR no"),
    b":9223372036854775807\r\n": ("integer", b"9223372036854775807"),
    b"(3492890328409238509324850943850943825024385\r\n": (
        "integer",
        b"3492890328409238509324850943850943825024385",
    ),
    b"$3\r\na\r\n\r\n": ("bulk", b"a\r\n"),
    b"$0\r\n\r\n": ("bulk", b""),
    b"$-1\r\n": ("null", b""),
    b"*-1\r\n": ("null", b""),
    b"_\r\n": ("null", b""),
    b",1.5\r\n": ("number", b"1.5"),
    b",inf\r\n": ("number", b"inf"),
    b"#t\r\n": ("boolean", b"t"),
    b"!5\r\nERR a\r\n": ("error", b"ERR a"),
    b"=7\r\ntxt:abc\r\n": ("bulk", b"abc"),
    b"*0\r\n": ("list", []),
    b"*2\r\n:1\r\n*1\r\n+a\r\n": ("list", [("integer", b"1"), ("list", [("status", b"a")])]),
    b"~1\r\n:1\r\n": ("set", [("integer", b"1")]),
    b"%1\r\n+a\r\n*1\r\n_\r\n": ("map", [("status", b"a"), ("list", [("null", b"")])]),
    b"|1\r\n+ttl\r\n:3600\r\n*1\r\n:1\r\n": ("list", [("integer", b"1")]),
    b"*2\r\n|1\r\n+a\r\n*1\r\n:9\r\n:1\r\n:2\r\n": ("list", [("integer", b"1"), ("integer", b"2")]),
}


@pytest.mark.parametrize("raw", REPLIES)
def test_each_type(raw: bytes) -> None:
    reader = parser()
    reader.feed(raw)
    reply = reader.next()
    assert reply is not None
    assert shown(reply[0]) == REPLIES[raw]
    assert reply[1] is False
    assert reader.next() is None


@given(st.lists(st.sampled_from(list(REPLIES)), max_size=6), st.data())
def test_bytes_may_be_cut_anywhere(raw: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(raw)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    reader, found = parser(), []
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        reader.feed(whole[start:end])
        while (reply := reader.next()) is not None:
            found.append(shown(reply[0]))
    assert found == [REPLIES[each] for each in raw]


def test_a_long_value_is_cut_and_says_how_long_it_is() -> None:
    reader = parser(bulk=10)
    reader.feed(b"*2\r\n$5000\r\n" + b"x" * 5000 + b"\r\n:1\r\n+next\r\n")

    node, truncated = reader.next() or pytest.fail("no reply")
    assert truncated
    assert (node.items[0].content, node.items[0].full_length) == (b"x" * 10, 5000)
    assert node.items[1].content == b"1"
    node, truncated = reader.next() or pytest.fail("no reply")
    assert (shown(node), truncated) == (("status", b"OK"[:0] + b"next"), False)


def test_more_elements_than_allowed_are_left_out() -> None:
    reader = parser(elements=3)
    reader.feed(b"*5\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n")

    node, truncated = reader.next() or pytest.fail("no reply")
    assert truncated
    assert [each.content for each in node.items] == [b"1", b"2", b"3"]


def test_a_map_that_is_cut_keeps_whole_pairs() -> None:
    reader = parser(elements=3)
    reader.feed(b"%2\r\n+a\r\n:1\r\n+b\r\n:2\r\n")

    node, truncated = reader.next() or pytest.fail("no reply")
    assert truncated
    assert [each.content for each in node.items] == [b"a", b"1"]


def test_deeper_levels_than_allowed_are_left_out() -> None:
    reader = parser(depth=2)
    reader.feed(b"*1\r\n" * 50 + b"+a\r\n")

    node, truncated = reader.next() or pytest.fail("no reply")
    assert truncated
    assert shown(node) == ("list", [("list", [("list", [])])])


def test_errors_are_told_when_nothing_else_fits() -> None:
    reader = parser(elements=0, size=0)
    reader.feed(b"-ERR why\r\n$3\r\nabc\r\n")

    node, truncated = reader.next() or pytest.fail("no reply")
    assert (node.content, truncated) == (b"ERR why", False)
    node, truncated = reader.next() or pytest.fail("no reply")
    assert (node.content, node.full_length, truncated) == (b"", 3, True)


def test_what_is_left_out_takes_no_memory() -> None:
    reader = parser(bulk=10)
    reader.feed(b"$100000000\r\n")
    for _ in range(100):
        reader.feed(b"x" * 1_000_000)
        assert reader.next() is None
        assert len(reader._buffer) <= 1_000_000  # noqa: SLF001  what it holds is the point
    reader.feed(b"\r\n")
    node, truncated = reader.next() or pytest.fail("no reply")
    assert (len(node.content), node.full_length, truncated) == (10, 100_000_000, True)


@pytest.mark.parametrize("raw", [b"HTTP/1.1 400\r\n", b"*x\r\n", b"$-5\r\n", b"+" + b"a" * (2 << 20)])
def test_what_is_no_reply_is_said_to_be_none(raw: bytes) -> None:
    reader = parser()
    reader.feed(raw)
    with pytest.raises(MalformedReplyError):
        reader.next()
