"""What every part of the contract must keep, as functions from descriptors to what breaks the rule.

`test_contract` asserts that they find nothing in the contract, `test_rules` that they find what is wrong in a broken
one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from buf.validate import validate_pb2
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2

from services.runtime.contract import PACKAGES
from studio.options.v1 import access_pb2

Files = descriptor_pb2.FileDescriptorSet
File = descriptor_pb2.FileDescriptorProto
Message = descriptor_pb2.DescriptorProto
Field = descriptor_pb2.FieldDescriptorProto
Method = descriptor_pb2.MethodDescriptorProto

# The generated module has no types.
FIELD_RULES: Any = vars(validate_pb2)["field"]

WIDE = {Field.TYPE_INT64, Field.TYPE_UINT64, Field.TYPE_SINT64, Field.TYPE_FIXED64, Field.TYPE_SFIXED64}
SECRET = re.compile(r"password|secret|token|connection_string|ciphertext|private_key|credential")
NO_SECRET = {"page_token", "next_page_token", "credential", "credential_id"}
ACTION = re.compile(r"[a-z]+\.[a-z_]+\.[a-z_]+")
BOUNDS_OF_TEXT = {
    "const",
    "len",
    "max_len",
    "len_bytes",
    "max_bytes",
    "in",
    "uuid",
    "tuuid",
    "ip",
    "ipv4",
    "ipv6",
}

UNBOUNDED_ON_PURPOSE = {
    "envoy.service.auth.v3.AttributeContext.HttpRequest.headers": "three of them, of the 96 KiB the gateway takes",
    "envoy.service.auth.v3.AttributeContext.HttpRequest.method": "as `headers`",
    "envoy.service.auth.v3.AttributeContext.HttpRequest.path": "as `headers`",
    "envoy.service.auth.v3.AttributeContext.HttpRequest.raw_body": "3 MiB at the gateway",
    "studio.redis.v1.SetValueRequest.value": "a value is as large as a message may be",
    "studio.redis.v1.SetValueRequest.value_base64": "as `value`",
    "studio.redis.v1.ListKeysRequest.read_mask": "names outside the four known ones are refused by the handler",
    "studio.registry.v1.CreateDatabaseRequest.config": "16 KiB of JSON, checked by the handler",
    "studio.registry.v1.DiagnoseConnectionRequest.config": "comes from the registry, which has checked it",
    "studio.registry.v1.TestConnectionRequest.config": "as for CreateDatabaseRequest",
    "studio.registry.v1.UpdateDatabaseRequest.config": "as for CreateDatabaseRequest",
    "studio.registry.v1.UpdateDatabaseRequest.update_mask": "names outside the known ones are refused by the handler",
}
"""Fields of REST requests without a bound of their own, and what bounds them instead."""

BOUNDED_AS_A_WHOLE = {
    "google.api.HttpBody",
    "studio.mongodb.v1.ExtendedJson",
    # Comes from services, and is cut where it is stored: a rule could make a whole batch unacceptable for ever.
    "studio.registry.v1.AuditEvent",
    "google.protobuf.Timestamp",
}
"""Bytes that are as many as a message may have: 32 MiB at a service, 16 MiB at the gateway. And what has one size."""

HTTP_BODY = "google.api.HttpBody"


def ours(files: Files) -> Iterator[File]:
    return (file for file in files.file if file.package.startswith(PACKAGES))


def methods(files: Files) -> Iterator[tuple[str, Method]]:
    for file in ours(files):
        for service in file.service:
            for method in service.method:
                yield f"{file.package}.{service.name}.{method.name}", method


def messages(files: Files) -> dict[str, Message]:
    """Every message of ours by its full name."""
    found: dict[str, Message] = {}

    def add(prefix: str, message: Message) -> None:
        name = f"{prefix}.{message.name}"
        found[name] = message
        for nested in message.nested_type:
            add(name, nested)

    for file in ours(files):
        for message in file.message_type:
            add(file.package, message)
    return found


def without_access(files: Files) -> list[str]:
    """Rpcs without a role or without an action of the form `<area>.<object>.<verb>`."""
    wrong = []
    for name, method in methods(files):
        access = method.options.Extensions[access_pb2.access]
        if access.role == access_pb2.ROLE_UNSPECIFIED or not ACTION.fullmatch(access.action):
            wrong.append(name)
    return wrong


def without_effect(files: Files) -> list[str]:
    """Rpcs that don't say what they do, and internal ones that say more than nothing."""
    wrong = []
    for name, method in methods(files):
        access = method.options.Extensions[access_pb2.access]
        internal = access.role == access_pb2.ROLE_INTERNAL
        if access.effect == access_pb2.EFFECT_UNSPECIFIED or (
            internal and access.effect != access_pb2.EFFECT_NONE
        ):
            wrong.append(name)
    return wrong


