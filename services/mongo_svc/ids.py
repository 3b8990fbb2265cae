"""Values of `_id`: of any type, compared and never read as operators."""

from __future__ import annotations

from services.mongo_svc import ejson
from services.mongo_svc.ejson import Value

_STRING, _DOCUMENT, _ARRAY = 0x02, 0x03, 0x04


def behind(query: bytes, id_: Value) -> bytes:
    """The query for those documents of a query whose `_id` comes behind this one, in the order of `_id` over all types.

    `$expr` compares values of all types in the order of a sort, where a plain `$gt` knows its own type alone; the index
    on `_id` gives its bounds since MongoDB 5.0 (https://www.mongodb.com/docs/manual/reference/operator/query/expr/).
    """
    literal = ejson.build([(id_.kind, b"$literal", id_.raw)])
    operands = ejson.build([(_STRING, b"0", b"\x05\0\0\0$_id\0"), (_DOCUMENT, b"1", literal)])
    condition = ejson.build([(_DOCUMENT, b"$expr", ejson.build([(_ARRAY, b"$gt", operands)]))])
    both = ejson.build([(_DOCUMENT, b"0", query), (_DOCUMENT, b"1", condition)])
    return ejson.build([(_ARRAY, b"$and", both)])
