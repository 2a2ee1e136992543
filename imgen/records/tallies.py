"""How jobs fared: counted and timed over many. All of it reads, nothing writes."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from sqlalchemy import Connection, Integer, Text, cast, func, select

from imgen.domain.job import CACHED, State, is_cached
from imgen.records.gallery import Wanted, narrowed
from imgen.records.jobs import in_tenants
from imgen.records.tables.jobs import jobs

DAY_S = 86400


class _Meta(Struct):
    timings: dict[str, float]


class _Told(Struct):
    """Of an outcome, what is counted."""

    meta: _Meta | None = None


_timings = msgspec.json.Decoder(dict[str, float])
_told = msgspec.json.Decoder(_Told)


class Performance(Struct, frozen=True, kw_only=True):
    """How jobs that ended lately fared."""

    ended: int
    completed: int
    blocked: int
    cache_hits: int
    seconds: dict[str, tuple[float, float]]
    """Part → median and 95th percentile."""


class Tally(Struct, frozen=True, kw_only=True):
    """How some jobs fared."""

    jobs: int
    completed: int
    blocked: int
    failed: int
    """Those that ran out of time included."""
    cache_hits: int
    took_ms: NDArray[np.int64]
    """From asked to ended, one for each job that has ended, however it did; in no order."""

    def took_s(self, share: float) -> float | None:
        """The time within which this share of the ended jobs ended; None: none has."""
        return _quantile(self.took_ms / 1000, share) if len(self.took_ms) else None


def together(tallies: Sequence[Tally]) -> Tally:
    """One tally of them all, at least one."""
    return Tally(
        jobs=sum(one.jobs for one in tallies),
        completed=sum(one.completed for one in tallies),
        blocked=sum(one.blocked for one in tallies),
        failed=sum(one.failed for one in tallies),
        cache_hits=sum(one.cache_hits for one in tallies),
        took_ms=np.concatenate([one.took_ms for one in tallies]),
    )


def per_minute(connection: Connection, *, scope: frozenset[str] | None, minutes: int, now: float) -> list[int]:
    """How many jobs came in each of the last minutes, the oldest first."""
    query = narrowed(select(jobs.c.created_at), Wanted(scope=scope, since=now - minutes * 60))
    counts = Counter(int((now - at) // 60) for at in connection.execute(query).scalars())
    return [counts.get(minute, 0) for minute in range(minutes - 1, -1, -1)]


def performance(connection: Connection, *, scope: frozenset[str] | None, latest: int, now: float) -> Performance:
    """Of the latest jobs that ended within a day."""
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
) -> list[tuple[str, str, Tally]]:
    """(day, value, its jobs) for one of the columns `key_id`, `model`, `character`, in order.

    It looks at the gallery's index alone, and takes the times of a group as one text: a month of jobs as rows is slower.
    """
    day = cast(func.floor(jobs.c.created_at / DAY_S), Integer)
    chosen = {"key_id": jobs.c.key_id, "model": jobs.c.model, "character": jobs.c.character}[column]
    took_ms = cast(cast((jobs.c.ended_at - jobs.c.created_at) * 1000, Integer), Text)
    measures = (
        func.count().label("jobs"),
        func.count().filter(jobs.c.state == State.COMPLETED).label("completed"),
        func.count().filter(jobs.c.state == State.BLOCKED).label("blocked"),
        func.count().filter(jobs.c.state.in_((State.FAILED, State.TIMED_OUT))).label("failed"),
        func.count().filter(jobs.c.id.startswith(CACHED, autoescape=True)).label("cache_hits"),
        func.aggregate_strings(took_ms, ",").label("took_ms"),
    )
    query = narrowed(
        select(day.label("day"), chosen.label("value"), *measures), Wanted(scope=scope, since=since, until=until)
    )
    rows = connection.execute(query.group_by(day, chosen)).mappings().all()
    return [
        (time.strftime("%Y-%m-%d", time.gmtime(row["day"] * DAY_S)), row["value"], _tally(row))
        for row in sorted(rows, key=lambda row: (row["day"], row["value"]))
    ]


def _tally(row: Any) -> Tally:
    values = {name: row[name] for name in Tally.__struct_fields__}
    return Tally(**values | {"took_ms": np.fromstring(row["took_ms"] or "", dtype=np.int64, sep=",")})


def _timings_of(row: Any) -> dict[str, float]:
    """What `meta` told; the row's own timings end with the render half."""
    meta = _told.decode(row.outcome or "{}").meta
    return meta.timings if meta is not None else _timings.decode(row.timings)


def _quantile(values: list[float] | NDArray[np.float64], share: float) -> float:
    ordered = np.sort(np.asarray(values))
    return float(ordered[min(len(ordered) - 1, int(share * len(ordered)))])
