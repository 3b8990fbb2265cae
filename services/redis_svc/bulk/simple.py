"""Preview, delete and expire: one small command a key."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from services.redis_svc.bulk.job import Job
from services.redis_svc.bulk.selection import Progress
from services.redis_svc.bulk.walk import Batch
from services.redis_svc.replies import Reply, ServerError, bulk, prefix


def preview(job: Job, *, with_memory: bool) -> AsyncGenerator[Progress, None]:
    """Counts, and measures the memory where that is wanted."""
    behind = bulk(b"SAMPLES") + bulk(b"%d" % job.client.limits.memory_samples)

    async def measure(batch: Batch) -> None:
        if not with_memory:
            return
        replies = await _ask(batch, prefix(5, (b"MEMORY", b"USAGE")), behind)
        job.counts.memory_bytes = max(job.counts.memory_bytes, 0)
        for name, reply in zip(batch.names, replies, strict=True):
            if isinstance(reply, ServerError):
                job.take_error(name, reply, "MEMORY USAGE")
            elif isinstance(reply, int):
                job.counts.memory_bytes += reply

    return job.run(measure)


def delete(job: Job) -> AsyncGenerator[Progress, None]:
    """Removes the keys; the server frees their memory beside its other work (UNLINK)."""

    async def unlink(batch: Batch) -> None:
        # Executing it twice does no harm; a key counts once in either case, or not at all.
        replies = await _ask(batch, prefix(2, (b"UNLINK",)))
        _count(job, batch.names, replies, "UNLINK")

    return job.run(unlink)


def expire(job: Job, ttl_ms: int | None) -> AsyncGenerator[Progress, None]:
    """Sets the time to live, or removes it."""

    async def set_expiry(batch: Batch) -> None:
        if ttl_ms is None:
            replies = await _ask(batch, prefix(2, (b"PERSIST",)))
            # 0: it had none, which is what was asked for.
            _count(job, batch.names, [1 if reply == 0 else reply for reply in replies], "PERSIST")
            return
        replies = await _ask(batch, prefix(3, (b"PEXPIRE",)), bulk(b"%d" % ttl_ms))
        _count(job, batch.names, replies, "PEXPIRE")

    return job.run(set_expiry)


async def _ask(batch: Batch, before: bytes, behind: bytes = b"") -> list[Reply]:
    payload = b"".join([b"%b$%d\r\n%b\r\n%b" % (before, len(name), name, behind) for name in batch.names])
    return await batch.link.request(payload, len(batch.names))


def _count(job: Job, names: Sequence[bytes], replies: Sequence[Reply], command: str) -> None:
    for name, reply in zip(names, replies, strict=True):
        if isinstance(reply, ServerError):
            job.take_error(name, reply, command)
        elif reply == 1:
            job.succeed()  # 0: somebody else removed it
