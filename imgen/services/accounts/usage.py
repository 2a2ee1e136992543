"""Usage of a plan by a key and its tenant, and the remainder of it."""

import math

from msgspec import Struct

from imgen.domain.errors import Unavailable
from imgen.domain.principal import Principal
from imgen.live import request_gate
from imgen.records import ledger
from imgen.services.core import Core


class UsageCount(Struct, frozen=True, kw_only=True):
    """Counts of one owner. `pictures` are charged ones; `open` are jobs that wait or run."""

    requests: int
    pictures: int
    open: int


class Limits(Struct, frozen=True, kw_only=True):
    """Limits of the plan, or the remainder of them; None: no limit, or a remainder that is not known."""

    requests_per_minute: int | None
    pictures_per_day: int | None
    pictures_per_month: int | None
    open_jobs: int | None


class Usage(Struct, frozen=True, kw_only=True):
    """Usage of a key and its tenant, with the plan's limits."""

    plan: str
    key: dict[str, UsageCount]
    """`today` and `month`."""
    tenant: dict[str, UsageCount]
    limits: Limits
    remaining: Limits


async def usage(core: Core, principal: Principal) -> Usage:
    """Returns the key's and the tenant's counts for today and this month, the plan's limits and the remainder of them."""
    now = core.clock()
    await core.request_counts.write_if_possible(core.database, now=now)
    key, tenant = principal.counted_as, principal.tenant.id
    owner = principal.quota_owner
    counts = await core.database.reading(ledger.counts, (key, tenant), now=now)
    requests = await _requests(core, key, now)
    day, month = ledger.periods(now)

    def count_of(owner: str, period: str) -> UsageCount:
        count = counts.get((owner, period), ledger.Count())
        return UsageCount(requests=count.requests, pictures=count.pictures, open=count.held)

    plan = core.plan_of(principal.tenant.plan)
    today, this_month = count_of(owner, day), count_of(owner, month)
    open_jobs = counts.get((owner, ledger.OPEN_PERIOD), ledger.Count()).held

    def left(limit: int, used: int | None) -> int | None:
        return max(0, limit - used) if limit and used is not None else None

    return Usage(
        plan=plan.key,
        key={"today": count_of(key, day), "month": count_of(key, month)},
        tenant={"today": count_of(tenant, day), "month": count_of(tenant, month)},
        limits=Limits(
            requests_per_minute=plan.requests_per_minute or None,
            pictures_per_day=plan.pictures_per_day or None,
            pictures_per_month=plan.pictures_per_month or None,
            open_jobs=plan.open_jobs or None,
        ),
        remaining=Limits(
            requests_per_minute=left(plan.requests_per_minute, requests),
            pictures_per_day=left(plan.pictures_per_day, today.pictures + today.open),
            pictures_per_month=left(plan.pictures_per_month, this_month.pictures + this_month.open),
            open_jobs=left(plan.open_jobs, open_jobs),
        ),
    )


async def _requests(core: Core, key_id: str, now: float) -> int | None:
    """Returns the requests of a key in the last minute; None: Redis, which counts them, does not answer."""
    try:
        rate: float = await core.live.run(request_gate.count(key_id, now))
        return math.ceil(rate)
    except Unavailable:
        return None
