"""Usage: plans and their use; a month's jobs by tenant, key, model or character and by day, as a page and as CSV."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.domain.csv_text import csv_text
from imgen.domain.user import User
from imgen.records import job_makers, job_statistics, tenants
from imgen.records.job_statistics import DAY_S, JobStatistics
from imgen.services.accounts.usage import plan_uses
from imgen.surfaces.web import charts, filters
from imgen.surfaces.web.navigation import NavEntry
from imgen.surfaces.web.shell import Shell

DAYS = 30
MAX_PLANS = 20
"""Number of tenants whose plans are shown."""
COLUMNS = {"tenant": "tenant_id", "key": "key_id", "model": "model", "character": "character"}
SHOWN = 100
"""Values on the page, those of most jobs; the file has all."""
MEASURES: dict[str, Callable[[JobStatistics], int | float | None]] = {
    "jobs": lambda statistics: statistics.jobs,
    "completed": lambda statistics: statistics.completed,
    "blocked": lambda statistics: statistics.blocked,
    "failed": lambda statistics: statistics.failed,
    "cache_hits": lambda statistics: statistics.cache_hits,
    "median_s": lambda statistics: statistics.took_s(0.5),
    "p95_s": lambda statistics: statistics.took_s(0.95),
}
"""Column of the file → its value."""
LATELY_FOR_S, PAST_FOR_S, MAX_COUNTS = 10.0, 3600.0, 100
"""Time to keep a count of today and yesterday, and one of earlier days, which hardly change; number of counts kept."""
Rows = list[tuple[str, str, JobStatistics]]
NAMED: dict[str, Callable[[Connection, Iterable[str]], dict[str, str]]] = {
    "tenant": tenants.names,
    "key": job_makers.names,
}
"""Ways to count by what has an id → its names."""
NAMES_AT_ONCE = 1000


class Usage:
    """Section of usage."""

    nav: ClassVar[Sequence[NavEntry]] = (NavEntry("/panel/usage", "Usage"),)

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._kept: dict[tuple[frozenset[str] | None, str, float, float | None], tuple[float, Rows]] = {}

    def routes(self) -> Sequence[BaseRoute]:
        """Returns its pages."""
        signed_in = self._shell.signed_in
        return [
            Route("/panel/usage", signed_in(self.page), methods=["GET"]),
            Route("/panel/usage.csv", signed_in(self.file), methods=["GET"]),
        ]

    async def page(self, request: Request, user: User) -> Response:
        """Shows usage by value and by day."""
        by, rows = _by(request), await self._rows(user, _by(request))
        core = self._shell.core
        first = await core.database.reading(tenants.first_tenants, scope=user.scope, limit=MAX_PLANS + 1)
        days = [filters.day(self._first_day() + number * DAY_S) for number in range(DAYS)]
        by_value: dict[str, dict[str, JobStatistics]] = {}
        by_day: dict[str, list[JobStatistics]] = {}
        for day, value, statistics in rows:
            by_value.setdefault(value, {})[day] = statistics
            by_day.setdefault(day, []).append(statistics)
        most = sorted(by_value.items(), key=lambda one: -sum(each.jobs for each in one[1].values()))[:SHOWN]
        names = await self._names(by, [value for value, _ in most])
        values = [
            (
                names.get(value, value),
                job_statistics.merge(list(found.values())),
                charts.bars([found[day].jobs if day in found else 0 for day in days], days),
            )
            for value, found in most
        ]
        return self._shell.page(
            request,
            "usage.html",
            plans=await plan_uses(core, first[:MAX_PLANS]),
            has_more_plans=len(first) > MAX_PLANS,
            by=by,
            ways=list(COLUMNS),
            day_count=DAYS,
            days=days,
            values=values,
            left_out=len(by_value) - len(values),
            per_day=charts.bars([sum(one.jobs for one in by_day.get(day, [])) for day in days], days),
            by_day=[(day, job_statistics.merge(by_day[day])) for day in reversed(days) if day in by_day],
        )

    async def file(self, request: Request, user: User) -> Response:
        """Returns usage as CSV: a line for each day and value."""
        by = _by(request)
        rows = await self._rows(user, by)
        names = await self._names(by, {value for _, value, _ in rows})
        text = csv_text(
            ("day", by, *MEASURES),
            (
                (day, names.get(value, value), *(measure(one) for measure in MEASURES.values()))
                for day, value, one in rows
            ),
        )
        headers = self._shell.headers() | {"Content-Disposition": f'attachment; filename="usage-by-{by}.csv"'}
        return Response(text, media_type="text/csv; charset=utf-8", headers=headers)

    def _first_day(self) -> float:
        return (self._shell.core.clock() // DAY_S - DAYS + 1) * DAY_S

    async def _rows(self, user: User, by: str) -> Rows:
        first = self._first_day()
        yesterday = first + (DAYS - 2) * DAY_S
        past = await self._count(user, by, first, yesterday, PAST_FOR_S)
        return past + await self._count(user, by, yesterday, None, LATELY_FOR_S)

    async def _names(self, by: str, values: Iterable[str]) -> dict[str, str]:
        """Returns id → name of keys or tenants, some at a time; nothing of what has no other name."""
        names, ids = dict[str, str](), sorted(values) if by in NAMED else []
        for start in range(0, len(ids), NAMES_AT_ONCE):
            names |= await self._shell.core.database.reading(NAMED[by], ids[start : start + NAMES_AT_ONCE])
        return names

    async def _count(self, user: User, by: str, since: float, until: float | None, for_s: float) -> Rows:
        wanted = user.scope, by, since, until
        if wanted in self._kept and time.monotonic() - self._kept[wanted][0] < for_s:
            return self._kept[wanted][1]
        rows = await self._shell.core.database.reading(
            job_statistics.by_day, scope=user.scope, column=COLUMNS[by], since=since, until=until
        )
        if len(self._kept) >= MAX_COUNTS:
            self._kept.clear()
        self._kept[wanted] = time.monotonic(), rows
        return rows


def _by(request: Request) -> str:
    by = request.query_params.get("by", "model")
    return by if by in COLUMNS else "model"
