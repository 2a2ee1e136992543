"""Waiting of a tool for the end of a job, with progress that its caller is told; ends early when the server is to stop."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from imgen.domain.errors import Retryable
from imgen.domain.job import State
from imgen.services.following import follow
from imgen.services.jobs import RENDER_SHARE, JobStatus
from imgen.surfaces.mcp.call import McpCall

TellProgress = Callable[[float, str], Awaitable[None]]
"""Tells the share of the work done, 0–1, more than before, and a sentence."""


async def wait_for_end(call: McpCall, job_id: str, *, wait_s: float, tell: TellProgress | None) -> None:
    """Waits until a job has ended, or until nothing was told for a while.

    Args:
        call: the call.
        job_id: a job of its tenant.
        wait_s: longest time beyond the last progress that was told.
        tell: tells progress; None: the caller wants none.
    """
    loop, control = asyncio.get_running_loop(), call.control
    try:
        async with asyncio.timeout(wait_s) as limit:
            control.when_stopping(lambda: limit.reschedule(loop.time()))
            if tell is not None:
                with contextlib.suppress(Retryable):  # its end comes all the same
                    await _follow(call, job_id, tell, lambda: limit.reschedule(loop.time() + wait_s))
            await call.core.awaiting.ends(call.principal.tenant.id, [job_id], timeout_s=wait_s)
    except TimeoutError:
        return
    finally:
        control.when_stopping(None)


async def _follow(call: McpCall, job_id: str, tell: TellProgress, told: Callable[[], None]) -> None:
    latest = -1.0
    async with (
        follow(call.core, call.principal, [job_id], after=None) as followed,
        contextlib.aclosing(followed.updates()) as updates,
    ):
        async for update in updates:
            share = None if update.status is None else update.status.progress
            if update.status is None or share is None or share <= latest:
                continue
            latest = share
            await tell(share, _sentence(update.status))
            told()


def _sentence(status: JobStatus) -> str:
    if status.view.state is State.QUEUED:
        return "Waiting" if status.position is None else f"Waiting at position {status.position}"
    if status.view.state is State.RENDERING and (status.progress or 0) < RENDER_SHARE:
        return "Drawing" if status.progress else "Loading the model"
    return "Reviewing and signing"
