"""Events of jobs in SQL: one row for each transition, written with it, numbered by tenant in the order of the commits.

Rows are written as the last step of a transaction: a tenant's counter is the last row that it locks (see ledger.py for those
before it), so nothing waits in a circle, and whoever sees a number sees all lower ones.
"""

import functools
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, bindparam, delete, func, insert, select

from imgen.domain.job import Job, State, rank_of
from imgen.records import clock
from imgen.records.database import DIALECT_INSERTS
from imgen.records.last_steps import at_the_end
from imgen.records.tables.events import event_numbers, job_events

KEPT_S = 24 * 3600
_STATES = frozenset(State)
_Noted = tuple[str, str, str, int]
"""Tenant, job, state, fence."""


class JobEvent(Struct, frozen=True, kw_only=True):
    """Transition of a job."""

    number: int
    """Place among the events of its tenant."""
    job_id: str
    state: State
    fence: int

    @property
    def rank(self) -> int:
        """Place among the transitions of an open job; see `rank_of`."""
        return rank_of(self.state, self.fence)


def note(connection: Connection, job: Job) -> None:
    """Notes that the transaction moves a job to the state that it has now, or makes it."""
    at_the_end(connection, _write, (job.tenant_id, job.id, job.state.value, job.fence))


def latest(connection: Connection, tenant_ids: Iterable[str]) -> dict[str, int]:
    """Returns tenant → number of its latest event; tenants without one are left out."""
    query = select(event_numbers).where(event_numbers.c.tenant_id.in_(list(tenant_ids)))
    return {row.tenant_id: row.latest for row in connection.execute(query)}


def oldest(connection: Connection, tenant_id: str) -> int | None:
    """Returns the number of a tenant's oldest event that is kept; None: there is none."""
    query = select(func.min(job_events.c.number)).where(job_events.c.tenant_id == tenant_id)
    return connection.execute(query).scalar()


def since(
    connection: Connection, tenant_id: str, number: int, *, limit: int, job_ids: Collection[str] = ()
) -> list[JobEvent]:
    """Lists a tenant's events after a number, in their order; of these jobs, or of all.

    States of a newer version are left out.
    """
    query = select(job_events).where(job_events.c.tenant_id == tenant_id, job_events.c.number > number)
    if job_ids:
        query = query.where(job_events.c.job_id.in_(list(job_ids)))
    rows = connection.execute(query.order_by(job_events.c.number).limit(limit))
    return [
        JobEvent(number=row.number, job_id=row.job_id, state=State(row.state), fence=row.fence)
        for row in rows
        if row.state in _STATES
    ]


def delete_old(connection: Connection, *, limit: int, now: float | None = None) -> int:
    """Deletes some of the events that are older than KEPT_S; returns their number."""
    old = (
        select(job_events.c.tenant_id, job_events.c.number)
        .where(job_events.c.at < clock.at(now) - KEPT_S)
        .order_by(job_events.c.at)
        .limit(limit)
    )
    up_to: dict[str, int] = {}
    for tenant_id, number in connection.execute(old):
        up_to[tenant_id] = max(number, up_to.get(tenant_id, 0))
    deleted = 0
    for tenant_id, number in sorted(up_to.items()):
        gone = delete(job_events).where(job_events.c.tenant_id == tenant_id, job_events.c.number <= number)
        deleted += connection.execute(gone).rowcount
    return deleted


def _write(connection: Connection, noted: Sequence[_Noted]) -> None:
    """Writes events with the next numbers of their tenants, whose counters stay locked until the commit that follows."""
    count = _count(connection.dialect.name)
    following: dict[str, int] = {}
    for tenant_id, more in sorted(Counter(tenant_id for tenant_id, *_ in noted).items()):
        number = connection.execute(count, {"tenant": tenant_id, "more": more}).scalar_one()
        following[tenant_id] = number - more
    rows = []
    for tenant_id, job_id, state, fence in noted:
        following[tenant_id] += 1
        rows.append({"tenant": tenant_id, "number": following[tenant_id], "job": job_id, "in": state, "by": fence})
    connection.execute(_INSERT, rows)


@functools.cache
def _count(dialect: str) -> Any:
    """Makes the statement that counts a tenant's events on, once: that takes longer than the statement itself."""
    new = DIALECT_INSERTS[dialect](event_numbers).values(tenant_id=bindparam("tenant"), latest=bindparam("more"))
    added = {"latest": event_numbers.c.latest + new.excluded.latest}
    return new.on_conflict_do_update(index_elements=event_numbers.primary_key, set_=added).returning(
        event_numbers.c.latest
    )


_INSERT = insert(job_events).values(
    tenant_id=bindparam("tenant"),
    number=bindparam("number"),
    job_id=bindparam("job"),
    state=bindparam("in"),
    fence=bindparam("by"),
    at=clock.at(),
)
