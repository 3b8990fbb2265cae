"""The contract as data: every rpc with its REST form, its access rule and its documentation.

Read once from the descriptor set that `tools/protos.py` derives from `protos/`. The permission table, the
redactor, Envoy's routes and the checks of the contract all start here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor_pb2

from studio.options.v1 import access_pb2

DESCRIPTORS = Path(
    os.environ.get("STUDIO_DESCRIPTORS")
    or Path(__file__).resolve().parent.parent.parent / "generated" / "descriptors.binpb"
)
"""The serialized FileDescriptorSet, with source info and all imports."""

PACKAGES = ("studio.", "envoy.service.auth.")
"""The contract's packages: our own, and what the gateway asks of us by a contract of Envoy's."""

DATABASE_FIELD = "database_id"
"""Field by which requests name the registered database, where the contract names no other."""

TARGET_FIELD = "target_database_id"
"""Field by which requests name a second database, to which they copy."""

VERBS = ("get", "put", "post", "delete", "patch")

# Field numbers of FileDescriptorProto.service and ServiceDescriptorProto.method, for comment paths:
# https://protobuf.com/docs/descriptors#source-code-info
_SERVICE, _METHOD = 6, 2


@dataclass(frozen=True, slots=True)
class HttpRule:
    """One REST form of an rpc."""

    verb: str
    """`GET`, `POST`, …"""
    template: str
    """Path with variables in braces: `/api/platform/databases/{id}`."""
    body: str
    """`*` for the whole request, a field's name, or empty for none."""
    response_body: str
    """The field that is the answer; empty for the whole response."""


@dataclass(frozen=True, slots=True)
class Method:
    """One rpc."""

    path: str
    """`/studio.redis.v1.RedisService/GetValue`, as it travels."""
    service: str
    """`studio.redis.v1.RedisService`."""
    name: str
    """`GetValue`."""
    role: access_pb2.Role.ValueType
    """The least role that may call it; ROLE_UNSPECIFIED when the contract forgot."""
    action: str
    """What the audit log calls it; empty when the contract forgot."""
    http: tuple[HttpRule, ...]
    """REST forms, the main one first; empty for an internal rpc."""
    success_status: int
    """HTTP status of a success."""
    server_streaming: bool
    """The answer is a stream."""
    request: str
    """Full name of the request message."""
    response: str
    """Full name of the response message."""
    comment: str
    """Its documentation in the proto."""
    request_json: str = ""
    """Full name of the message that a body taken as bytes holds as JSON; empty where the request itself is JSON."""
    response_json: str = ""
    """Full name of the message that an answer given as bytes holds as JSON; empty for any other answer."""
    response_types: tuple[str, ...] = ()
    """Media types of an answer given as bytes, beside what `response_json` says."""
    client_streaming: bool = False
    """The request is a stream; over HTTP one body, however long."""
    effect: access_pb2.Effect.ValueType = access_pb2.EFFECT_UNSPECIFIED
    """What it does; EFFECT_UNSPECIFIED when the contract forgot."""
    database_field: str = ""
    """Field of the request that names the registered database; empty where it is about none."""
    target_field: str = ""
    """Field that names a second database, to which the first is copied; empty where there is none."""
    any_caller: bool = False
    """A valid token is enough, whatever its role: the answer holds what its caller may see."""
    confirmed_inside: bool = False
    """Its handler asks for the confirmation on production databases, not the step before it."""

    @property
    def area(self) -> str:
        """`redis` for `studio.redis.v1`."""
        return self.service.split(".")[1]

    @property
    def is_internal(self) -> bool:
        """Only other services may call it."""
        return self.role == access_pb2.ROLE_INTERNAL

    @property
    def changes(self) -> bool:
        """It changes something."""
        return self.effect in (access_pb2.EFFECT_CHANGES, access_pb2.EFFECT_ENDANGERS)


@dataclass(frozen=True, slots=True)
class Contract:
    """All rpcs, by path."""

    methods: Mapping[str, Method]
    files: descriptor_pb2.FileDescriptorSet
    """The descriptors of the contract and all it imports, without comments."""

    def of_area(self, area: str) -> list[Method]:
        """The rpcs of one area, in the contract's order."""
        return [method for method in self.methods.values() if method.area == area]


@cache
def load_contract() -> Contract:
    """Reads the contract from `DESCRIPTORS`.

    Raises:
        FileNotFoundError: the stubs have not been generated (`make protos`).
    """
    files = descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTORS.read_bytes())
    methods = {method.path: method for method in _methods(files)}
    for file in files.file:
        file.ClearField("source_code_info")
    # Parsed anew: clearing a field gives no memory back, and comments are most of it.
    return Contract(methods, descriptor_pb2.FileDescriptorSet.FromString(files.SerializeToString()))


def our_files(files: descriptor_pb2.FileDescriptorSet) -> list[descriptor_pb2.FileDescriptorProto]:
    """The files of the contract itself, without what they import."""
    return [file for file in files.file if file.package.startswith(PACKAGES)]


def _methods(files: descriptor_pb2.FileDescriptorSet) -> Iterator[Method]:
    named, targets = _messages_with(files, DATABASE_FIELD), _messages_with(files, TARGET_FIELD)
    for file in our_files(files):
        comments = {
            tuple(location.path): location.leading_comments.strip()
            for location in file.source_code_info.location
        }
        for service_index, service in enumerate(file.service):
            for method_index, method in enumerate(service.method):
                full_name = f"{file.package}.{service.name}"
                access = method.options.Extensions[access_pb2.access]
                rest = method.options.Extensions[access_pb2.rest]
                yield Method(
                    path=f"/{full_name}/{method.name}",
                    service=full_name,
                    name=method.name,
                    role=access.role,
                    action=access.action,
                    http=tuple(_http_rules(method)),
                    success_status=rest.success_status or 200,
                    server_streaming=method.server_streaming,
                    request=method.input_type.lstrip("."),
                    response=method.output_type.lstrip("."),
                    comment=comments.get((_SERVICE, service_index, _METHOD, method_index), ""),
                    request_json=rest.request_json,
                    response_json=rest.response_json,
                    response_types=tuple(rest.response_types),
                    client_streaming=method.client_streaming,
                    effect=access.effect,
                    database_field=access.database or (DATABASE_FIELD if method.input_type in named else ""),
                    target_field=TARGET_FIELD if method.input_type in targets else "",
                    any_caller=access.any_caller,
                    confirmed_inside=access.confirmed_inside,
                )


def _messages_with(files: descriptor_pb2.FileDescriptorSet, name: str) -> set[str]:
    """The messages that have a field of this name, as descriptors refer to them."""
    return {
        f".{file.package}.{message.name}"
        for file in our_files(files)
        for message in file.message_type
        if any(field.name == name for field in message.field)
    }


def _http_rules(method: descriptor_pb2.MethodDescriptorProto) -> Iterator[HttpRule]:
    if not method.options.HasExtension(annotations_pb2.http):
        return
    rule = method.options.Extensions[annotations_pb2.http]
    for each in (rule, *rule.additional_bindings):
        verb, template = _pattern(each)
        yield HttpRule(verb, template, each.body, each.response_body)


def _pattern(rule: http_pb2.HttpRule) -> tuple[str, str]:
    kind = rule.WhichOneof("pattern")
    if kind == "custom":
        return rule.custom.kind, rule.custom.path
    if kind is None:
        raise ValueError("a google.api.http option has no path")
    return kind.upper(), getattr(rule, kind)
