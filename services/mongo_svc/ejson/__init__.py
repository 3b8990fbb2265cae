"""BSON documents as Extended JSON and back, exact to the byte, without an object for each field.

Reads what a user sends (`loads`, `loads_value`, `check`) and writes what a database holds (`dumps`, `dumps_many`).
`elements`, `build` and `split` take documents apart and put them together. What Extended JSON can't carry is written as
`{"$bson": {"type": …, "base64": …}}`, at the smallest level at which that is enough, and read back from it.

Errors are `StudioError`: INVALID_ARGUMENT for what a user sent, DB_PROTOCOL_ERROR for bytes of a database that are no
BSON. They name the place and repeat at most a few characters of a value.

https://github.com/mongodb/specifications/blob/master/source/extended-json/extended-json.md, https://bsonspec.org
"""

from services.mongo_svc.ejson.layout import Element, Value, build, check, elements, split
from services.mongo_svc.ejson.reading import loads, loads_value
from services.mongo_svc.ejson.writing import Mode, dumps, dumps_many, dumps_value

__all__ = [
    "Element",
    "Mode",
    "Value",
    "build",
    "check",
    "dumps",
    "dumps_many",
    "dumps_value",
    "elements",
    "loads",
    "loads_value",
    "split",
]