def changes_by_get(files: Files) -> list[str]:
    """Rpcs that change something and have a GET: what follows links, or repeats requests, must do no harm."""
    changing = {
        name
        for name, method in methods(files)
        if method.options.Extensions[access_pb2.access].effect
        in (access_pb2.EFFECT_CHANGES, access_pb2.EFFECT_ENDANGERS)
    }
    return [name for name, verb, _, _ in routes(files) if verb == "get" and name in changing]


def unknown_databases(files: Files) -> list[str]:
    """Rpcs whose request has no field of the name by which `access` says it names the database."""
    known = messages(files)
    return [
        name
        for name, method in methods(files)
        if (database := method.options.Extensions[access_pb2.access].database)
        and database not in {field.name for field in known[method.input_type.lstrip(".")].field}
    ]


def repeated_actions(files: Files) -> list[str]:
    counted = Counter(method.options.Extensions[access_pb2.access].action for _, method in methods(files))
    return [action for action, times in counted.items() if times > 1]


def wrong_rest_form(files: Files) -> list[str]:
    """Rpcs for users without a REST form, and internal ones with one."""
    wrong = []
    for name, method in methods(files):
        internal = method.options.Extensions[access_pb2.access].role == access_pb2.ROLE_INTERNAL
        if method.options.HasExtension(annotations_pb2.http) == internal:
            wrong.append(name)
    return wrong


def routes(files: Files) -> Iterator[tuple[str, str, str, str]]:
    """The rpc, verb, template and body of each REST form."""
    for name, method in methods(files):
        if method.options.HasExtension(annotations_pb2.http):
            rule = method.options.Extensions[annotations_pb2.http]
            for each in (rule, *rule.additional_bindings):
                verb = each.WhichOneof("pattern")
                template = each.custom.path if verb == "custom" else getattr(each, verb)
                yield name, each.custom.kind if verb == "custom" else verb, template, each.body


def colliding_routes(files: Files) -> list[str]:
    """Templates that take the same paths: equal but for the names of their variables."""
    taken: dict[tuple[str, str], str] = {}
    wrong = []
    for name, verb, template, _ in routes(files):
        shape = (verb, re.sub(r"\{[^}]*\}", "{}", template))
        if shape in taken:
            wrong.append(f"{name} and {taken[shape]}: {verb} {template}")
        taken[shape] = name
    return wrong


def bodies_where_none_may_be(files: Files) -> list[str]:
    return [name for name, verb, _, body in routes(files) if verb in ("get", "delete") and body]


def unknown_path_variables(files: Files) -> list[str]:
    """Variables of a template that are no field of the request."""
    known = messages(files)
    inputs = {name: method.input_type.lstrip(".") for name, method in methods(files)}
    return [
        f"{name}: {{{variable}}}"
        for name, _, template, _ in routes(files)
        for variable in re.findall(r"\{([^}=]+)", template)
        if variable not in {field.name for field in known[inputs[name]].field}
    ]


def streams_without_last_word(files: Files) -> list[str]:
    """Streams over REST whose messages can't say that the stream failed: the HTTP status was sent long before."""
    known = messages(files)
    found = []
    for name, method in methods(files):
        # Events that are made here, in bytes, are of the message that the rpc names.
        made_here = method.options.Extensions[access_pb2.rest].response_json
        response = known.get(made_here or method.output_type.lstrip("."))
        if (
            not method.server_streaming
            or not method.options.HasExtension(annotations_pb2.http)
            or response is None
        ):
            continue
        errors = [field for field in response.field if field.name == "error"]
        if [field.type_name for field in errors] != [".studio.options.v1.StreamError"]:
            found.append(name)
    return found


def wide_integers(files: Files) -> list[str]:
    """64-bit integer fields: JSON would show them as strings."""
    return [
        f"{name}.{field.name}"
        for name, message in messages(files).items()
        for field in message.field
        if field.type in WIDE
    ]


def unmarked_secrets(files: Files) -> list[str]:
    """Fields whose name speaks of a secret, without `debug_redact`."""
    return [
        f"{name}.{field.name}"
        for name, message in messages(files).items()
        for field in message.field
        if SECRET.search(field.name) and field.name not in NO_SECRET and not field.options.debug_redact
    ]


def without_comment(files: Files) -> list[str]:
    """Services, rpcs, messages, fields, oneofs, enums and values without a comment in front."""
    wrong = []
    for file in ours(files):
        comments = {
            tuple(each.path): each.leading_comments.strip() for each in file.source_code_info.location
        }
        wrong += [f"{file.name}: {name}" for path, name in _elements(file) if not comments.get(path)]
    return wrong


# Field numbers of descriptor.proto, of which comment paths are made.
_MESSAGE, _ENUM, _SERVICE, _EXTENSION = 4, 5, 6, 7


def _elements(file: File) -> Iterator[tuple[tuple[int, ...], str]]:
    for number, service in enumerate(file.service):
        yield (_SERVICE, number), service.name
        for index, method in enumerate(service.method):
            yield (_SERVICE, number, 2, index), f"{service.name}.{method.name}"
    for number, extension in enumerate(file.extension):
        yield (_EXTENSION, number), extension.name
    for number, enum in enumerate(file.enum_type):
        yield from _enum_elements((_ENUM, number), enum)
    for number, message in enumerate(file.message_type):
        yield from _message_elements((_MESSAGE, number), message)


