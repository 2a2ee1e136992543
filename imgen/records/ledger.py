"""Ledger of pictures and credits, append-only, and its running sums: one hold a job, then one charge or release.

A job costs one picture and its credits. The plan's day and month give credits first, then the tenant's packs (packs.py).
Rows of the sums are locked in the order of owner and period, in each transaction that changes several: none waits in a circle.
After them a transaction may lock packs, then rows of the semantic cache, and last the tenant's counter of events (job_events.py);
before them only the row of its job.
"""

import calendar
import functools
import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from msgspec import Struct, structs
from sqlalchemy import Connection, Row, bindparam, insert, literal, select, update

from imgen.domain.account import Plan
from imgen.domain.errors import QueueFull, QuotaExceeded
from imgen.domain.job import Job
from imgen.domain.principal import Principal
from imgen.records import packs
from imgen.records.database import DIALECT_INSERTS
from imgen.records.tables.ledger import counters, ledger

OPEN_PERIOD = "open"
"""Period of the count of open jobs: a tenant's, and those of an anonymous caller."""


class Count(Struct, frozen=True, kw_only=True):
    """Sums of one owner in one period."""

    requests: int = 0
    held: int = 0
    """Pictures of open jobs."""
    pictures: int = 0
    """Charged pictures."""
    credits_held: int = 0
    credits: int = 0
    plan_credits: int = 0
    """Credits of the plan that are held or charged; packs gave the others."""


def periods(at: float) -> tuple[str, str]:
    """Returns day and month (UTC) of a time: `2026-11-21`, `2026-11`."""
    utc = time.gmtime(at)
    return time.strftime("%Y-%m-%d", utc), time.strftime("%Y-%m", utc)


