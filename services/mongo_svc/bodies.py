"""Bodies of requests that hold documents: Extended JSON, or BSON, into a message of the contract.

The transcoder would read such a body as protobuf JSON, which loses the order and repetition of names and rounds 64-bit
numbers. So it passes the bytes on, and here their outermost fields are taken apart by the message that the contract
names (`studio.options.v1.rest.request_json`); documents stay BSON.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from difflib import get_close_matches
from functools import cache
from typing import Any, TypeVar

from google.api.httpbody_pb2 import HttpBody
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from services.mongo_svc import ejson
from services.mongo_svc.ejson.layout import Kind
from services.runtime.audit.notes import note_message
from services.runtime.errors import StudioError, invalid_argument
from services.runtime.interceptors import validate
from studio.mongodb.v1.common_pb2 import ExtendedJson
from studio.options.v1 import errors_pb2 as e

MessageT = TypeVar("MessageT", bound=Message)

BSON_TYPE = "application/bson"
JSON_TYPE = "application/json"

MAX_READ_AT_ONCE = 64 * 1024
"""Bytes of a body that are taken apart on the event loop: about 10 ms."""
MAX_ID_SHOWN = 1024
"""Bytes of an `_id` that the audit log may show."""
_beside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bodies")
"""One, since Python's threads share a processor; how many wait for it is bounded with the calls of the process."""


def read(body: HttpBody, message_class: type[MessageT]) -> MessageT:
    """The message that a body holds.

    Args:
        body: Extended JSON, or BSON where its content type is `application/bson`.
        message_class: as the contract names it for the rpc.

    Raises:
        StudioError: INVALID_ARGUMENT, with the field that is wrong.
    """
    return _seen(_parsed(body, message_class))


async def read_large(body: HttpBody, message_class: type[MessageT]) -> MessageT:
    """As `read`, for bodies that are often large: those are taken apart beside the event loop.

    8 MB of documents take 1.4 s (measured), in which nobody else would be answered.
    """
    if len(body.data) <= MAX_READ_AT_ONCE:
        return read(body, message_class)
    return _seen(await asyncio.get_running_loop().run_in_executor(_beside, _parsed, body, message_class))


def _seen(message: MessageT) -> MessageT:
    """The message, when it keeps the rules; the audit log learns what it names."""
    validate.check(message)
    field = message.DESCRIPTOR.fields_by_name.get("id")
    if field is not None and field.message_type is ExtendedJson.DESCRIPTOR and message.HasField("id"):
        note_message(message, id=_id_text(getattr(message, "id")))  # noqa: B009  of messages that have one
    else:
        note_message(message)
    return message


def _id_text(id_: ExtendedJson) -> str:
    """An `_id` as the audit log shows it."""
    if len(id_.bson) > MAX_ID_SHOWN:
        return f"<{len(id_.bson)} bytes>"
    return ejson.dumps_value(ejson.Value(id_.type or Kind.DOCUMENT, id_.bson)).decode()


def _parsed(body: HttpBody, message_class: type[MessageT]) -> MessageT:
    content_type = body.content_type.partition(";")[0].strip().lower()
    if content_type == BSON_TYPE:
        ejson.check(body.data)
        document = body.data
    elif content_type in {"", JSON_TYPE} or content_type.endswith("+json") or content_type == _FORM:
        document = ejson.loads(body.data or b"{}", what="the body")
    else:
        raise StudioError(
            e.ERROR_REASON_INVALID_ARGUMENT,
            f"The body's content type must be {JSON_TYPE} or {BSON_TYPE}.",
        )
    message = message_class()
    _fill(message, document, "")
    return message


_FORM = "application/x-www-form-urlencoded"
"""What curl says of `-d` when nobody tells it otherwise; other services' bodies are read whatever they are called."""


@cache
def _fields(descriptor: Descriptor) -> Mapping[bytes, FieldDescriptor]:
    """The fields by both spellings that proto JSON accepts."""
    return {
        name.encode(): field for field in descriptor.fields for name in (field.name, str(field.json_name))
    }


