"""Where the asyncio tasks of this process wait: what a test that ran into its time limit hung on."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import Iterator


def pending_tasks() -> str:
    """A paragraph per task that isn't done: its name, then the lines at which its coroutines wait, outermost first."""
    tasks = (each for each in gc.get_objects() if type(each) is asyncio.Task and not each.done())
    return "\n\n".join("\n".join((task.get_name(), *_lines(task.get_coro()))) for task in tasks)


def _lines(waiting: object) -> Iterator[str]:
    while inspect.iscoroutine(waiting) and waiting.cr_frame is not None:
        code = waiting.cr_code
        yield f"  {code.co_filename}:{waiting.cr_frame.f_lineno} in {code.co_qualname}"
        waiting = waiting.cr_await
    yield f"  {waiting!r}"
