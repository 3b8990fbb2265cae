"""Every bound of reading and writing Extended JSON, in one place."""

from typing import Final

MAX_DEPTH: Final = 200
"""Levels of documents and arrays in each other, the outermost included: what MongoDB's servers take by default."""
MAX_PLAIN_INTEGER: Final = 2**53
"""Up to it, a 64-bit integer is a plain number in relaxed text: JavaScript can't tell larger ones apart."""
CACHED_NAMES: Final = 8192
"""Names of fields whose form is kept, for reading and for writing; then all are forgotten."""
CACHED_NAME_LENGTH: Final = 64
"""Longest name that is kept: bytes when writing, characters when reading."""
CACHED_VALUES: Final = 4096
"""Decimals and days whose text is kept; the least recently used ones are forgotten."""
MAX_DECIMAL_LENGTH: Final = 6500
"""Characters of a decimal: enough for the longest exact text of one (34 digits and 6,144 zeros, a sign and a dot)."""
SHOWN_LENGTH: Final = 12
"""Characters of a value that an error repeats."""
SHOWN_NAME_LENGTH: Final = 40
"""Characters of one name in the place that an error names."""
SHOWN_PLACE_NAMES: Final = 12
"""Names in the place that an error names; of a longer place the innermost ones."""
