"""Answers and bodies that hold many documents: the same as small ones, and without stopping everybody else."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import bson
import pytest
from google.api.httpbody_pb2 import HttpBody

from services.mongo_svc import answers, bodies, ejson
from services.mongo_svc.writes import inserting
from services.runtime.errors import StudioError
from studio.mongodb.v1 import aggregation_service_pb2 as aggregation_pb
from studio.mongodb.v1 import document_reads_pb2 as reads_pb
from studio.mongodb.v1 import document_writes_pb2 as writes_pb

DOCUMENTS = [{"_id": n, "text": "x" * 500} for n in range(1000)]


def preview() -> aggregation_pb.PreviewPipelineResponse:
    """Documents inside a list of messages, and lists with none or one."""
    response = aggregation_pb.PreviewPipelineResponse(sample_size=7)
    for documents in (DOCUMENTS, [], DOCUMENTS[:1]):
        stage = response.stages.add(stage="$match")
        for each in documents:
            stage.documents.add(bson=bson.encode(each))
    return response


async def test_a_long_answer_is_the_same_in_slices() -> None:
    message = preview()
    assert (await answers.rendered(message)).data == answers.render(message).data
    read = json.loads(answers.render(message).data)
    assert [stage["documents"] for stage in read["stages"]] == [DOCUMENTS, [], DOCUMENTS[:1]]
    assert read["sample_size"] == 7
    assert answers.to_json(reads_pb.GetDocumentResponse()) == b'{"document":null}'


async def test_others_have_their_turn_while_a_long_answer_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "TURN_S", 0.0)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    await answers.rendered(preview())
    beside.cancel()
    assert turns > 1000 * 500 // answers.SLICE_BYTES


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("maxTimeMs", "Did you mean 'maxTimeMS'?"),
        ("database", "Did you mean 'databaseName'?"),
        ("where", "It has databaseName, collection, filter, exact, collation, hint, maxTimeMS, comment."),
    ],
)
def test_a_field_that_is_not_there_is_answered_with_those_that_are(name: str, hint: str) -> None:
    with pytest.raises(StudioError) as raised:
        bodies.read(HttpBody(data=json.dumps({name: 1}).encode()), reads_pb.CountDocumentsBody)
    assert raised.value.hint == hint


async def test_a_large_body_is_taken_apart_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []
    loads = ejson.loads

    def noted(text: bytes, *, what: str) -> bytes:
        threads.append(threading.current_thread())
        return loads(text, what=what)

    monkeypatch.setattr(ejson, "loads", noted)
    text = json.dumps({"collection": "c", "documents": DOCUMENTS}).encode()
    body = await bodies.read_large(HttpBody(data=text), writes_pb.InsertDocumentsBody)
    assert [bson.decode(each.bson) for each in body.documents] == DOCUMENTS
    with pytest.raises(StudioError, match="no field 'wrong'"):
        await bodies.read_large(
            HttpBody(data=text.replace(b"documents", b"wrong")), writes_pb.InsertDocumentsBody
        )
    with pytest.raises(StudioError, match="collection: must be given"):
        await bodies.read_large(HttpBody(data=text.replace(b'"c"', b'""')), writes_pb.InsertDocumentsBody)
    assert threading.main_thread() not in threads
    await bodies.read_large(
        HttpBody(data=b'{"collection": "c", "documents": [{}]}'), writes_pb.InsertDocumentsBody
    )
    assert threads[-1] is threading.main_thread()


@pytest.mark.parametrize("document", [{}, {"a": 1}, {"a": {"_id": 1}}, {"x_id": 1}])
def test_a_document_without_an_id_gets_one_in_front(document: dict[str, Any]) -> None:
    complete, id_ = inserting.with_id(bson.encode(document))
    decoded = bson.decode(complete)
    assert list(decoded) == ["_id", *document]
    assert decoded["_id"].binary == id_.raw


def test_a_document_keeps_its_id_wherever_it_stands() -> None:
    raw = bson.encode({"a": 1, "_id": "x"})
    assert inserting.with_id(raw) == (raw, ejson.Value(2, b"\x02\0\0\0x\0"))