def _message_elements(path: tuple[int, ...], message: Message) -> Iterator[tuple[tuple[int, ...], str]]:
    if message.options.map_entry:
        return
    yield path, message.name
    synthetic = {field.oneof_index for field in message.field if field.proto3_optional}
    for index, field in enumerate(message.field):
        yield (*path, 2, index), f"{message.name}.{field.name}"
    for index, oneof in enumerate(message.oneof_decl):
        if index not in synthetic:
            yield (*path, 8, index), f"{message.name}.{oneof.name}"
    for index, nested in enumerate(message.nested_type):
        yield from _message_elements((*path, 3, index), nested)
    for index, enum in enumerate(message.enum_type):
        yield from _enum_elements((*path, 4, index), enum)


def _enum_elements(
    path: tuple[int, ...], enum: descriptor_pb2.EnumDescriptorProto
) -> Iterator[tuple[tuple[int, ...], str]]:
    yield path, enum.name
    for index, value in enumerate(enum.value):
        yield (*path, 2, index), f"{enum.name}.{value.name}"


def unbounded_fields(files: Files) -> list[str]:
    """Fields of requests, however deep, that could be of any size, but for `UNBOUNDED_ON_PURPOSE`."""
    found = {
        each for _, method in methods(files) for each in _unbounded(files, method.input_type.lstrip("."))
    }
    return sorted(found - set(UNBOUNDED_ON_PURPOSE))


def unbounded_bodies(files: Files) -> list[str]:
    """The same of the messages that bodies of bytes hold as JSON."""
    return sorted({each for _, rest in _rest_options(files) for each in _of_body(files, rest.request_json)})


def _of_body(files: Files, message: str) -> Iterator[str]:
    if message in messages(files):
        yield from _unbounded(files, message)


def unnamed_bodies(files: Files) -> list[str]:
    """Rpcs that take or give JSON as bytes without saying, by the name of a message that exists, what it holds."""
    known = messages(files)
    wrong = []
    for name, method in methods(files):
        rest = method.options.Extensions[access_pb2.rest]
        wrong += [
            f"{name}: {each}"
            for each in (rest.request_json, rest.response_json)
            if each and each not in known
        ]
        if (rest.response_json or rest.response_types) and method.output_type.lstrip(".") != HTTP_BODY:
            wrong.append(f"{name}: response_json")
        takes_bytes = any(
            field.type_name.lstrip(".") == HTTP_BODY for field in known[method.input_type.lstrip(".")].field
        )
        if rest.request_json and not takes_bytes:
            wrong.append(f"{name}: request_json")
        if (
            not (method.server_streaming or rest.response_json or rest.response_types)
            and method.output_type.lstrip(".") == HTTP_BODY
        ):
            wrong.append(f"{name}: no response_json")
    return wrong


def _rest_options(files: Files) -> Iterator[tuple[str, access_pb2.Rest]]:
    for name, method in methods(files):
        yield name, method.options.Extensions[access_pb2.rest]


def needless_exceptions(files: Files) -> list[str]:
    """Exceptions for fields that don't exist or are bounded."""
    found = {
        each for _, method in methods(files) for each in _unbounded(files, method.input_type.lstrip("."))
    }
    return sorted(set(UNBOUNDED_ON_PURPOSE) - found)


def _unbounded(files: Files, message_name: str) -> Iterator[str]:
    known = messages(files)
    for field in known[message_name].field:
        name = f"{message_name}.{field.name}"
        rules = field.options.Extensions[FIELD_RULES]
        if field.label == Field.LABEL_REPEATED:
            if not (rules.repeated.HasField("max_items") or rules.map.HasField("max_pairs")):
                yield name
            entry = known.get(field.type_name.lstrip("."))
            if entry is not None and entry.options.map_entry:
                # A map of texts is bounded beside the map; nothing can be said inside its entries.
                if not (_is_bounded_text(rules.map.keys) and _is_bounded_text(rules.map.values)):
                    yield name
                continue
            rules = rules.repeated.items
        if field.type == Field.TYPE_MESSAGE:
            inner = field.type_name.lstrip(".")
            if inner in BOUNDED_AS_A_WHOLE:
                continue
            if inner in known:
                yield from _unbounded(files, inner)
            else:
                yield name  # a type of others' that holds whatever is sent
        elif field.type in (Field.TYPE_STRING, Field.TYPE_BYTES) and not _is_bounded_text(rules):
            yield name


def _is_bounded_text(rules: Any) -> bool:  # noqa: ANN401  buf.validate has no types here
    kinds = (rules.string, rules.bytes)
    return any(BOUNDS_OF_TEXT & {descriptor.name for descriptor, _ in kind.ListFields()} for kind in kinds)
