"""Limits of requests that cost something: penalty, quota, open jobs and queue.

They are checked before anything dear, such as an enhancer or a look-up; the job's own transaction checks quota and open jobs
again, which nothing can race.
"""

import math

from msgspec import structs

from imgen.domain.errors import QueueFull, TooManyBlocked
from imgen.domain.job import FINISH_QUEUE, render_queue
from imgen.domain.principal import Principal
from imgen.live import block_penalty, waiting
from imgen.records import ledger
from imgen.services.core import Core
from imgen.threads import BROKER


async def check_principal(core: Core, principal: Principal, *, makes_job: bool = True) -> None:
    """Checks what the tenant may do now; `makes_job`: its open jobs count as well.

    Raises:
        TooManyBlocked: during its penalty for blocked pictures.
        QuotaExceeded: its plan's pictures are used up.
        QueueFull: it has as many open jobs as its plan allows.
        Unavailable: Redis does not answer.
    """
    remaining_ms = await core.live.run(block_penalty.remaining_ms(principal.tenant.id))
    if remaining_ms > 0:
        raise TooManyBlocked(retry_after_s=math.ceil(remaining_ms / 1000))
    plan = core.plan_of(principal.tenant.plan)
    if not makes_job:
        plan = structs.replace(plan, open_jobs=0)
    await core.database.reading(ledger.check, principal.tenant.id, plan, now=core.clock())


async def check_queue(core: Core, *, is_cache_hit: bool | None) -> None:
    """Checks whether too many jobs wait: for finishing if the picture is in the cache, else for rendering.

    Args:
        core: the core.
        is_cache_hit: None: not known yet, so that both queues must be full.

    Raises:
        QueueFull: too many wait.
        Unavailable: Redis does not answer, or takes no writes: the message of a job could not be sent.
    """
    limit = core.settings.jobs.max_queued
    queues = map(render_queue, core.catalog.models)
    is_full = await core.live.run(waiting.count(queues)) >= limit  # also tells whether Redis takes a message
    if is_cache_hit or (is_cache_hit is None and is_full):
        is_full = await BROKER.run(core.publisher.depth, FINISH_QUEUE) >= limit
    if is_full:
        raise QueueFull(retry_after_s=10)
