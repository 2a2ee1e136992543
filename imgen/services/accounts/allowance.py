"""Allowance of a tenant: pictures that it may still make, by its plan and its packs together."""

from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import Connection

from imgen.domain.account import Plan
from imgen.domain.principal import Principal
from imgen.records import ledger, packs
from imgen.services.core import Core


class Allowance(Struct, frozen=True, kw_only=True):
    """Allowance at one moment."""

    pictures: int | None
    """Pictures that may still be made, without those that open jobs hold; None: no limit."""
    is_of_pack: bool
    """Whether packs give some of the jobs that it was asked for, the plan's own credits being used up."""


async def allowance(core: Core, principal: Principal, job_ids: Sequence[str], *, cost: int) -> Allowance:
    """Returns the allowance of a principal's tenant. On a plan without limits nothing is read: a poll tells it too.

    Args:
        core: the core.
        principal: acts for the tenant.
        job_ids: jobs of the tenant.
        cost: credits of each picture.

    Raises:
        Retryable: the database does not answer.
    """
    plan = core.plan_of(principal.tenant.plan)
    if not (_limits_credits(plan) or plan.pictures_per_day or plan.pictures_per_month):
        return Allowance(pictures=None, is_of_pack=False)
    return await core.database.reading(_read, principal, plan, job_ids, cost=cost, now=core.clock())


def _read(
    connection: Connection, principal: Principal, plan: Plan, job_ids: Sequence[str], *, cost: int, now: float
) -> Allowance:
    owner, (day, month) = principal.quota_owner, ledger.periods(now)
    sums = ledger.counts(connection, (owner,), now=now)
    today, this_month = (sums.get((owner, period), ledger.Count()) for period in (day, month))
    limits = (
        (plan.pictures_per_day, today.pictures + today.held),
        (plan.pictures_per_month, this_month.pictures + this_month.held),
    )
    left = [limit - used for limit, used in limits if limit]
    credit_limits = ((plan.credits_per_day, today.plan_credits), (plan.credits_per_month, this_month.plan_credits))
    credits_left = [limit - used for limit, used in credit_limits if limit]
    if credits_left and cost:
        of_packs = packs.credits_left(connection, principal.tenant.id)
        left.append((max(0, min(credits_left)) + of_packs) // cost)
    return Allowance(
        pictures=max(0, min(left)) if left else None,
        is_of_pack=_limits_credits(plan) and ledger.takes_packs(connection, job_ids),
    )


def _limits_credits(plan: Plan) -> bool:
    """Returns whether a plan has credits that can be used up; only then packs give some."""
    return bool(plan.credits_per_day or plan.credits_per_month)
