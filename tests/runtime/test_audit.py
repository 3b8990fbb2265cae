"""What is recorded of a call, when, and what happens to the call where that is not possible."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from google.protobuf.descriptor_pool import Default
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from services.runtime.access import Registered
from services.runtime.audit import targets
from services.runtime.audit.log import AuditLog, Record
from services.runtime.audit.notes import note_message
from services.runtime.contract import DESCRIPTORS, Method, load_contract
from services.runtime.errors import StudioError
from services.runtime.interceptors.audit import Audit
from services.runtime.interceptors.chain import Context, Request, Requests
from studio.mongodb.v1 import gridfs_service_pb2 as files
from studio.mongodb.v1 import role_pb2 as role_pb
from studio.mongodb.v1 import user_service_pb2 as users
from studio.options.v1 import errors_pb2 as e
from studio.redis.v1 import bulk_service_pb2 as bulk
from studio.redis.v1 import common_pb2
from studio.redis.v1 import key_service_pb2 as keys
from studio.redis.v1 import redis_service_pb2 as redis
from studio.registry.v1 import registry_service_pb2 as registry
from studio.registry.v1.audit_pb2 import AuditEvent
from tests.runtime.harness import (
    OWNER,
    UUID,
    Redis,
    Row,
    Running,
    bearer,
    redis_servicer,
    running,
    running_with,
    settings,
    token,
    until,
)

Code = grpc.StatusCode
CANARY = "canary-7f3a"

WITHOUT_A_TARGET = {
    "redis.bulk.import": "keys and values stand in one body; the answer counts them",
    "redis.server.slowlog_configure": "is about the server as a whole",
    "registry.database.delete": "is about the registered database as a whole",
    "registry.session.create": "is about its caller alone",
    "registry.session.delete": "is about its caller alone",
}
"""Changing rpcs of which the record names the registered database alone."""


class Recording(Redis):
    """SetValue does what the test says."""

    def __init__(self, change: Callable[[redis.SetValueRequest], Awaitable[None]]) -> None:
        super().__init__()
        self._change = change

    async def SetValue(  # noqa: N802  the rpc's name
        self, request: redis.SetValueRequest, context: object
    ) -> redis.SetValueResponse:
        del context
        self.reached.append("SetValue")
        await self._change(request)
        return redis.SetValueResponse(key=request.key)


def recorded(service: Running) -> list[AuditEvent]:
    """The events so far, taken away."""
    spool, events = service.runtime.audit.spool, list[AuditEvent]()
    while (batch := spool.batch(500, 1 << 20)) is not None:
        events += [AuditEvent.FromString(each) for each in batch.events]
        spool.taken(batch.source, batch.first + len(batch.events))
    return events


def on_disk(directory: Path) -> bytes:
    """All that a spool's files hold."""
    return b"".join(path.read_bytes() for path in sorted(directory.glob("*.events")))


