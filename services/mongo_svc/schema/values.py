"""Sums up the values of one type in a field: how many, how large, which."""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bson.decimal128 import Decimal128

from services.mongo_svc import ejson
from services.mongo_svc.ejson.layout import Kind
from services.mongo_svc.schema import bounds

if TYPE_CHECKING:
    from services.mongo_svc.schema.tally import Budget

_DOUBLE = struct.Struct("<d").unpack
_LATITUDE, _LONGITUDE = 90.0, 180.0


def _integer(raw: bytes) -> float:
    return float(int.from_bytes(raw, "little", signed=True))


def _double(raw: bytes) -> float:
    return float(_DOUBLE(raw)[0])


NUMBERS: Final[dict[int, Callable[[bytes], float]]] = {
    Kind.DOUBLE: _double,
    Kind.INT32: _integer,
    Kind.INT64: _integer,
    Kind.DECIMAL128: lambda raw: float(Decimal128.from_bid(raw).to_decimal()),
    Kind.DATE: _integer,
    Kind.OBJECT_ID: lambda raw: int.from_bytes(raw[:4], "big") * 1000.0,
    Kind.TIMESTAMP: lambda raw: int.from_bytes(raw[4:], "little") * 1000.0,
}
"""What is measured of a value: numbers as they are, times as milliseconds since 1970."""

LENGTHS: Final[dict[int, Callable[[bytes], int]]] = {
    Kind.STRING: lambda raw: len(raw[4:-1].decode("utf-8", "replace")),
    Kind.SYMBOL: lambda raw: len(raw[4:-1].decode("utf-8", "replace")),
    Kind.CODE: lambda raw: len(raw[4:-1].decode("utf-8", "replace")),
    Kind.BINARY: lambda raw: int.from_bytes(raw[:4], "little"),
}
"""Lengths: characters of texts, bytes of binary data."""

WITHOUT_VALUE: Final = frozenset({Kind.NULL, Kind.UNDEFINED, Kind.MIN_KEY, Kind.MAX_KEY})
"""There is one value of each of these types."""


@dataclass(slots=True)
class Range:
    """Smallest, largest and mean."""

    count: int = 0
    min: float = math.inf
    max: float = -math.inf
    total: float = 0.0

    def add(self, number: float) -> None:
        """Adds a number."""
        self.count += 1
        self.total += number
        self.min = min(self.min, number)
        self.max = max(self.max, number)

    @property
    def mean(self) -> float:
        """The mean, kept between the two even where the sum overflows."""
        mean = self.total / self.count
        return mean if math.isfinite(mean) else self.min / 2 + self.max / 2


@dataclass(slots=True)
class Geo:
    """A part of the earth that holds all points."""

    longitudes: Range
    latitudes: Range


class TypeTally:
    """The values of one type in a field.

    Args:
        kind: the type byte.
        budget: what may be kept, shared with all others.
    """

    __slots__ = (
        "_budget",
        "_numbers",
        "count",
        "distinct_truncated",
        "geo",
        "kind",
        "lengths",
        "range",
        "values",
    )

    def __init__(self, kind: int, budget: Budget) -> None:
        self.kind = kind
        self.count = 0
        """Values."""
        self.range = Range()
        """Of numbers and times."""
        self.lengths = Range()
        """Of what has a length."""
        self.values: dict[bytes, int] = {}
        """How often each value occurs, by its bytes."""
        self.distinct_truncated = False
        """There are values that were not kept."""
        self.geo = Geo(Range(), Range())
        """Of points."""
        self._numbers = array("d")
        self._budget = budget

    def add(self, raw: bytes) -> None:
        """Adds a value that is neither document nor array."""
        self.count += 1
        measure = NUMBERS.get(self.kind)
        if measure is not None:
            number = measure(raw)
            if math.isfinite(number):
                self.range.add(number)
                if self._budget.numbers > 0:
                    self._budget.numbers -= 1
                    self._numbers.append(number)
        length = LENGTHS.get(self.kind)
        if length is not None:
            self.lengths.add(length(raw))
        if self.kind not in WITHOUT_VALUE:
            self._keep(raw)

    def add_nested(self, size: int, raw: bytes) -> None:
        """Adds a document or an array, with its number of fields or items."""
        self.count += 1
        self.lengths.add(size)
        point = _point(raw) if self.kind == Kind.DOCUMENT else (_pair(raw) if size == 2 else None)  # noqa: PLR2004
        if point is not None:
            self.geo.longitudes.add(point[0])
            self.geo.latitudes.add(point[1])

    @property
    def is_geo(self) -> bool:
        """All values are points."""
        return self.count == self.geo.longitudes.count > 0

    def most_frequent(self) -> Sequence[tuple[bytes, int]]:
        """The values that occur most, of those that were kept."""
        ranked = sorted(self.values.items(), key=lambda each: (-each[1], each[0]))
        return ranked[: bounds.SHOWN_VALUES]

    def histogram(self) -> list[tuple[float, int]]:
        """Where each step begins and how many values are in it; empty where there is nothing to spread."""
        if not self._numbers:
            return []
        low, high = min(self._numbers), max(self._numbers)
        width = high / bounds.BUCKETS - low / bounds.BUCKETS
        if width <= 0:
            return [(low, len(self._numbers))]
        counts = [0] * bounds.BUCKETS
        for number in self._numbers:
            above = number - low
            # Of the largest doubles the difference is none.
            steps = above / width if math.isfinite(above) else number / width - low / width
            counts[min(int(steps), bounds.BUCKETS - 1)] += 1
        return [(low + at * width, count) for at, count in enumerate(counts)]

    def _keep(self, raw: bytes) -> None:
        seen = self.values.get(raw)
        if seen is not None:
            self.values[raw] = seen + 1
        elif (
            len(raw) > bounds.MAX_VALUE
            or len(self.values) >= bounds.MAX_DISTINCT
            or self._budget.value_bytes < len(raw)
        ):
            self.distinct_truncated = True
        else:
            self._budget.value_bytes -= len(raw)
            self.values[raw] = 1


def _point(document: bytes) -> tuple[float, float] | None:
    """Of a GeoJSON point (https://www.rfc-editor.org/rfc/rfc7946#section-3.1.2)."""
    found = {element.name: element for element in ejson.elements(document)}
    kind, coordinates = found.get(b"type"), found.get(b"coordinates")
    if kind is None or coordinates is None or coordinates.kind != Kind.ARRAY:
        return None
    return _pair(coordinates.raw) if kind.kind == Kind.STRING and kind.raw[4:-1] == b"Point" else None


def _pair(raw: bytes) -> tuple[float, float] | None:
    """Longitude and latitude, where two numbers can be that."""
    numbers: list[float] = []
    for element in ejson.elements(raw):
        if len(numbers) == 2 or element.kind not in (Kind.DOUBLE, Kind.INT32, Kind.INT64):  # noqa: PLR2004
            return None
        numbers.append(NUMBERS[element.kind](element.raw))
    if len(numbers) != 2 or not (abs(numbers[0]) <= _LONGITUDE and abs(numbers[1]) <= _LATITUDE):  # noqa: PLR2004
        return None
    return numbers[0], numbers[1]
