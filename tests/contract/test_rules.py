"""Each rule finds what is wrong in a contract that breaks it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2

from services.runtime.contract import DESCRIPTORS
from studio.options.v1 import access_pb2
from tests.contract import rules

Files = descriptor_pb2.FileDescriptorSet
Field = descriptor_pb2.FieldDescriptorProto


@pytest.fixture
def files() -> Files:
    """A copy of the contract to break."""
    return descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTORS.read_bytes())


def method(files: Files, name: str) -> descriptor_pb2.MethodDescriptorProto:
    return next(each for full, each in rules.methods(files) if full.endswith(f".{name}"))


def field(files: Files, message: str, name: str) -> descriptor_pb2.FieldDescriptorProto:
    return next(each for each in rules.messages(files)[message].field if each.name == name)


def drop_access(files: Files) -> None:
    method(files, "GetValue").options.ClearExtension(access_pb2.access)


def drop_action(files: Files) -> None:
    method(files, "GetValue").options.Extensions[access_pb2.access].action = ""


def drop_effect(files: Files) -> None:
    method(files, "GetValue").options.Extensions[access_pb2.access].effect = access_pb2.EFFECT_UNSPECIFIED


def change_by_get(files: Files) -> None:
    method(files, "GetValue").options.Extensions[access_pb2.access].effect = access_pb2.EFFECT_CHANGES


def misname_database(files: Files) -> None:
    method(files, "DeleteDatabase").options.Extensions[access_pb2.access].database = "identifier"


def repeat_action(files: Files) -> None:
    method(files, "GetValue").options.Extensions[access_pb2.access].action = "redis.key.set"


def drop_route(files: Files) -> None:
    method(files, "GetValue").options.ClearExtension(annotations_pb2.http)


def publish_internal(files: Files) -> None:
    options = method(files, "ResolveConnection").options
    options.Extensions[annotations_pb2.http].get = "/api/platform/resolve"


def collide(files: Files) -> None:
    options = method(files, "GetInfo").options
    options.Extensions[annotations_pb2.http].get = "/api/platform/redis/{other}/get"


def body_of_get(files: Files) -> None:
    method(files, "GetInfo").options.Extensions[annotations_pb2.http].body = "*"


def unknown_variable(files: Files) -> None:
    options = method(files, "GetInfo").options
    options.Extensions[annotations_pb2.http].get = "/api/platform/redis/{nobody}/info"


def silence_stream(files: Files) -> None:
    field(files, "studio.redis.v1.AnalyzeMemoryResponse", "error").name = "failure"


def silence_stream_of_bytes(files: Files) -> None:
    field(files, "studio.mongodb.v1.ChangeEvent", "error").name = "failure"


def widen(files: Files) -> None:
    field(files, "studio.redis.v1.ListKeysResponse", "scanned").type = Field.TYPE_INT64


def show_secret(files: Files) -> None:
    field(files, "studio.registry.v1.CreateDatabaseRequest", "password").options.debug_redact = False


def unbind_text(files: Files) -> None:
    found = field(files, "studio.registry.v1.CreateDatabaseRequest", "name")
    found.options.Extensions[rules.FIELD_RULES].ClearField("string")


def unbind_list(files: Files) -> None:
    found = field(files, "studio.registry.v1.WatchConnectionsRequest", "known")
    found.options.Extensions[rules.FIELD_RULES].ClearField("repeated")


def unbind_nested(files: Files) -> None:
    found = field(files, "studio.registry.v1.KnownConnection", "revision")
    found.options.Extensions[rules.FIELD_RULES].ClearField("string")


def bind_exception(files: Files) -> None:
    found = field(files, "studio.redis.v1.SetValueRequest", "value")
    found.options.Extensions[rules.FIELD_RULES].string.max_len = 1


def unbind_body(files: Files) -> None:
    found = field(files, "studio.mongodb.v1.InsertDocumentsBody", "collection")
    found.options.Extensions[rules.FIELD_RULES].ClearField("string")


def misname_body(files: Files) -> None:
    method(files, "InsertDocuments").options.Extensions[access_pb2.rest].request_json = "studio.mongodb.v1.No"


def forget_answer(files: Files) -> None:
    method(files, "GetDocument").options.Extensions[access_pb2.rest].response_json = ""


def name_a_body_that_is_none(files: Files) -> None:
    name = "studio.mongodb.v1.InsertDocumentsBody"
    method(files, "GetDocument").options.Extensions[access_pb2.rest].request_json = name


BROKEN: list[tuple[Callable[[Files], None], Callable[[Files], list[str]], str]] = [
    (drop_access, rules.without_access, "GetValue"),
    (drop_action, rules.without_access, "GetValue"),
    (drop_effect, rules.without_effect, "GetValue"),
    (change_by_get, rules.changes_by_get, "GetValue"),
    (misname_database, rules.unknown_databases, "DeleteDatabase"),
    (repeat_action, rules.repeated_actions, "redis.key.set"),
    (drop_route, rules.wrong_rest_form, "GetValue"),
    (publish_internal, rules.wrong_rest_form, "ResolveConnection"),
    (collide, rules.colliding_routes, "GetInfo"),
    (body_of_get, rules.bodies_where_none_may_be, "GetInfo"),
    (unknown_variable, rules.unknown_path_variables, "{nobody}"),
    (silence_stream, rules.streams_without_last_word, "AnalyzeMemory"),
    (silence_stream_of_bytes, rules.streams_without_last_word, "WatchChanges"),
    (widen, rules.wide_integers, "scanned"),
    (show_secret, rules.unmarked_secrets, "password"),
    (unbind_text, rules.unbounded_fields, "name"),
    (unbind_list, rules.unbounded_fields, "known"),
    (unbind_nested, rules.unbounded_fields, "revision"),
    (bind_exception, rules.needless_exceptions, "SetValueRequest.value"),
    (unbind_body, rules.unbounded_bodies, "InsertDocumentsBody.collection"),
    (misname_body, rules.unnamed_bodies, "studio.mongodb.v1.No"),
    (forget_answer, rules.unnamed_bodies, "GetDocument"),
    (name_a_body_that_is_none, rules.unnamed_bodies, "GetDocument"),
]


@pytest.mark.parametrize(("break_", "rule", "named"), BROKEN, ids=lambda each: getattr(each, "__name__", ""))
def test_the_rule_finds(
    files: Files, break_: Callable[[Files], None], rule: Callable[[Files], list[str]], named: str
) -> None:
    before = rule(files)  # whether the contract keeps the rule is `test_contract`'s question
    break_(files)
    found = [each for each in rule(files) if each not in before]
    assert len(found) == 1
    assert named in found[0]


# A message, its field, oneof and enum with a value; an enum and its value; a service and its rpc; an option.
KINDS = {(4,), (4, 2), (4, 8), (4, 4), (4, 4, 2), (5,), (5, 2), (6,), (6, 2), (7,)}


def test_a_missing_comment_is_found_on_every_kind_of_element(files: Files) -> None:
    """One of each: the field numbers in a comment's path say whether it is of an rpc, a field, an enum's value …"""
    kinds: set[tuple[int, ...]] = set()
    for file in rules.ours(files):
        for location in file.source_code_info.location:
            kind = tuple(location.path[::2])
            if location.leading_comments and kind in KINDS - kinds:
                kinds.add(kind)
                before = rules.without_comment(files)
                kept, location.leading_comments = location.leading_comments, ""
                assert len(rules.without_comment(files)) == len(before) + 1, location
                location.leading_comments = kept
    assert kinds == KINDS
