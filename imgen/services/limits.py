"""Limits of requests that cost something: penalty, quota, open jobs and queue.

Penalty and queue are checked for each request, quota and open jobs before anything dear, such as an enhancer or a look-up: the
job's own transaction checks both again, which nothing can race.
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


async def check_penalty(core: Core, principal: Principal) -> None:
    """Checks whether the tenant must wait.

    Raises:
        TooManyBlocked: during its penalty for blocked pictures.
        Unavailable: Redis does not answer.
    """
    remaining_ms = await core.live.run(block_penalty.remaining_ms(principal.quota_owner))
    if remaining_ms > 0:
        raise TooManyBlocked(retry_after_s=math.ceil(remaining_ms / 1000))


async def check_quota(
    core: Core, principal: Principal, *, jobs: int = 1, cost: int = 0, makes_job: bool = True
) -> None:
    """Checks what the tenant's plan and packs have left.

    Args:
        core: the core.
        principal: acts for the tenant.
        jobs: number of pictures to make.
        cost: credits that they cost together.
        makes_job: whether its open jobs count as well.

    Raises:
        QuotaExceeded: its plan has not so many pictures left, or plan and packs not so many credits.
        QueueFull: its plan does not allow so many more open jobs.
    """
    plan = core.plan_of(principal.tenant.plan)
    if not makes_job:
        plan = structs.replace(plan, open_jobs=0)
    await core.database.reading(ledger.check, principal, plan, jobs=jobs, cost=cost, now=core.clock())


async def check_queue(core: Core, *, jobs: int = 1, cache_hits: int | None = 0) -> None:
    """Checks whether too many jobs wait: for finishing if the picture is in the cache, else for rendering.

    Args:
        core: the core.
        jobs: number of new ones.
        cache_hits: number of them whose picture is in the cache; None: not known yet, any may be.

    Raises:
        QueueFull: too many wait.
        Unavailable: Redis does not answer, or takes no writes: the message of a job could not be sent.
    """
    limit = core.settings.jobs.max_queued
    queues = map(render_queue, core.catalog.models)
    room = limit - await core.live.run(waiting.count(queues))  # also tells whether Redis takes a message
    to_finish = max(0, jobs - max(0, room)) if cache_hits is None else cache_hits
    is_full = cache_hits is not None and jobs - cache_hits > max(0, room)
    if to_finish:
        is_full |= to_finish > limit - await BROKER.run(core.publisher.depth, FINISH_QUEUE)
    if is_full:
        raise QueueFull(retry_after_s=10)
