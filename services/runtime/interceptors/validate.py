"""Checks each request against the rules that the contract states beside its fields."""

from __future__ import annotations

from typing import Any

import protovalidate
from google.protobuf.message import Message

from services.runtime.contract import Method
from services.runtime.errors import FieldViolation, StudioError
from services.runtime.interceptors.chain import Context, Handler
from studio.options.v1.errors_pb2 import ERROR_REASON_INVALID_ARGUMENT

MAX_VIOLATIONS = 20


class Validate:
    """Refuses requests that break a rule, naming each field."""

    name = "validate"

    def __init__(self) -> None:
        self._validator = protovalidate.Validator()

    def wrap(self, method: Method, handler: Handler) -> Handler:  # noqa: ARG002  every rpc alike
        """The handler, for requests that keep the rules."""
        validate = self._validator.validate

        async def validated(request: Message, context: Context) -> Message | None:
            try:
                validate(request)
            except protovalidate.ValidationError as error:
                raise _failure(error) from None
            return await handler(request, context)

        return validated


def _failure(error: protovalidate.ValidationError) -> StudioError:
    violations = [
        FieldViolation(_path(each.proto.field), each.proto.message or each.proto.rule_id)
        for each in error.violations[:MAX_VIOLATIONS]
    ]
    sentence = "; ".join(
        f"{each.field}: {each.description}" if each.field else each.description for each in violations
    )
    return StudioError(ERROR_REASON_INVALID_ARGUMENT, sentence, violations=violations)


def _path(path: object) -> str:
    """`known[3].id` for the path of a violation."""
    elements = getattr(path, "elements", ())
    return ".".join(f"{element.field_name}{_subscript(element)}" for element in elements)


def _subscript(element: Any) -> str:  # noqa: ANN401  a message of protovalidate's own, without types
    return f"[{element.subscript.value}]" if element.subscript else ""
