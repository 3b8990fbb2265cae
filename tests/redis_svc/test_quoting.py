"""A line of the console is split as redis-cli does it."""

from __future__ import annotations

import shutil
import subprocess
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.redis_svc.console.quoting import QuotingError, split

CASES = {
    "": [],
    "  \t ": [],
    "GET a": [b"GET", b"a"],
    "  GET \t a \r\n": [b"GET", b"a"],
    'SET a "b c"': [b"SET", b"a", b"b c"],
    r'"\x00\xff\n\r\t\b\a\\\"\q"': [b'\x00\xff\n\r\t\x08\x07\\"q'],
    r'"\xZZ\x4"': [b"xZZx4"],
    "''": [b""],
    '""': [b""],
    r"'a\n\'b'": [b"a\\n'b"],
    r"'\\'": None,
    'foo"bar" x': [b"foobar", b"x"],
    'foo"bar"baz': None,
    '"a"b': None,
    '"a': None,
    "'a": None,
    '"a\\"': None,
    r"a\nb": [rb"a\nb"],
    "a'b'": [b"ab"],
    '"a" "b"': [b"a", b"b"],
    '"it\'s"': [b"it's"],
    "'say \"hi\"'": [b'say "hi"'],
    "ü": ["ü".encode()],
}


@pytest.mark.parametrize("line", CASES)
def test_a_line_becomes_words(line: str) -> None:
    expected = CASES[line]
    if expected is None:
        with pytest.raises(QuotingError):
            split(line.encode())
    else:
        assert split(line.encode()) == expected


def test_a_zero_byte_must_be_written_as_an_escape() -> None:
    with pytest.raises(QuotingError, match="x00"):
        split(b"GET a\0b")


def test_a_long_line_is_split_in_one_go() -> None:
    long = b"x" * 500_000
    assert split(b'SET k "' + long + b'" ' + long) == [b"SET", b"k", long, long]


def quoted(word: bytes) -> bytes:
    """As redis-cli and MONITOR write a word (`sdscatrepr`)."""
    letters = {
        0x5C: b"\\\\",
        0x22: b'\\"',
        0x0A: b"\\n",
        0x0D: b"\\r",
        0x09: b"\\t",
        0x07: b"\\a",
        0x08: b"\\b",
    }
    return (
        b'"'
        + b"".join(
            letters.get(byte) or (bytes([byte]) if 0x20 <= byte < 0x7F else b"\\x%02x" % byte)
            for byte in word
        )
        + b'"'
    )


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_words_survive_quoting(words: list[bytes]) -> None:
    assert split(b" ".join(map(quoted, words))) == words


def single_quoted(word: bytes) -> bytes:
    return b"'" + word.replace(b"'", b"\\'") + b"'"


@given(
    st.lists(st.binary(max_size=40).filter(lambda word: b"\0" not in word and b"\\" not in word), max_size=8)
)
def test_words_survive_single_quotes(words: list[bytes]) -> None:
    assert split(b"  ".join(map(single_quoted, words))) == words


@pytest.mark.parametrize(
    "line", [line for line in CASES if CASES[line] and "\n" not in line and len(line) < 30]
)
def test_redis_cli_itself_sees_the_same_words(line: str, valkey_url: str) -> None:
    program = shutil.which("redis-cli")
    if program is None:
        pytest.skip("redis-cli is not installed here")
    expected = CASES[line]
    assert expected
    parts = urlsplit(valkey_url)
    where = [
        "-h",
        str(parts.hostname),
        "-p",
        str(parts.port),
        "-a",
        unquote(parts.password or ""),
        "--no-auth-warning",
    ]
    # COMMAND GETKEYS tells the words of a command: its keys are all that follow.
    script = f"COMMAND GETKEYS DEL k {line}\n".encode()
    shown = subprocess.run(
        [program, *where, "--no-raw"], input=script, capture_output=True, check=True
    ).stdout
    words = [split(each.partition(b") ")[2])[0] for each in shown.splitlines() if b") " in each]
    assert words == [b"k", *expected]
