"""Every bound of analysing schemas and testing rules, in one place."""

from __future__ import annotations

from typing import Final

MIB = 1024 * 1024

DEFAULT_SAMPLE: Final = 1_000
"""Documents of a sample when the call doesn't say; the contract allows 10,000."""
DEFAULT_ANALYSIS_S: Final = 30.0
"""Seconds of an analysis when the call doesn't say; the contract allows 120."""
PROPOSAL_S: Final = 10.0
"""Seconds of the analysis behind a proposal, which is one answer and no stream."""
BATCH_DOCUMENTS: Final = 200
"""Documents that the server sends at a time, so that progress shows and little is held."""
EVENT_S: Final = 0.25
"""Seconds between two events of progress."""
TURN_S: Final = 0.005
"""Seconds of work after which others get their turn on the event loop; one large document may take longer."""

MAX_FIELDS: Final = 2_000
"""Fields that are told apart, at all depths: a collection with values as names has as many as documents."""
MAX_DEPTH: Final = 30
"""Levels of documents and arrays that are looked into."""
MAX_ITEMS: Final = 1_000
"""Items of one array that are looked at."""
MAX_DOCUMENT_VALUES: Final = 20_000
"""Values of one document that are looked at: a document of 16 MiB must not stop everybody else."""
MAX_NAME: Final = 1_024
"""Characters of a field's name that are kept."""
MAX_DISTINCT: Final = 1_000
"""Different values that are kept of one type of a field."""
MAX_VALUE: Final = 128
"""Bytes of a value that is kept."""
MAX_VALUES_BYTES: Final = 8 * MIB
"""Bytes of all values that are kept."""
MAX_NUMBERS: Final = 1_000_000
"""Numbers and times that are kept for histograms, 8 bytes each."""
SHOWN_VALUES: Final = 20
"""Most frequent values that a result shows."""
BUCKETS: Final = 20
"""Steps of a histogram."""

MAX_ENUM: Final = 10
"""Different texts that a field may have for them to be proposed as its only values."""
MIN_ENUM_USE: Final = 10
"""How often each must occur on average."""

STEP_DOCUMENTS: Final = 5_000
"""Documents that one step of a test of rules covers."""
DEFAULT_SAMPLES: Final = 10
"""Documents that a test shows when the call doesn't say."""
MAX_SAMPLE_BYTES: Final = 64 * 1024
"""Bytes of a document that a test shows; of a larger one only its `_id`."""
MAX_CLAUSES: Final = 200
"""Single rules that a set of rules is taken apart into, to tell which of them a document breaks."""
EXPLAINED_AT_ONCE: Final = 20
"""Documents of one question to the server which rules they break."""

MAX_ANALYSES: Final = 8
"""Analyses and tests of rules at a time in this process."""
MAX_ANALYSES_OF_ONE_DATABASE: Final = 2
"""They read much: a third one waits for one of the others."""
