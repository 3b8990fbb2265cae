"""Messages as JSON Schemas: https://protobuf.dev/programming-guides/json/ says what JSON they are."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Final

from services.runtime.openapi import rules
from services.runtime.openapi.catalogue import JSON, Catalogue, Field, FieldProto, Message

HTTP_BODY: Final = "google.api.HttpBody"
EXTENDED_JSON: Final = "studio.mongodb.v1.ExtendedJson"

WELL_KNOWN: Mapping[str, JSON] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"},
    "google.protobuf.FieldMask": {"type": "string", "pattern": r"^([A-Za-z0-9_.]+(,[A-Za-z0-9_.]+)*)?$"},
    "google.protobuf.Struct": {"type": "object", "additionalProperties": True},
    "google.protobuf.Value": {},
    "google.protobuf.ListValue": {"type": "array", "items": {}},
    "google.protobuf.Empty": {"type": "object"},
    HTTP_BODY: {},
    # https://www.mongodb.com/docs/manual/reference/mongodb-extended-json/
    EXTENDED_JSON: {},
}
"""Messages whose JSON is not an object of their fields."""

BINARY: Mapping[str, JSON] = {"schema": {"type": "string", "format": "binary"}}
"""The content of a body that is bytes."""

_MIN_INT32, _MAX_INT32 = -(2**31), 2**31 - 1

SCALARS: Mapping[FieldProto.Type.ValueType, JSON] = {
    FieldProto.TYPE_STRING: {"type": "string"},
    FieldProto.TYPE_BYTES: {"type": "string", "format": "byte", "contentEncoding": "base64"},
    FieldProto.TYPE_BOOL: {"type": "boolean"},
    FieldProto.TYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldProto.TYPE_FLOAT: {"type": "number", "format": "float"},
    FieldProto.TYPE_INT32: {"type": "integer", "format": "int32"},
    FieldProto.TYPE_SINT32: {"type": "integer", "format": "int32"},
    FieldProto.TYPE_UINT32: {"type": "integer", "minimum": 0},
}
"""Those that the contract has: it keeps 64-bit integers out, which JSON prints as text."""


class Form(enum.Enum):
    """Which JSON of a message is meant."""

    REQUEST = "Input"
    """What callers send: without what may be left out, and with nothing else than the fields."""
    ANSWER = ""
    """What the gateway writes: zero values included, absent messages left out."""
    DOCUMENTS = "Document"
    """What a service writes that answers in Extended JSON: absent messages are null."""


class Schemas:
    """Writes schemas, each message once under `components`.

    Args:
        catalogue: where the messages are.
        roots: the messages that are bodies, each with its form: it says which messages need a schema for each form.
    """

    def __init__(self, catalogue: Catalogue, roots: Iterable[tuple[str, Form]]) -> None:
        self.catalogue = catalogue
        self.components: dict[str, JSON] = {}
        self._forms: dict[str, set[Form]] = {}
        for full_name, form in roots:
            self._note(full_name, form)

    def reference(self, full_name: str, form: Form, *, omit: frozenset[str] = frozenset()) -> JSON:
        """A reference to the schema of a message, or that schema where it is a small one.

        Args:
            full_name: the message.
            form: which of its JSONs.
            omit: fields that stand elsewhere, in the path; the same for every reference to the message.
        """
        if full_name in WELL_KNOWN:
            return dict(WELL_KNOWN[full_name])
        if form is Form.DOCUMENTS and not self._has_nulls(full_name):
            form = Form.ANSWER
        name = self._name(full_name, form)
        if name not in self.components:
            self.components[name] = {}  # for messages that hold themselves
            self.components[name] = self._object(self.catalogue.messages[full_name], form, omit)
        return {"$ref": f"#/components/schemas/{name}"}

    def field(self, field: Field, form: Form) -> JSON:
        """The schema of a field's value, with its description."""
        entry = self.catalogue.messages.get(field.type_name) if field.is_repeated else None
        if entry is not None and entry.is_map_entry:
            schema = self._map(field, entry, form)
        elif field.is_repeated:
            items = self._value(field, form) | rules.item_keywords(field)
            schema = {"type": "array", "items": items} | rules.keywords(field)
        else:
            schema = self._value(field, form) | (rules.keywords(field) if form is Form.REQUEST else {})
        if form is not Form.REQUEST:
            schema = _without_bounds(schema)
        if text := _description(field):
            schema["description"] = text
        if field.proto.options.debug_redact and form is Form.REQUEST:
            schema["writeOnly"] = True
        return schema

    def _object(self, message: Message, form: Form, omit: frozenset[str]) -> JSON:
        schema: JSON = {"type": "object"}
        rules_in_words = f"Rules: {'; '.join(message.sentences)}." if message.sentences else ""
        if text := "\n\n".join(part for part in (message.comment, rules_in_words) if part):
            schema["description"] = text
        fields = [field for field in message.fields if field.name not in omit]
        schema["properties"] = {field.name: self._property(field, form) for field in fields}
        if form is Form.REQUEST:
            required = self.catalogue.required(message.full_name)
            schema["additionalProperties"] = False
            schema |= _exclusions(message)
        else:
            required = frozenset(
                field.name for field in fields if self._is_always_there(message, field, form)
            )
        if names := [field.name for field in fields if field.name in required]:
            schema["required"] = names
        return schema

    def _property(self, field: Field, form: Form) -> JSON:
        schema = self.field(field, form)
        free = field.type_name == EXTENDED_JSON
        if form is Form.DOCUMENTS and field.is_message and not field.is_repeated and not free:
            text = schema.pop("description", None)
            schema = {"anyOf": [schema, {"type": "null"}]}
            if text:
                schema["description"] = text
        return schema

    def _is_always_there(self, message: Message, field: Field, form: Form) -> bool:
        if form is Form.DOCUMENTS:
            return not field.proto.HasField("oneof_index")
        return not message.has_presence(field)

    def _value(self, field: Field, form: Form) -> JSON:
        if field.is_message:
            return self.reference(field.type_name, form)
        if field.type_name:
            names = [name for name, _ in self.catalogue.enums[field.type_name].values]
            return {"type": "string", "enum": names}
        schema = dict(SCALARS[field.proto.type])
        if form is Form.REQUEST and schema.get("format") == "int32":
            # Bounds of the field's own replace these.
            own = rules.keywords(field).keys() | rules.item_keywords(field).keys()
            if not own & {"minimum", "exclusiveMinimum"}:
                schema["minimum"] = _MIN_INT32
            if not own & {"maximum", "exclusiveMaximum"}:
                schema["maximum"] = _MAX_INT32
        return schema

    def _map(self, field: Field, entry: Message, form: Form) -> JSON:
        keys, values = rules.map_keywords(field)
        schema: JSON = {
            "type": "object",
            "additionalProperties": self._value(entry.field("value"), form) | values,
        }
        if keys:
            schema["propertyNames"] = keys
        return schema | rules.keywords(field)

    def _name(self, full_name: str, form: Form) -> str:
        _, area, _, *rest = full_name.split(".")
        suffix = form.value if len(self._forms[full_name]) > 1 else ""
        return f"{area.capitalize()}{''.join(rest)}{suffix}"

    def _has_nulls(self, full_name: str) -> bool:
        """Whether a message can hold messages that are absent, itself or further inside."""
        fields = self.catalogue.messages[full_name].fields
        return any(
            not field.is_repeated or (field.type_name not in WELL_KNOWN and self._has_nulls(field.type_name))
            for field in fields
            if field.is_message
        )

    def _note(self, full_name: str, form: Form) -> None:
        if full_name in WELL_KNOWN:
            return
        if form is Form.DOCUMENTS and not self._has_nulls(full_name):
            form = Form.ANSWER
        known = self._forms.setdefault(full_name, set())
        if form in known:
            return
        known.add(form)
        for field in self.catalogue.messages[full_name].fields:
            if field.is_message:
                self._note(field.type_name, form)


def _exclusions(message: Message) -> JSON:
    """At most one, or exactly one, of the fields of each oneof."""
    found: list[JSON] = []
    for oneof in message.oneofs:
        choices: list[JSON] = [{"required": [name]} for name in oneof.fields]
        if oneof.is_required:
            found.append({"oneOf": choices})
        elif len(choices) > 1:
            found.append({"oneOf": [*choices, {"not": {"anyOf": choices}}]})
    if len(found) == 1:
        return found[0]
    return {"allOf": found} if found else {}


def _without_bounds(schema: JSON) -> JSON:
    # Rules bind requests. An answer is as long as it is.
    return {key: value for key, value in schema.items() if key not in {"minItems", "maxItems"}}


def _description(field: Field) -> str:
    return "\n\n".join(part for part in (field.comment, *rules.sentences(field)) if part)
