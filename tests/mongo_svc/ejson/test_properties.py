"""What holds for every document, on generated ones; PyMongo's `json_util` is the independent reader and writer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import bson
import pytest
from bson import json_util
from bson.codec_options import CodecOptions, DatetimeConversion
from hypothesis import given, settings
from hypothesis import strategies as st

from services.mongo_svc.ejson import Mode, build, check, dumps, dumps_many, elements, loads
from services.runtime.errors import StudioError

from .documents import odd_documents, plain_documents

OPTIONS: CodecOptions[Mapping[str, Any]] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_MS)
CANONICAL = json_util.JSONOptions(
    json_mode=json_util.JSONMode.CANONICAL, datetime_conversion=DatetimeConversion.DATETIME_MS
)

RELAXED = json_util.JSONOptions(
    json_mode=json_util.JSONMode.RELAXED, datetime_conversion=DatetimeConversion.DATETIME_MS
)


@settings(max_examples=100, deadline=None)
@given(st.one_of(plain_documents, odd_documents))
def test_canonical_text_gives_back_every_byte(document: bytes) -> None:
    check(document)
    assert loads(dumps(document, Mode.CANONICAL)) == document
    assert build(elements(document)) == document


@settings(max_examples=60, deadline=None)
@given(plain_documents)
def test_documents_that_extended_json_carries_are_written_in_full(document: bytes) -> None:
    for mode in Mode:
        text = dumps(document, mode)
        assert b'"$bson"' not in text
        json.loads(text, parse_constant=pytest.fail)


@settings(max_examples=60, deadline=None)
@given(st.one_of(plain_documents, odd_documents))
def test_relaxed_text_loses_only_the_size_of_integers(document: bytes) -> None:
    again = loads(dumps(document, Mode.RELAXED))
    assert without_sizes(dumps(again, Mode.CANONICAL)) == without_sizes(dumps(document, Mode.CANONICAL))


def without_sizes(text: bytes) -> bytes:
    return re.sub(rb'"\$number(Int|Long)"', b"", text)


@settings(max_examples=60, deadline=None)
@given(plain_documents)
def test_another_reader_understands_what_is_written(document: bytes) -> None:
    understood = json_util.loads(dumps(document, Mode.CANONICAL).decode(), json_options=CANONICAL)
    assert bson.encode(understood) == bson.encode(bson.decode(document, OPTIONS))


@settings(max_examples=60, deadline=None)
@given(plain_documents)
def test_what_another_writer_writes_is_understood(document: bytes) -> None:
    values = bson.decode(document, OPTIONS)
    for options in (CANONICAL, RELAXED):
        text = json_util.dumps(values, json_options=options).encode()
        assert bson.decode(loads(text), OPTIONS) == values


@settings(max_examples=100, deadline=None)
@given(st.one_of(plain_documents, odd_documents), st.data())
def test_changed_bytes_are_refused_by_all_or_kept_by_all(document: bytes, data: st.DataObject) -> None:
    changed = bytearray(document)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(
            st.sampled_from([0, 1, 2, 3, 4, 15, 127, 255])
        )
    mutant = bytes(changed)
    (text,) = dumps_many([mutant], Mode.CANONICAL)
    if is_sound(mutant):
        assert dumps(mutant, Mode.CANONICAL) == text
        assert loads(text) == mutant
    else:
        with pytest.raises(StudioError):
            dumps(mutant, Mode.CANONICAL)
        with pytest.raises(StudioError):
            loads(text)


def is_sound(document: bytes) -> bool:
    try:
        check(document)
    except StudioError:
        return False
    return True
