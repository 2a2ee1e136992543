"""Usage of a plan by a key and its tenant, the remainder of it, and what is left of the tenant's packs."""

import math
from collections.abc import Sequence

from msgspec import Struct

from imgen.domain.account import Plan, Tenant
from imgen.domain.errors import Unavailable
from imgen.domain.job import utc_text
from imgen.domain.principal import Principal
from imgen.live import request_gate
from imgen.records import ledger, packs
from imgen.records.packs import GrantedPack
from imgen.services.core import Core


class UsageCount(Struct, frozen=True, kw_only=True):
    """Counts of one owner. `pictures` and `credits` are charged; `open` are jobs that wait or run, and hold `credits_held`."""

    requests: int
    pictures: int
    open: int
    credits: int
    credits_held: int


class Limits(Struct, frozen=True, kw_only=True):
    """Limits of the plan, or the remainder of them; None: no limit, or a remainder that is not known."""

    requests_per_minute: int | None
    pictures_per_day: int | None
    pictures_per_month: int | None
    credits_per_day: int | None
    """Credits of the plan; packs add to them."""
    credits_per_month: int | None
    open_jobs: int | None


class PackLeft(Struct, frozen=True, kw_only=True):
    """Pack of credits that is not used up."""

    name: str
    label: str
    credits: int
    """Credits that it was bought with."""
    held: int
    """Credits that open jobs hold of it."""
    left: int
    bought: str
    """UTC, to the second."""


class Usage(Struct, frozen=True, kw_only=True):
    """Usage of a key and its tenant, with the plan's limits."""

    plan: str
    key: dict[str, UsageCount]
    """`today` and `month`."""
    tenant: dict[str, UsageCount]
    limits: Limits
    remaining: Limits
    packs: tuple[PackLeft, ...]
    """In the order in which they are taken, after the plan's own credits."""


class PlanUse(Struct, frozen=True, kw_only=True):
    """Use of a tenant's plan this month."""

    tenant: Tenant
    plan: Plan
    month: ledger.Count
    packs_left: int
    """Credits left in its packs."""


async def plan_uses(core: Core, tenants: Sequence[Tenant]) -> list[PlanUse]:
    """Returns the use of each tenant's plan this month."""
    now, ids = core.clock(), [tenant.id for tenant in tenants]
    counts = await core.database.reading(ledger.counts, ids, now=now)
    left = await core.database.reading(packs.all_credits_left, ids)
    _, month = ledger.periods(now)
    return [
        PlanUse(
            tenant=one,
            plan=core.plan_of(one.plan),
            month=counts.get((one.id, month), ledger.Count()),
            packs_left=left.get(one.id, 0),
        )
        for one in tenants
    ]


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
        return UsageCount(
            requests=count.requests,
            pictures=count.pictures,
            open=count.held,
            credits=count.credits,
            credits_held=count.credits_held,
        )

    plan = core.plan_of(principal.tenant.plan)
    today, this_month, now_open = (
        counts.get((owner, period), ledger.Count()) for period in (day, month, ledger.OPEN_PERIOD)
    )
    granted = await core.database.reading(packs.of_tenant, tenant)

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
            credits_per_day=plan.credits_per_day or None,
            credits_per_month=plan.credits_per_month or None,
            open_jobs=plan.open_jobs or None,
        ),
        remaining=Limits(
            requests_per_minute=left(plan.requests_per_minute, requests),
            pictures_per_day=left(plan.pictures_per_day, today.pictures + today.held),
            pictures_per_month=left(plan.pictures_per_month, this_month.pictures + this_month.held),
            credits_per_day=left(plan.credits_per_day, today.plan_credits),
            credits_per_month=left(plan.credits_per_month, this_month.plan_credits),
            open_jobs=left(plan.open_jobs, now_open.held),
        ),
        packs=tuple(_pack_left(core, pack) for pack in granted),
    )


def _pack_left(core: Core, pack: GrantedPack) -> PackLeft:
    known = core.configured.packs.get(pack.name)
    return PackLeft(
        name=pack.name,
        label=known.label if known else pack.name,
        credits=pack.credits,
        held=pack.held,
        left=pack.left,
        bought=utc_text(pack.granted_at),
    )


async def _requests(core: Core, key_id: str, now: float) -> int | None:
    """Returns the requests of a key in the last minute; None: Redis, which counts them, does not answer."""
    try:
        rate: float = await core.live.run(request_gate.count(key_id, now))
        return math.ceil(rate)
    except Unavailable:
        return None
