"""Ledger of pictures, append-only, and its running sums: one hold a job, then one charge or release."""

import calendar
import time
from collections.abc import Iterable

from msgspec import Struct
from sqlalchemy import Connection, insert, select, update

from imgen.domain.account import Plan
from imgen.domain.errors import QueueFull, QuotaExceeded
from imgen.domain.job import Job
from imgen.records.database import upsert
from imgen.records.tables.ledger import counters, ledger

OPEN_PERIOD = "open"
"""Period of the count of a tenant's open jobs."""


class Count(Struct, frozen=True, kw_only=True):
    """Sums of one owner in one period."""

    requests: int = 0
    held: int = 0
    pictures: int = 0


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
    """Reserves one picture for a job, in the transaction that inserts it.

    Raises:
        QuotaExceeded: the plan's pictures for today or this month are used up, open jobs included.
        QueueFull: the tenant has as many open jobs as the plan allows.
    """
    day, month = periods(job.created_at)
    _reserve(connection, job.tenant_id, OPEN_PERIOD, plan.open_jobs, QueueFull(retry_after_s=5))
    for period, limit, is_month in ((day, plan.pictures_per_day, False), (month, plan.pictures_per_month, True)):
        over = QuotaExceeded(retry_after_s=seconds_left(job.created_at, month=is_month))
        _reserve(connection, job.tenant_id, period, limit, over)
        _reserve(connection, job.key_id, period, 0, over)
    connection.execute(insert(ledger).values(_entry(job, "hold", job.created_at)))


def settle(connection: Connection, job: Job, *, charge: bool, now: float) -> None:
    """Turns the job's hold into a charge or a release. The primary key allows one."""
    connection.execute(insert(ledger).values(_entry(job, "charge" if charge else "release", now)))
    day, month = periods(job.created_at)
    for owner, period in (
        (job.tenant_id, OPEN_PERIOD),
        *((o, p) for o in (job.tenant_id, job.key_id) for p in (day, month)),
    ):
        connection.execute(
            update(counters)
            .where(counters.c.owner == owner, counters.c.period == period)
            .values(held=counters.c.held - 1, pictures=counters.c.pictures + int(charge))
        )


def add_requests(connection: Connection, requests: Iterable[tuple[str, int]], *, now: float) -> None:
    """Adds (owner, number) to the request counts of today and this month."""
    for owner, number in requests:
        for period in periods(now):
            _count(connection, owner, period, requests=number)


def counts(connection: Connection, owners: Iterable[str], *, now: float) -> dict[tuple[str, str], Count]:
    """Returns (owner, period) → sums, for today, this month and the open jobs; periods without an entry are left out."""
    query = select(counters).where(
        counters.c.owner.in_(list(owners)), counters.c.period.in_([*periods(now), OPEN_PERIOD])
    )
    return {
        (row.owner, row.period): Count(requests=row.requests, held=row.held, pictures=row.pictures)
        for row in connection.execute(query)
    }


def _reserve(connection: Connection, owner: str, period: str, limit: int, over: Exception) -> None:
    _count(connection, owner, period, held=1)
    if not limit:
        return
    used = select(counters.c.held + counters.c.pictures * int(period != OPEN_PERIOD))
    if connection.execute(used.where(counters.c.owner == owner, counters.c.period == period)).scalar_one() > limit:
        raise over


def _count(connection: Connection, owner: str, period: str, **more: int) -> None:
    """Adds to the sums of an owner. The row stays locked until the transaction ends, so a limit cannot be raced."""
    sums = {name: counters.c[name] + value for name, value in more.items()}
    upsert(connection, counters, {"owner": owner, "period": period, **more}, update=sums)


def _entry(job: Job, kind: str, at: float) -> dict[str, object]:
    return {
        "job_id": job.id,
        "kind": kind,
        "tenant_id": job.tenant_id,
        "key_id": job.key_id,
        "pictures": 1,
        "at": at,
    }