def _fill(message: Message, document: bytes, path: str) -> None:
    fields = _fields(message.DESCRIPTOR)
    seen: set[str] = set()
    for element in ejson.elements(document):
        field = fields.get(element.name)
        if field is None:
            raise _unknown(element.name, path, message)
        name = f"{path}{field.name}"
        if field.name in seen:
            raise invalid_argument(name, "is given twice")
        seen.add(field.name)
        if element.kind == Kind.NULL and field.message_type is not ExtendedJson.DESCRIPTOR:
            continue  # as in proto JSON: the field is left out
        if field.is_repeated:
            _fill_repeated(message, field, element, name)
        elif field.message_type is not None:
            _fill_message(getattr(message, field.name), element, name)
        else:
            setattr(message, field.name, _scalar(field, element, name))


def _fill_repeated(message: Message, field: FieldDescriptor, element: ejson.Element, name: str) -> None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        _fill_map(message, field, element, name)
        return
    if element.kind != Kind.ARRAY:
        raise invalid_argument(name, "must be an array")
    target: Any = getattr(message, field.name)
    for place, item in enumerate(ejson.elements(element.raw)):
        where = f"{name}[{place}]"
        if field.message_type is not None:
            _fill_message(target.add(), item, where)
        else:
            target.append(_scalar(field, item, where))


def _fill_map(message: Message, field: Any, element: ejson.Element, name: str) -> None:  # noqa: ANN401  as above
    if element.kind != Kind.DOCUMENT:
        raise invalid_argument(name, "must be an object")
    target: Any = getattr(message, field.name)
    value_field = _fields(field.message_type)[b"value"]
    for item in ejson.elements(element.raw):
        key = item.name.decode("utf-8", "replace")
        target[key] = _scalar(value_field, item, f"{name}.{key}")


def _fill_message(message: Any, element: ejson.Element, name: str) -> None:  # noqa: ANN401  one of any type
    if isinstance(message, ExtendedJson):
        message.bson = element.raw
        message.type = element.kind
        return
    if element.kind != Kind.DOCUMENT:
        raise invalid_argument(name, "must be an object")
    message.SetInParent()
    _fill(message, element.raw, f"{name}.")


def _scalar(field: FieldDescriptor, element: ejson.Element, name: str) -> Any:  # noqa: ANN401  as the field is
    expected, convert = _SCALARS[field.cpp_type]
    value = convert(element)
    if value is None:
        raise invalid_argument(name, f"must be {expected}")
    return value


def _text(element: ejson.Element) -> str | None:
    return element.raw[4:-1].decode("utf-8", "replace") if element.kind == Kind.STRING else None


def _boolean(element: ejson.Element) -> bool | None:
    return element.raw != b"\x00" if element.kind == Kind.BOOLEAN else None


def _number(element: ejson.Element) -> float | None:
    match element.kind:
        case Kind.DOUBLE:
            return float(struct.unpack("<d", element.raw)[0])
        case Kind.INT32 | Kind.INT64:
            return int.from_bytes(element.raw, "little", signed=True)
        case _:
            return None


def _double(element: ejson.Element) -> float | None:
    value = _number(element)
    return None if value is None else float(value)


def _int32(element: ejson.Element) -> int | None:
    value = _number(element)
    # What is infinite, or no number, is not whole either.
    return int(value) if value is not None and abs(value) < 2**31 and float(value).is_integer() else None


_SCALARS: dict[int, tuple[str, Callable[[ejson.Element], object]]] = {
    FieldDescriptor.CPPTYPE_STRING: ("a text", _text),
    FieldDescriptor.CPPTYPE_BOOL: ("true or false", _boolean),
    FieldDescriptor.CPPTYPE_DOUBLE: ("a number", _double),
    FieldDescriptor.CPPTYPE_INT32: ("a whole number of 32 bits", _int32),
}


def _unknown(name: bytes, path: str, message: Message) -> StudioError:
    shown = name[:64].decode("utf-8", "replace")
    where = f"{path.removesuffix('.')} has" if path else "This route has"
    known = {str(field.json_name).casefold(): str(field.json_name) for field in message.DESCRIPTOR.fields}
    # A name in another case is as near as can be: `maxTimeMs`.
    near = get_close_matches(shown.casefold(), known, n=1)
    hint = f"Did you mean {known[near[0]]!r}?" if near else f"It has {', '.join(known.values())}."
    return StudioError(e.ERROR_REASON_INVALID_ARGUMENT, f"{where} no field {shown!r}.", hint=hint)
