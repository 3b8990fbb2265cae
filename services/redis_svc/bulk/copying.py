"""Copies keys to another Redis: DUMP here, RESTORE there, the time to live with them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Sequence

from services.redis_svc.bulk.job import Job
from services.redis_svc.bulk.reading import Entry, dumps
from services.redis_svc.bulk.restoring import restore_command, restore_failure
from services.redis_svc.bulk.selection import Progress
from services.redis_svc.client import RedisClient
from services.redis_svc.replies import ServerError


async def copy(job: Job, target: RedisClient, *, overwrite: bool) -> AsyncGenerator[Progress, None]:
    """Copies the selected keys.

    Args:
        job: of the source.
        target: the other Redis.
        overwrite: whether keys that it has are replaced; they count as failed otherwise.

    Raises:
        StudioError: either end is lost, or takes no writes; …
    """

    def refuse(entry: Entry, why: str) -> None:
        job.fail(entry.name, why)

    async with contextlib.aclosing(dumps(job, job.bounds.max_copy_bytes, refuse)) as dumped:
        async for source, values, ends in dumped:
            await _restore(job, target, values, overwrite=overwrite)
            if ends:
                job.finish(source.batch)
            if await job.is_due():
                yield job.progress()
    yield job.progress(done=True)


async def _restore(
    job: Job, target: RedisClient, group: Sequence[tuple[Entry, bytes]], *, overwrite: bool
) -> None:
    if not group:
        return
    commands = [
        (entry.name, restore_command(entry.name, entry.ttl_ms, dump, overwrite=overwrite))
        for entry, dump in group
    ]
    # Restoring the same twice does no harm where keys are replaced.
    replies = await target.execute_many(commands, repeatable=overwrite)
    for (name, _), reply in zip(commands, replies, strict=True):
        if isinstance(reply, ServerError):
            job.fail(name, restore_failure(reply))
        else:
            job.succeed()
