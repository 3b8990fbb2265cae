"""Documents are taken apart, put together, and checked when they come from outside."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable

import pytest

from services.mongo_svc.ejson import (
    Element,
    Value,
    build,
    check,
    dumps,
    dumps_many,
    dumps_value,
    elements,
    loads,
    split,
)
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ErrorReason

from .documents import KINDS, a, document, field, nested, string

SAMPLE = document(
    field("b", "string", string("x")), field(b"\xff", "document", a("null")), field("b", "null")
)


def test_elements_are_the_fields_as_they_stand_and_build_is_the_reverse() -> None:
    found = list(elements(SAMPLE))
    assert found == [
        Element(KINDS["string"], b"b", string("x")),
        Element(KINDS["document"], b"\xff", a("null")),
        Element(KINDS["null"], b"b", b""),
    ]
    assert found[1].value == Value(KINDS["document"], a("null"))
    assert build(found) == SAMPLE
    assert build([]) == document()


def test_a_name_with_a_nul_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="NUL"):
        build([(KINDS["null"], b"a\0b", b"")])


def test_elements_of_a_corrupt_document_are_an_error_of_the_database() -> None:
    fields = elements(document(field("a", "null"), field("b", "int32", b"\1")))
    assert next(fields).name == b"a"
    with pytest.raises(StudioError, match=r"b: is cut off") as caught:
        next(fields)
    assert caught.value.reason == ErrorReason.ERROR_REASON_DB_PROTOCOL_ERROR


def test_a_batch_is_split_into_its_documents() -> None:
    assert split(SAMPLE + document() + a("null")) == [SAMPLE, document(), a("null")]
    assert split(b"") == []


def test_a_batch_that_is_cut_off_names_the_document() -> None:
    with pytest.raises(StudioError, match=r"In the batch, \[1\]") as caught:
        split(SAMPLE + SAMPLE[:-1])
    assert caught.value.reason == ErrorReason.ERROR_REASON_DB_PROTOCOL_ERROR


def test_foreign_documents_are_checked_to_the_depth() -> None:
    check(nested(200))
    check(a("string", string(b"\xff")))
    with pytest.raises(StudioError, match="nested deeper than 200 levels"):
        check(nested(201))
    with pytest.raises(StudioError, match=r"In documents\[2\], a\.b: is a boolean") as caught:
        check(a("document", document(field("b", "boolean", b"\2"))), what="documents[2]")
    assert caught.value.reason == ErrorReason.ERROR_REASON_INVALID_ARGUMENT


DEEP = nested(190)
DEEP_TEXT = dumps(DEEP)


@pytest.mark.parametrize(
    "call",
    [
        lambda: check(DEEP),
        lambda: dumps(DEEP),
        lambda: dumps_value(Value(KINDS["document"], DEEP)),
        lambda: loads(DEEP_TEXT),
    ],
    ids=["check", "dumps", "dumps_value", "loads"],
)
def test_a_caller_that_has_used_up_the_stack_gets_the_same_error_as_for_too_many_levels(
    call: Callable[[], object],
) -> None:
    def descend(frames: int) -> None:
        if frames:
            descend(frames - 1)
        else:
            with pytest.raises(StudioError, match="nested deeper than"):
                call()

    descend(sys.getrecursionlimit() - len(inspect.stack(0)) - 100)


def test_one_document_with_too_many_levels_leaves_the_others_readable() -> None:
    too_deep, good = dumps_many([nested(201), document()])
    assert too_deep.startswith(b'{"$bson":')
    assert good == b"{}"