async def ended(call: Awaitable[Any]) -> grpc.aio.AioRpcError | None:
    """The error of a call; None where there is none."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error
    return None


SET = redis.SetValueRequest(database_id=UUID, key="user:1", value=CANARY)
GET = redis.GetValueRequest(database_id=UUID, key="user:1")


async def test_a_record_says_who_did_what_about_what_from_where_and_how_it_ended() -> None:
    async def find(database_id: str) -> Registered:
        return Row(database_id.lower(), name="cache", project_ref="shop")

    async with running_with(find, redis_servicer(Redis())) as service:
        metadata = (
            *bearer(token("developer", sub="ada")),
            ("x-request-id", "r-1"),
            ("x-studio-client-address", "203.0.113.7"),
        )
        await service.redis.SetValue(redis.SetValueRequest(**_upper(SET)), metadata=metadata)
        await service.redis.GetValue(GET, metadata=OWNER)
        change, read = recorded(service)
    assert change.at.ToSeconds() > 1_700_000_000
    assert change.duration_ms > 0
    for field in ("at", "duration_ms"):
        change.ClearField(field)
    assert change == AuditEvent(
        action="redis.key.set",
        effect="changes",
        actor="ada",
        credential="token",
        role="developer",
        database_id=UUID,
        database_name="cache",
        project_ref="shop",
        target={"key": "user:1"},
        outcome="ok",
        client_address="203.0.113.7",
        request_id="r-1",
        service="tests",
    )
    assert (read.action, read.effect, read.role, read.outcome) == ("redis.key.get", "reads", "owner", "ok")


def _upper(request: redis.SetValueRequest) -> dict[str, Any]:
    return {"database_id": request.database_id.upper(), "key": request.key, "value": request.value}


async def test_what_is_refused_or_fails_is_recorded_with_its_reason() -> None:
    async def change(request: redis.SetValueRequest) -> None:
        if request.key == "defect":
            raise ValueError(CANARY)
        if request.key == "read-only":
            raise StudioError(e.ERROR_REASON_CONNECTION_READ_ONLY, "no")
        raise StudioError(e.ERROR_REASON_DB_TIMEOUT, "slow")

    async with running(redis_servicer(Recording(change))) as service:
        set_ = service.redis.SetValue
        assert await ended(set_(SET, metadata=bearer(token("read_only"))))
        assert await ended(set_(redis.SetValueRequest(database_id=UUID), metadata=OWNER))
        for key in ("defect", "read-only", "slow"):
            assert await ended(
                set_(redis.SetValueRequest(database_id=UUID, key=key, value="v"), metadata=OWNER)
            )
        assert await ended(set_(SET))
        assert [(each.outcome, each.reason) for each in recorded(service)] == [
            ("denied", "PERMISSION_DENIED"),
            ("failed", "INVALID_ARGUMENT"),
            ("failed", "INTERNAL"),
            ("denied", "CONNECTION_READ_ONLY"),
            ("failed", "DB_TIMEOUT"),
        ], "and nothing of who is not known"


async def test_a_call_that_its_caller_ends_is_cancelled_and_one_without_time_has_failed() -> None:
    begun = asyncio.Event()

    async def change(_: redis.SetValueRequest) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with running(redis_servicer(Recording(change))) as service:
        call = service.redis.SetValue(SET, metadata=OWNER)
        await begun.wait()
        call.cancel()
        spool = service.runtime.audit.spool
        await until(lambda: spool.waiting == 1)
        assert await ended(service.redis.SetValue(SET, metadata=OWNER, timeout=0.2))
        await until(lambda: spool.waiting == 2)
        assert [(each.outcome, each.reason) for each in recorded(service)] == [
            ("cancelled", "CANCELLED"),
            ("failed", "DEADLINE_EXCEEDED"),
        ]


async def test_a_change_is_on_disk_before_it_is_made_and_its_outcome_before_it_is_answered(
    tmp_path: Path,
) -> None:
    seen: list[bytes] = []

    async def change(request: redis.SetValueRequest) -> None:
        seen.append(on_disk(tmp_path))
        # As the handlers of bodies do: what is known only now is there for the next start, too.
        note_message(keys.RenameKeyRequest(new_key=common_pb2.Blob(value=f"{request.key}:late")))
        seen.append(on_disk(tmp_path))

    async with running(redis_servicer(Recording(change)), audit_spool_dir=str(tmp_path)) as service:
        await service.redis.SetValue(SET, metadata=OWNER)
        seen.append(on_disk(tmp_path))
        (event,) = recorded(service)
        assert [b"user:1" in each for each in seen] == [True, True, True]
        assert [b"user:1:late" in each for each in seen] == [False, True, True]
        assert [each.count(b"\x02ok") for each in seen] == [0, 0, 1]
        assert dict(event.target) == {"key": "user:1", "new_key": "user:1:late"}
        assert CANARY.encode() not in seen[-1], "a value is no name"


async def test_a_full_spool_refuses_changes_before_anything_is_done_and_lets_reads_pass(
    tmp_path: Path,
) -> None:
    changes: dict[str, Any] = {"audit_spool_dir": str(tmp_path), "audit_spool_max_bytes": 1 << 20}
    async with running(redis_servicer(handler := Redis()), **changes) as service:
        spool = service.runtime.audit.spool
        while spool.read(b"x" * 1000):
            pass
        # Room is kept for the changes' events, too; those that are over leave theirs behind.
        refused: grpc.aio.AioRpcError | None = None
        while refused is None:
            refused = await ended(service.redis.SetValue(SET, metadata=OWNER))
        assert refused.code() is Code.UNAVAILABLE
        assert "Nothing was changed" in (refused.details() or "")
        handler.reached.clear()
        assert await ended(service.redis.SetValue(SET, metadata=OWNER))
        for _ in range(3):
            await service.redis.GetValue(GET, metadata=OWNER)
        assert handler.reached == ["GetValue"] * 3
        while (batch := spool.batch(500, 1 << 20)) is not None:
            spool.taken(batch.source, batch.first + len(batch.events))
        service.runtime.audit.note_lost()
        await service.redis.SetValue(SET, metadata=OWNER)
        lost, change = recorded(service)
        assert (lost.action, dict(lost.target)) == ("registry.audit.lost", {"events": "3"})
        assert change.outcome == "ok"


async def test_a_stream_that_reads_is_on_disk_while_it_lasts_where_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.runtime.interceptors.audit.LASTS_S", 0.0)
    announce, announced = Record.announce, list[bool]()

    def announcing(record: Record) -> None:
        announce(record)
        announced.append(b"a:*" in on_disk(tmp_path))

    monkeypatch.setattr(Record, "announce", announcing)
    log = AuditLog.open("tests", settings(audit_spool_dir=str(tmp_path), audit_spool_max_bytes=1 << 20))
    spool = log.spool

    async def export(_: Request, __: Context) -> None:
        before = len(announced)
        await until(lambda: len(announced) > before)

    method = load_contract().methods["/studio.redis.v1.BulkService/ExportKeys"]
    step, context = Audit(log).wrap(method, export), cast("Context", None)
    selection = common_pb2.KeySelection(pattern=common_pb2.Blob(value="a:*"))
    asked = bulk.ExportKeysRequest(database_id=UUID, selection=selection)
    await step(asked, context)
    assert announced == [True]
    batch = spool.batch(10, 1 << 20)
    assert batch is not None
    (event,) = [AuditEvent.FromString(each) for each in batch.events]
    assert (event.effect, event.outcome, dict(event.target)) == ("reads", "ok", {"pattern": "a:*"})
    spool.taken(batch.source, 2)
    for size in (1000, 10):
        while spool.read(b"x" * size):
            pass
    used = spool.used_bytes
    await step(asked, context)
    assert len(announced) == 2, "it goes on all the same"
    assert spool.used_bytes == used, "what room is left is for changes"
    log.close()


async def test_a_second_process_on_the_directory_does_not_start(tmp_path: Path) -> None:
    first = AuditLog.open("tests", settings(audit_spool_dir=str(tmp_path)))
    with pytest.raises(SystemExit, match=r"AUDIT_SPOOL_DIR .* is in use by another process"):
        AuditLog.open("tests", settings(audit_spool_dir=str(tmp_path)))
    first.close()


@pytest.mark.parametrize(
    ("request_", "names"),
    [
        (keys.DeleteKeysRequest(keys=[common_pb2.Blob(value="a"), common_pb2.Blob(value_base64=b"\xff\0")]),
         {"keys": "a, \\xff\\x00"}),
        (keys.DeleteKeysRequest(keys=[common_pb2.Blob(value=str(n)) for n in range(20)]),
         {"keys": "0, 1, 2, 3, 4, … (20)"}),
        (bulk.DeleteSelectedRequest(selection=common_pb2.KeySelection(pattern=common_pb2.Blob(value="a*"))),
         {"pattern": "a*"}),
        (redis.GetValueRequest(database_id=UUID, key="line\nbreak\u202e"), {"key": "line\\nbreak\\u202e"}),
        (redis.GetValueRequest(key="x" * 5000), {"key": "x" * 199 + "…"}),
        (redis.GetValueRequest(key=f"reset_token={CANARY}"), {"key": "reset_token=***"}),
        (registry.UpdateDatabaseRequest(id=UUID, connection_string=CANARY, update_mask=FieldMask(paths=["config"])),
         {"fields": "config"}),
        (users.CreateUserBody(user="ada", password=CANARY, roles=[role_pb.RoleName(role="read", database_name="shop")]),
         {"user": "ada", "roles": "read@shop"}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Message) else "",
)  # fmt: skip
def test_names_are_recorded_and_nothing_else(request_: Message, names: dict[str, str]) -> None:
    plan = targets.plan_of(request_.DESCRIPTOR, "id")
    assert plan is not None
    found: targets.Target = {}
    plan(request_, found)
    assert found == names


CHANGING = [method for method in load_contract().methods.values() if method.changes]


@pytest.fixture(scope="session", autouse=True)
def _messages() -> None:
    """Every message of the contract, known to protobuf."""
    for path in DESCRIPTORS.parent.glob("studio/*/v1/*_pb2.py"):
        importlib.import_module(".".join(path.relative_to(DESCRIPTORS.parent).with_suffix("").parts))


@pytest.mark.parametrize("method", CHANGING, ids=lambda method: method.action)
def test_every_change_names_what_it_is_about(method: Method) -> None:
    request = Default().FindMessageTypeByName(method.request)
    plans = [targets.plan_of(request, method.database_field)]
    if method.request_json:
        plans.append(targets.plan_of(Default().FindMessageTypeByName(method.request_json)))
    assert (any(plans)) != (method.action in WITHOUT_A_TARGET)


async def test_a_stream_of_requests_is_recorded_by_its_first_message_once_that_is_read(
    tmp_path: Path,
) -> None:
    log = AuditLog.open("tests", settings(audit_spool_dir=str(tmp_path)))
    method = load_contract().methods["/studio.mongodb.v1.GridFsService/UploadFile"]
    read: list[Message] = []

    async def messages() -> AsyncIterator[Message]:
        for filename in ("a.txt", ""):
            read.append(files.UploadFileRequest(database_id=UUID, filename=filename))
            yield read[-1]

    async def take(request: Request, _: Context) -> None:
        assert isinstance(request, Requests)
        assert read == [], "the step itself reads nothing"
        await request.first()
        assert b"a.txt" in on_disk(tmp_path)
        assert len([each async for each in request]) == 2

    async def refuse(_: Request, __: Context) -> None:
        raise StudioError(e.ERROR_REASON_PERMISSION_DENIED, "no")

    context: Any = None
    await Audit(log).wrap(method, take)(Requests(messages()), context)
    with pytest.raises(StudioError):
        await Audit(log).wrap(method, refuse)(Requests(messages()), context)
    batch = log.spool.batch(10, 1 << 20)
    assert batch is not None
    taken, refused = [AuditEvent.FromString(each) for each in batch.events]
    assert (taken.outcome, taken.database_id, dict(taken.target)) == ("ok", UUID, {"filename": "a.txt"})
    assert (refused.outcome, refused.database_id) == ("denied", "")
    log.close()
