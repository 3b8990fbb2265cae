"""What the descriptors say about messages, fields and enums, with the comments that stand beside them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import protovalidate
from buf.validate import validate_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Files = descriptor_pb2.FileDescriptorSet
FieldProto = descriptor_pb2.FieldDescriptorProto
Comments = Mapping[tuple[int, ...], str]

# The generated module has no types.
_FIELD_RULES: Any = vars(validate_pb2)["field"]
_MESSAGE_RULES: Any = vars(validate_pb2)["message"]
_ONEOF_RULES: Any = vars(validate_pb2)["oneof"]

# Field numbers that make up the path of a comment: https://protobuf.com/docs/descriptors#source-code-info
_FILE_MESSAGE, _FILE_ENUM, _FILE_SERVICE = 4, 5, 6
_NESTED_MESSAGE, _NESTED_ENUM = 3, 4
_FIELD, _VALUE = 2, 2

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message."""

    proto: FieldProto
    comment: str
    rules: Any
    """Its `buf.validate.FieldRules`."""

    @property
    def name(self) -> str:
        """Its name in the proto, which is the one that answers use."""
        return self.proto.name

    @property
    def type_name(self) -> str:
        """Full name of its message or enum; empty for a scalar."""
        return self.proto.type_name.lstrip(".")

    @property
    def is_message(self) -> bool:
        """It holds a message, or is a map."""
        return self.proto.type == FieldProto.TYPE_MESSAGE

    @property
    def is_repeated(self) -> bool:
        """It is a list, or a map."""
        return self.proto.label == FieldProto.LABEL_REPEATED


@dataclass(frozen=True, slots=True)
class Oneof:
    """Fields of which at most one is set."""

    fields: tuple[str, ...]
    is_required: bool
    """Exactly one is set."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message."""

    full_name: str
    comment: str
    fields: tuple[Field, ...]
    oneofs: tuple[Oneof, ...]
    """Without those that stand for `optional`."""
    sentences: tuple[str, ...]
    """What its own rules demand, in words: they concern several fields, and JSON Schema can't say them."""
    is_map_entry: bool

    def field(self, name: str) -> Field:
        """The field of a name."""
        return next(field for field in self.fields if field.name == name)

    def has_presence(self, field: Field) -> bool:
        """Whether the field can be absent from an answer, because its zero is not what it is when unset."""
        if field.is_repeated:
            return False
        return field.is_message or field.proto.HasField("oneof_index")


@dataclass(frozen=True, slots=True)
class Enum:
    """An enum."""

    comment: str
    values: tuple[tuple[str, str], ...]
    """Each name with its comment."""


class Catalogue:
    """All messages and enums of the contract and of what it imports, by full name.

    Args:
        files: the descriptors, with source info.
    """

    def __init__(self, files: Files) -> None:
        self.messages: dict[str, Message] = {}
        self.enums: dict[str, Enum] = {}
        self.services: dict[str, str] = {}
        """The comment of each service."""
        self._files = files
        for file in files.file:
            comments = _comments(file)
            for index, service in enumerate(file.service):
                self.services[f"{file.package}.{service.name}"] = comments.get((_FILE_SERVICE, index), "")
            for index, enum in enumerate(file.enum_type):
                self._add_enum(file.package, enum, comments, (_FILE_ENUM, index))
            for index, message in enumerate(file.message_type):
                self._add_message(file.package, message, comments, (_FILE_MESSAGE, index))

    def required(self, full_name: str) -> frozenset[str]:
        """The fields without which a message breaks a rule: those that are found wrong in an empty one."""
        empty = message_factory.GetMessageClass(self._pool.FindMessageTypeByName(full_name))()
        violations = protovalidate.collect_violations(empty)
        paths = (violation.proto.field.elements for violation in violations if violation.proto.field)
        names = {path[0].field_name for path in paths if len(path) == 1}
        return frozenset(names & {field.name for field in self.messages[full_name].fields})

    def needs_any(self, full_name: str, *, but: frozenset[str] = frozenset()) -> bool:
        """Whether a message needs a field to be set, beside those named."""
        oneofs = self.messages[full_name].oneofs
        return bool(self.required(full_name) - but) or any(oneof.is_required for oneof in oneofs)

    @cached_property
    def _pool(self) -> descriptor_pool.DescriptorPool:
        pool = descriptor_pool.DescriptorPool()
        for file in self._files.file:
            pool.AddSerializedFile(file.SerializeToString())
        return pool

    def _add_message(
        self, prefix: str, proto: descriptor_pb2.DescriptorProto, comments: Comments, path: tuple[int, ...]
    ) -> None:
        full_name = f"{prefix}.{proto.name}"
        self.messages[full_name] = Message(
            full_name=full_name,
            comment=comments.get(path, ""),
            fields=tuple(
                Field(field, comments.get((*path, _FIELD, index), ""), field.options.Extensions[_FIELD_RULES])
                for index, field in enumerate(proto.field)
            ),
            oneofs=tuple(_oneofs(proto)),
            sentences=tuple(rule.message for rule in proto.options.Extensions[_MESSAGE_RULES].cel),
            is_map_entry=proto.options.map_entry,
        )
        for index, nested in enumerate(proto.nested_type):
            self._add_message(full_name, nested, comments, (*path, _NESTED_MESSAGE, index))
        for index, enum in enumerate(proto.enum_type):
            self._add_enum(full_name, enum, comments, (*path, _NESTED_ENUM, index))

    def _add_enum(
        self,
        prefix: str,
        proto: descriptor_pb2.EnumDescriptorProto,
        comments: Comments,
        path: tuple[int, ...],
    ) -> None:
        self.enums[f"{prefix}.{proto.name}"] = Enum(
            comment=comments.get(path, ""),
            values=tuple(
                (value.name, comments.get((*path, _VALUE, index), ""))
                for index, value in enumerate(proto.value)
            ),
        )


def prose(comment: str) -> str:
    """A comment as Markdown: the lines of a paragraph joined, lists and paragraphs kept."""
    text = textwrap.dedent("\n".join(line.removeprefix(" ") for line in comment.strip("\n").split("\n")))
    paragraphs = (
        paragraph if "\n- " in f"\n{paragraph}" else paragraph.replace("\n", " ")
        for paragraph in text.split("\n\n")
    )
    return "\n\n".join(paragraphs).strip()


def _comments(file: descriptor_pb2.FileDescriptorProto) -> Comments:
    return {
        tuple(location.path): prose(location.leading_comments)
        for location in file.source_code_info.location
        if location.leading_comments
    }


def _oneofs(proto: descriptor_pb2.DescriptorProto) -> Iterator[Oneof]:
    for index, oneof in enumerate(proto.oneof_decl):
        members = [
            field.name
            for field in proto.field
            if field.HasField("oneof_index") and field.oneof_index == index and not field.proto3_optional
        ]
        if members:
            yield Oneof(tuple(members), bool(oneof.options.Extensions[_ONEOF_RULES].required))
