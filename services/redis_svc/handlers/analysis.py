"""A report of a memory analysis as a message."""

from __future__ import annotations

from services.redis_svc.handlers import blobs
from services.redis_svc.server.tally import EXPIRY, NAMESPACES, Ranked, Tally
from services.runtime.durations import milliseconds
from studio.redis.v1 import memory_analysis_pb2 as memory_pb

UNKNOWN = -1


def report_of(tally: Tally) -> memory_pb.AnalyzeMemoryResponse:
    """What is known by now. Where the server tells no memory, each such figure is -1."""
    known = tally.knows_memory or not tally.analyzed
    prefixes, others = tally.prefixes.largest(NAMESPACES)
    namespaces = [
        memory_pb.NamespaceMemory(
            prefix=blobs.to_blob(prefix), keys=each.keys, memory_bytes=each.memory if known else UNKNOWN
        )
        for prefix, each in prefixes
    ]
    if others.keys:
        namespaces.append(
            memory_pb.NamespaceMemory(
                prefix=blobs.to_blob(b""),
                keys=others.keys,
                memory_bytes=others.memory if known else UNKNOWN,
                others=True,
            )
        )
    return memory_pb.AnalyzeMemoryResponse(
        scanned=tally.scanned,
        total_estimate=tally.total,
        memory_bytes=tally.memory if known else UNKNOWN,
        largest=map(_key, tally.largest.ranked()),
        longest=map(_key, tally.longest.ranked()),
        namespaces=namespaces,
        types=[
            memory_pb.TypeMemory(
                type=name,
                keys=each.keys,
                memory_bytes=each.memory if known else UNKNOWN,
                length=each.length,
            )
            for name, each in sorted(tally.types.items(), key=lambda item: (-item[1].memory, -item[1].keys))
        ],
        expiry=[
            memory_pb.ExpiryBucket(
                label=label, keys=each.keys, memory_bytes=each.memory if known else UNKNOWN
            )
            for label, each in zip(EXPIRY, tally.expiry, strict=True)
        ],
        done=tally.done,
        elapsed_ms=milliseconds(tally.elapsed_s),
        analyzed=tally.analyzed,
        truncated=tally.truncated,
    )


def _key(ranked: Ranked) -> memory_pb.KeyMemory:
    return memory_pb.KeyMemory(
        key=blobs.to_blob(ranked.name, ranked.name_length),
        type=ranked.type,
        memory_bytes=ranked.memory,
        length=ranked.length,
    )
