"""The names that a JSON body may have at its top, for `lua/errors.lua`."""

from __future__ import annotations

from services.runtime.contract import Contract, Method

OUTSIDE = frozenset({"google.api.HttpBody"})
"""Requests whose body is bytes, not fields."""


def body_names(contract: Contract, method: Method) -> str:
    """The request's fields in both spellings that proto JSON accepts, each between commas; empty for any.

    https://protobuf.dev/programming-guides/json/#field-representation
    """
    if method.request in OUTSIDE:
        return ""
    for file in contract.files.file:
        for message in file.message_type:
            if f"{file.package}.{message.name}" == method.request:
                names = {name for each in message.field for name in (each.name, each.json_name)}
                return f",{','.join(sorted(names))},"
    raise LookupError(f"the contract has no message {method.request}")
