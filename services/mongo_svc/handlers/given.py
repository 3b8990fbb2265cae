"""What pipelines and queries bring in the fields of a body, in the form that the driver takes."""

from __future__ import annotations

from typing import Any

import bson
from bson.raw_bson import RawBSONDocument

from services.mongo_svc.ejson.layout import Kind
from services.runtime.errors import invalid_argument
from studio.mongodb.v1 import aggregation_service_pb2 as pb
from studio.mongodb.v1.common_pb2 import ExtendedJson


def stages(value: ExtendedJson, what: str = "pipeline") -> bytes:
    """A pipeline, a BSON array.

    Raises:
        StudioError: INVALID_ARGUMENT.
    """
    if value.type != Kind.ARRAY:
        raise invalid_argument(what, "must be an array of stages")
    return value.bson


def document(value: ExtendedJson, what: str) -> bytes:
    """A document, BSON.

    Raises:
        StudioError: INVALID_ARGUMENT.
    """
    if value.type not in (0, Kind.DOCUMENT) or not value.bson:
        raise invalid_argument(what, "must be an object")
    return value.bson


def hint(body: pb.AggregateBody | pb.ExplainBody) -> str | RawBSONDocument | None:
    """The index to use, by its name or its keys.

    Raises:
        StudioError: INVALID_ARGUMENT.
    """
    if not body.HasField("hint"):
        return None
    if body.hint.type == Kind.STRING:
        return body.hint.bson[4:-1].decode("utf-8", "replace")
    return RawBSONDocument(document(body.hint, "hint"))


def collation(body: pb.AggregateBody | pb.PreviewPipelineBody | pb.ExplainBody) -> dict[str, Any] | None:
    """How texts compare. A dict, since the driver takes nothing else; nothing in it needs more.

    Raises:
        StudioError: INVALID_ARGUMENT.
    """
    return dict(bson.decode(document(body.collation, "collation"))) if body.HasField("collation") else None


def let(body: pb.AggregateBody | pb.PreviewPipelineBody | pb.ExplainBody) -> RawBSONDocument | None:
    """Variables.

    Raises:
        StudioError: INVALID_ARGUMENT.
    """
    return RawBSONDocument(document(body.let, "let")) if body.HasField("let") else None
