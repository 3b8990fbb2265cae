"""Documents that the driver looks into before it sends them: what Python has no type for reaches the server, too."""

from __future__ import annotations

import bson
import pytest
from bson.datetime_ms import DatetimeMS

from services.mongo_svc import ejson, find

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
