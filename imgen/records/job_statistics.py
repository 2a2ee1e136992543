"""Statistics of jobs: counts and times, by day and recent. Read-only."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from sqlalchemy import Connection, Integer, Text, cast, func, select

from imgen.domain.ids import CACHED, is_cached
from imgen.domain.job import State
from imgen.records.job_search import JobFilter, apply_filter
from imgen.records.jobs import in_tenants
from imgen.records.tables.jobs import jobs

DAY_S = 86400


class _Meta(Struct):
    timings: dict[str, float]


class _CountedOutcome(Struct):
    """Part of an outcome that the statistics read."""

    meta: _Meta | None = None


_timings = msgspec.json.Decoder(dict[str, float])
_outcome = msgspec.json.Decoder(_CountedOutcome)


class Performance(Struct, frozen=True, kw_only=True):
    """Results and times of recently ended jobs."""

    ended: int
    completed: int
    blocked: int
    cache_hits: int
    seconds: dict[str, tuple[float, float]]
    """Part → median and 95th percentile."""


class JobStatistics(Struct, frozen=True, kw_only=True):
    """Results and times of a group of jobs."""

    jobs: int
    completed: int
    blocked: int
    failed: int
    """Failed and timed out jobs."""
    cache_hits: int
    took_ms: NDArray[np.int64]
    """Time from submission to end of each ended job, unordered."""

    def took_s(self, share: float) -> float | None:
        """Returns a quantile of the times, in seconds; None: no job has ended."""
        return _quantile(self.took_ms / 1000, share) if len(self.took_ms) else None


def merge(parts: Sequence[JobStatistics]) -> JobStatistics:
    """Merges statistics, at least one."""
    return JobStatistics(
        jobs=sum(one.jobs for one in parts),
        completed=sum(one.completed for one in parts),
        blocked=sum(one.blocked for one in parts),
        failed=sum(one.failed for one in parts),
        cache_hits=sum(one.cache_hits for one in parts),
        took_ms=np.concatenate([one.took_ms for one in parts]),
    )


def per_minute(connection: Connection, *, scope: frozenset[str] | None, minutes: int, now: float) -> list[int]:
    """Counts the jobs submitted in each of the last minutes, oldest first."""
    query = apply_filter(select(jobs.c.created_at), JobFilter(scope=scope, since=now - minutes * 60))
    counts = Counter(int((now - at) // 60) for at in connection.execute(query).scalars())
    return [counts.get(minute, 0) for minute in range(minutes - 1, -1, -1)]


def performance(connection: Connection, *, scope: frozenset[str] | None, latest: int, now: float) -> Performance:
    """Returns results and times of the latest jobs that ended within a day."""
    query = select(jobs.c.id, jobs.c.state, jobs.c.timings, jobs.c.outcome).where(jobs.c.ended_at > now - DAY_S)
    if scope is not None:
        query = query.where(in_tenants(scope))
    rows = connection.execute(query.order_by(jobs.c.ended_at.desc()).limit(latest)).all()
    states = Counter(row.state for row in rows)
    spent: dict[str, list[float]] = {}
    for row in rows:
        if row.state == State.COMPLETED:
            for part, seconds in _timings_of(row).items():
                spent.setdefault(part, []).append(seconds)
    return Performance(
        ended=len(rows),
        completed=states[State.COMPLETED],
        blocked=states[State.BLOCKED],
        cache_hits=sum(is_cached(row.id) for row in rows),
        seconds={part: (_quantile(values, 0.5), _quantile(values, 0.95)) for part, values in spent.items()},
    )


def by_day(
    connection: Connection, *, scope: frozenset[str] | None, column: str, since: float, until: float | None = None
) -> list[tuple[str, str, JobStatistics]]:
    """Returns (day, value, statistics) for one of the columns `tenant_id`, `key_id`, `model`, `character`, in order.

    Only the index `ix_jobs_gallery` is read. The times of a group come as one text: a row for each job is slower.
    """
    day = cast(func.floor(jobs.c.created_at / DAY_S), Integer)
    chosen = jobs.c[column]
    took_ms = cast(cast((jobs.c.ended_at - jobs.c.created_at) * 1000, Integer), Text)
    measures = (
        func.count().label("jobs"),
        func.count().filter(jobs.c.state == State.COMPLETED).label("completed"),
        func.count().filter(jobs.c.state == State.BLOCKED).label("blocked"),
        func.count().filter(jobs.c.state.in_((State.FAILED, State.TIMED_OUT))).label("failed"),
        func.count().filter(jobs.c.id.startswith(CACHED, autoescape=True)).label("cache_hits"),
        func.aggregate_strings(took_ms, ",").label("took_ms"),
    )
    query = apply_filter(
        select(day.label("day"), chosen.label("value"), *measures), JobFilter(scope=scope, since=since, until=until)
    )
    rows = connection.execute(query.group_by(day, chosen)).mappings().all()
    return [
        (time.strftime("%Y-%m-%d", time.gmtime(row["day"] * DAY_S)), row["value"], _statistics(row))
        for row in sorted(rows, key=lambda row: (row["day"], row["value"]))
    ]


def _statistics(row: Any) -> JobStatistics:
    values = {name: row[name] for name in JobStatistics.__struct_fields__}
    return JobStatistics(**values | {"took_ms": np.fromstring(row["took_ms"] or "", dtype=np.int64, sep=",")})


def _timings_of(row: Any) -> dict[str, float]:
    """Returns the timings of `meta`; those in the row end with the render half. Empty: a newer version wrote them."""
    try:
        meta = _outcome.decode(row.outcome or "{}").meta
        return meta.timings if meta is not None else _timings.decode(row.timings)
    except msgspec.MsgspecError:
        return {}


def _quantile(values: list[float] | NDArray[np.float64], share: float) -> float:
    ordered = np.sort(np.asarray(values))
    return float(ordered[min(len(ordered) - 1, int(share * len(ordered)))])
