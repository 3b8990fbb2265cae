"""Every bound of aggregations and of plans, in one place."""

from __future__ import annotations

from typing import Final

DEFAULT_DOCUMENTS: Final = 100
"""Documents that a pipeline's answer holds when the call doesn't say."""
MAX_DOCUMENTS: Final = 10_000
"""Documents that a caller may ask for in one answer; a stream has no such bound."""
STREAM_BATCH_S: Final = 60.0
"""Seconds that the server may work on each batch of a stream."""

MAX_STREAMS: Final = 32
"""Streams of pipelines at a time in this process."""
MAX_STREAMS_OF_ONE_DATABASE: Final = 4
"""They hold a connection each while the server works on a batch."""

PREVIEW_DOCUMENTS: Final = 10
"""Documents that a preview shows of each stage when the call doesn't say."""
PREVIEW_SAMPLE: Final = 100_000
"""Documents that a preview lets into the pipeline when the call doesn't say."""
PREVIEW_STAGES: Final = 50
"""Stages of a pipeline that can be previewed."""
PREVIEW_AT_ONCE: Final = 3
"""Stages of one preview that the server works on at a time: less than the connections that one database may have."""
PREVIEW_BYTES: Final = 8 * 1024 * 1024
"""Bytes of documents of a whole preview; each stage may show its part."""
PREVIEW_RESERVE_S: Final = 0.75
"""Seconds of the call that are left for putting the answer together."""

MAX_PLAN_STAGES: Final = 2_000
"""Stages of a plan that are taken apart; a sharded cluster's plan repeats itself for each shard."""
MAX_INDEX_FIELDS: Final = 6
"""Fields of a proposed index: more are rarely of use."""
FEW_DOCUMENTS: Final = 1_000
"""Up to so many documents, reading all of them is no reason for an index by itself."""
WARN_RATIO: Final = 10.0
"""Documents read for each one returned, from which on an index fits badly."""
BAD_RATIO: Final = 100.0
"""The same, from which on it hardly helps."""
FEW_CHOICES: Final = 200
"""Values of an `$in` up to which it is like comparing for equality:
https://www.mongodb.com/docs/manual/tutorial/equality-sort-range-guideline/"""
