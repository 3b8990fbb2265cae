"""Checks each request against the rules that the contract states beside its fields."""

from __future__ import annotations

from typing import Any

import protovalidate
from google.protobuf.message import Message

from services.runtime.contract import Method
from services.runtime.errors import FieldViolation, StudioError
from services.runtime.interceptors.chain import Context, Handler, Request, Requests
from studio.options.v1.errors_pb2 import ERROR_REASON_INVALID_ARGUMENT

MAX_VIOLATIONS = 20
MISSING = "must be given"

_VALIDATOR = protovalidate.Validator()


class Validate:
    """Refuses requests that break a rule, naming each field.

    Of a stream the first message is looked at, which says what is wanted; those behind it carry bytes, as many as a
    message may have.
    """

    name = "validate"

    def wrap(self, method: Method, handler: Handler) -> Handler:  # noqa: ARG002  every rpc alike
        """The handler, for requests that keep the rules."""

        async def validated(request: Request, context: Context) -> Message | None:
            if isinstance(request, Requests):
                return await stream(request, context)
            check(request)
            return await handler(request, context)

        async def stream(requests: Requests, context: Context) -> Message | None:
            try:
                check(await requests.first())
                return await handler(requests, context)
            except StudioError:
                # Here, behind `authorize`: who may not call is told at once.
                await requests.drain()
                raise

        return validated


def check(message: Message) -> None:
    """Refuses a message that breaks a rule: also one that travels inside a body of bytes.

    Raises:
        StudioError: INVALID_ARGUMENT, with each field that breaks one.
    """
    try:
        _VALIDATOR.validate(message)
    except protovalidate.ValidationError as error:
        raise _failure(error, message) from None


def _failure(error: protovalidate.ValidationError, request: Message) -> StudioError:
    violations: list[FieldViolation] = []
    for each in error.violations[:MAX_VIOLATIONS]:
        violation = _violation(each.proto, request)
        # What is missing breaks the other rules of its field as well; that it is missing is enough.
        if FieldViolation(violation.field, MISSING) not in violations:
            violations.append(violation)
    sentence = "; ".join(
        f"{each.field}: {each.description}" if each.field else each.description for each in violations
    )
    return StudioError(ERROR_REASON_INVALID_ARGUMENT, f"{sentence}.", violations=violations)


def _violation(proto: Any, request: Message) -> FieldViolation:  # noqa: ANN401  as in `_subscript`
    """The violation in words for those who know the field, not the rule's spelling."""
    path = _path(proto.field)
    if proto.rule_id == "required" and (members := _members(proto.field, request)):
        # A oneof's own name stands in no request.
        first = path[: path.rfind(".") + 1] + members[0]
        return FieldViolation(first, f"{MISSING} (or {', '.join(members[1:])})")
    if proto.rule_id == "string.min_len" and getattr(request, path, None) == "":
        return FieldViolation(path, MISSING)
    # An empty choice stands for the field left out: nobody has to be told of it.
    message = proto.message.replace("must be in list [, ", "must be in list [") or proto.rule_id
    return FieldViolation(path, message)


def _members(path: Any, request: Message) -> list[str]:  # noqa: ANN401  as in `_subscript`
    """The fields of the oneof at a path; none where there is no oneof."""
    *outer, last = path.elements
    descriptor: Any = request.DESCRIPTOR  # its stubs allow for fields that are no messages
    for element in outer:
        descriptor = descriptor.fields_by_name[element.field_name].message_type
    oneof = descriptor.oneofs_by_name.get(last.field_name)
    return [field.name for field in oneof.fields] if oneof else []


def _path(path: object) -> str:
    """`known[3].id` for the path of a violation."""
    elements = getattr(path, "elements", ())
    return ".".join(f"{element.field_name}{_subscript(element)}" for element in elements)


def _subscript(element: Any) -> str:  # noqa: ANN401  a message of protovalidate's own, without types
    return f"[{element.subscript.value}]" if element.subscript else ""