def seconds_left(now: float, *, month: bool) -> int:
    """Returns seconds until the present day or month (UTC) ends, for `Retry-After`."""
    utc = time.gmtime(now)
    year, following = (utc.tm_year + 1, 1) if utc.tm_mon == 12 else (utc.tm_year, utc.tm_mon + 1)  # noqa: PLR2004 - December
    day_end = (int(now) // 86400 + 1) * 86400
    if not month:
        return int(day_end - now) + 1
    start = time.strptime(f"{year}-{following:02}-01 UTC", "%Y-%m-%d %Z")
    return calendar.timegm(start) - int(now) + 1


def hold(connection: Connection, job: Job, plan: Plan) -> None:
    """Reserves one picture and the job's credits, in the transaction that inserts it.

    Raises:
        QuotaExceeded: the plan's pictures for today or this month are used up, open jobs included, or its credits and the
            tenant's packs.
        QueueFull: the owner of the quota has as many open jobs as the plan allows.
    """
    cost, keys, now = job.recipe.credits, _keys(job), job.created_at
    sums = _add(connection, dict.fromkeys(keys, Count(held=1, credits_held=cost, plan_credits=cost)))
    _keep(sums, job.quota_owner, plan, jobs=0, now=now)
    beyond, is_month = _beyond_plan(sums, job.quota_owner, plan, more=0, now=now)
    of_packs = min(cost, beyond)
    if of_packs:
        if not packs.hold(connection, job.tenant_id, job.id, of_packs):
            raise QuotaExceeded(retry_after_s=seconds_left(now, month=is_month))
        _change(connection, keys, Count(plan_credits=-of_packs))
    entry = _entry(job, "hold", now) | {"credits": cost, "plan_credits": cost - of_packs}
    connection.execute(insert(ledger), entry)


def check(
    connection: Connection, principal: Principal, plan: Plan, *, jobs: int = 1, cost: int = 0, now: float
) -> None:
    """Checks whether `hold` would succeed now for that many jobs of that cost in credits together, without a reservation.

    Raises:
        QuotaExceeded, QueueFull: as for `hold`.
    """
    owner = principal.quota_owner
    sums = counts(connection, (owner,), now=now)
    _keep(sums, owner, plan, jobs=jobs, now=now)
    beyond, is_month = _beyond_plan(sums, owner, plan, more=cost, now=now)
    of_packs = min(cost, beyond)
    if of_packs and packs.credits_left(connection, principal.tenant.id) < of_packs:
        raise QuotaExceeded(retry_after_s=seconds_left(now, month=is_month))


def settle(connection: Connection, job: Job, *, charge: bool, now: float) -> None:
    """Turns the job's hold into a charge or a release of the same amount and sources. The primary key allows one."""
    kind = literal("charge" if charge else "release")
    copied = ("job_id", "tenant_id", "key_id", "pictures", "credits", "plan_credits")
    held = select(*(ledger.c[name] for name in copied), kind, literal(now))
    held = held.where(ledger.c.job_id == job.id, ledger.c.kind == "hold")
    entry = insert(ledger).from_select([*copied, "kind", "at"], held)
    row = connection.execute(entry.returning(ledger.c.credits, ledger.c.plan_credits)).first()
    if row is None:
        return  # nothing was held for it
    settled = Count(held=-1, credits_held=-row.credits, pictures=1, credits=row.credits)
    if not charge:
        settled = Count(held=-1, credits_held=-row.credits, plan_credits=-row.plan_credits)
    _change(connection, _keys(job), settled)
    if row.plan_credits < row.credits:
        packs.settle(connection, job.id, charge=charge)


def takes_packs(connection: Connection, job_ids: Collection[str]) -> bool:
    """Returns whether credits of packs were held for one of these jobs."""
    beyond = select(ledger.c.job_id).where(
        ledger.c.job_id.in_(job_ids), ledger.c.kind == "hold", ledger.c.plan_credits < ledger.c.credits
    )
    return connection.execute(beyond.limit(1)).first() is not None


def add_requests(connection: Connection, requests: Iterable[tuple[str, int]], *, now: float) -> None:
    """Adds (owner, number) to the request counts of today and this month."""
    _add(connection, {(owner, period): Count(requests=n) for owner, n in requests for period in periods(now)})


def counts(connection: Connection, owners: Iterable[str], *, now: float) -> dict[tuple[str, str], Count]:
    """Returns (owner, period) → sums, for today, this month and the open jobs; periods without an entry are left out."""
    query = select(counters).where(
        counters.c.owner.in_(list(owners)), counters.c.period.in_([*periods(now), OPEN_PERIOD])
    )
    return {(row.owner, row.period): _count(row) for row in connection.execute(query)}


def counts_of(connection: Connection, owner: str, days: Collection[str]) -> dict[str, Count]:
    """Returns day → sums of one owner; days without an entry are left out."""
    query = select(counters).where(counters.c.owner == owner, counters.c.period.in_(days))
    return {row.period: _count(row) for row in connection.execute(query)}


def month_counts(connection: Connection, *, now: float) -> dict[str, Count]:
    """Returns the sums of this month by owner, of all owners."""
    _, month = periods(now)
    return {row.owner: _count(row) for row in connection.execute(select(counters).where(counters.c.period == month))}


def _keys(job: Job) -> set[tuple[str, str]]:
    """Returns (owner, period) of the sums that a job counts in: of its tenant and of the principal who asked for it."""
    owners = (job.tenant_id, job.counted_as)
    open_jobs = {(job.tenant_id, OPEN_PERIOD), (job.quota_owner, OPEN_PERIOD)}
    return open_jobs | {(owner, period) for owner in owners for period in periods(job.created_at)}


def _keep(sums: Mapping[tuple[str, str], Count], owner: str, plan: Plan, *, jobs: int, now: float) -> None:
    """Raises QuotaExceeded or QueueFull if the sums of an owner and that many further jobs are over the plan's limits."""
    day, month = periods(now)
    for period, limit, over in (
        (OPEN_PERIOD, plan.open_jobs, QueueFull(retry_after_s=5)),
        (day, plan.pictures_per_day, QuotaExceeded(retry_after_s=seconds_left(now, month=False))),
        (month, plan.pictures_per_month, QuotaExceeded(retry_after_s=seconds_left(now, month=True))),
    ):
        used = sums.get((owner, period), Count())
        if limit and jobs + used.held + (0 if period == OPEN_PERIOD else used.pictures) > limit:
            raise over


def _beyond_plan(
    sums: Mapping[tuple[str, str], Count], owner: str, plan: Plan, *, more: int, now: float
) -> tuple[int, bool]:
    """Returns the credits, with that many more, that are beyond the plan's day or month, and whether the month lacks most."""
    if not (plan.credits_per_day or plan.credits_per_month):
        return 0, False
    day, month = periods(now)
    used = {period: sums.get((owner, period), Count()).plan_credits + more for period in (day, month)}
    today = used[day] - plan.credits_per_day if plan.credits_per_day else 0
    this_month = used[month] - plan.credits_per_month if plan.credits_per_month else 0
    return max(0, today, this_month), this_month >= today


def _add(connection: Connection, more: Mapping[tuple[str, str], Count]) -> dict[tuple[str, str], Count]:
    """Adds to sums by (owner, period), and returns them. The rows stay locked to the end, so a limit cannot be raced."""
    rows = [{"owner": owner, "period": period, **structs.asdict(more[owner, period])} for owner, period in sorted(more)]
    sums = {}
    if rows:
        for row in connection.execute(_adding(connection.dialect.name), rows):
            sums[row.owner, row.period] = _count(row)
    return sums


@functools.cache
def _adding(dialect: str) -> Any:
    """Makes the statement that adds to rows of sums, and returns them; each dialect has its own."""
    new = DIALECT_INSERTS[dialect](counters)
    added = {name: counters.c[name] + new.excluded[name] for name in Count.__struct_fields__}
    return new.on_conflict_do_update(index_elements=counters.primary_key, set_=added).returning(counters)


def _change(connection: Connection, keys: Iterable[tuple[str, str]], more: Count) -> None:
    """Adds to sums that are there already."""
    change = update(counters).where(counters.c.owner == bindparam("of"), counters.c.period == bindparam("within"))
    added = {name: counters.c[name] + value for name, value in structs.asdict(more).items() if value}
    connection.execute(change.values(added), [{"of": owner, "within": period} for owner, period in sorted(keys)])


def _count(row: Row[tuple[object, ...]]) -> Count:
    return Count(**{name: getattr(row, name) for name in Count.__struct_fields__})


def _entry(job: Job, kind: str, at: float) -> dict[str, object]:
    return {
        "job_id": job.id,
        "kind": kind,
        "tenant_id": job.tenant_id,
        "key_id": job.counted_as,
        "pictures": 1,
        "at": at,
    }
