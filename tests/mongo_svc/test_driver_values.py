"""Documents that the driver looks into before it sends them: what Python has no type for reaches the server, too."""

from __future__ import annotations

import bson
import pytest
from bson.datetime_ms import DatetimeMS

from services.mongo_svc import ejson, find
from services.mongo_svc.handlers import commands
from services.mongo_svc.indexes import building
from studio.mongodb.v1.common_pb2 import ExtendedJson
from studio.mongodb.v1.index_service_pb2 import IndexSpec

FAR = bson.encode({"at": DatetimeMS(2**62)})
NOT_UTF8 = ejson.build([ejson.Element(2, b"locale", b"\x03\0\0\0\xff\xff\0")])


@pytest.mark.parametrize(
    "document", [FAR, NOT_UTF8], ids=["a time after the year 9999", "a text of other bytes"]
)
def test_the_bytes_are_sent_as_they_are(document: bytes) -> None:
    filter_ = find.driver_filter(document)
    assert "$query" not in filter_  # the driver asks this
    assert bson.encode(filter_) == document
    assert find.driver_collation(document)


@pytest.mark.parametrize("key", [FAR, NOT_UTF8])
def test_keys_that_no_index_has_get_a_name_for_the_server_to_refuse(key: bytes) -> None:
    specification = commands.of_index(IndexSpec(key=ExtendedJson(bson=key)), 0)
    assert building.default_name(specification["key"]).startswith(("at_", "locale_"))
    assert bson.encode(specification["key"]) == key
