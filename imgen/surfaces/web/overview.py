"""How the service is doing: the overview, usage by key, model and day with CSV, and the workers."""

import asyncio
import csv
import io
import time
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.domain.job import FINISHER, render_queue
from imgen.domain.people import Person
from imgen.live import workers
from imgen.records import gallery
from imgen.surfaces.web import filters
from imgen.surfaces.web.desk import Desk

MINUTES = 60
LATEST = 500
DAYS = 30
COUNTED_FOR_S, MOST_COUNTS = 10.0, 100
PARTS = ("queue", "render", "review", "finish", "upload")
COLUMNS = {"key": "key_id", "model": "model", "character": "character"}


class Overview:
    """A room."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._counted: dict[tuple[frozenset[str] | None, str], tuple[float, list[tuple[str, str, int]]]] = {}

    def routes(self) -> Sequence[BaseRoute]:
        """Its pages."""
        person = self._desk.signed_in
        return [
            Route("/panel", person(self.overview), methods=["GET"]),
            Route("/panel/usage", person(self.usage), methods=["GET"]),
            Route("/panel/usage.csv", person(self.usage_csv), methods=["GET"]),
            Route("/panel/workers", person(self.workers, admin=True), methods=["GET"]),
        ]

    async def overview(self, request: Request, person: Person) -> Response:
        """Rates, shares and times of late, and what waits."""
        core, scope, now = self._desk.core, person.scope, self._desk.core.clock()
        per_minute, done, page = await asyncio.gather(
            core.database.reading(gallery.per_minute, scope=scope, minutes=MINUTES, now=now),
            core.database.reading(gallery.performance, scope=scope, latest=LATEST, now=now),
            core.database.reading(gallery.search, gallery.Wanted(scope=scope), limit=8),
        )
        return self._desk.page(
            request,
            "overview.html",
            per_minute=per_minute,
            done=done,
            parts=[(part, *done.seconds[part]) for part in PARTS if part in done.seconds],
            depths=await self._depths() if person.is_admin else {},
            beats=await core.live.run(workers.beats()) if person.is_admin else [],
            latest=[
                (job, next((core.objects.url(i.key) for i in job.outcome.images if i.type == "thumbnail"), ""))
                for job in page.jobs
                if job.outcome is not None
            ],
            minutes=MINUTES,
            latest_of=LATEST,
        )

    async def usage(self, request: Request, person: Person) -> Response:
        """Jobs by day and by key, model or character."""
        by = request.query_params.get("by", "model")
        by = by if by in COLUMNS else "model"
        rows = await self._rows(person, by)
        now = self._desk.core.clock()
        days = [filters.day(now - back * 86400) for back in range(DAYS - 1, -1, -1)]
        by_value: dict[str, dict[str, int]] = {}
        by_day = dict.fromkeys(days, 0)
        for day, value, number in rows:
            by_value.setdefault(value, {})[day] = number
            by_day[day] = by_day.get(day, 0) + number
        return self._desk.page(
            request,
            "usage.html",
            by=by,
            ways=list(COLUMNS),
            days=days,
            shown=[day for day in reversed(days) if by_day[day]],
            totals=[(day, by_day[day]) for day in days],
            table=sorted(by_value.items(), key=lambda one: -sum(one[1].values())),
            day_count=DAYS,
        )

    async def usage_csv(self, request: Request, person: Person) -> Response:
        """The same as a file."""
        by = request.query_params.get("by", "model")
        file = io.StringIO()
        writer = csv.writer(file)
        writer.writerow(("day", by if by in COLUMNS else "model", "jobs"))
        for day, value, number in await self._rows(person, by if by in COLUMNS else "model"):
            writer.writerow(
                (day, f"'{value}" if value.startswith(tuple("=+-@\t\r")) else value, number)
            )  # no formula in a sheet
        headers = self._desk.headers() | {
            "Content-Disposition": f'attachment; filename="usage-by-{by if by in COLUMNS else "model"}.csv"'
        }
        return Response(file.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)

    async def workers(self, request: Request, _person: Person) -> Response:
        """Who works on what, and what waits."""
        core = self._desk.core
        return self._desk.page(
            request, "workers.html", depths=await self._depths(), beats=await core.live.run(workers.beats())
        )

    async def _rows(self, person: Person, by: str) -> list[tuple[str, str, int]]:
        """Counted anew when the last count is older than COUNTED_FOR_S: a month of jobs takes a while."""
        wanted = person.scope, by
        counted_at, rows = self._counted.get(wanted, (-COUNTED_FOR_S, []))
        if time.monotonic() - counted_at < COUNTED_FOR_S:
            return rows
        rows = await self._count(person, by)
        if len(self._counted) > MOST_COUNTS:
            self._counted.clear()
        self._counted[wanted] = time.monotonic(), rows
        return rows

    async def _count(self, person: Person, by: str) -> list[tuple[str, str, int]]:
        database, scope = self._desk.core.database, person.scope
        rows = await database.reading(
            gallery.by_day, scope=scope, column=COLUMNS[by], days=DAYS, now=self._desk.core.clock()
        )
        if by != "key":
            return rows
        names = await database.reading(gallery.key_names, scope=scope)
        return [(day, names.get(key_id, key_id), number) for day, key_id, number in rows]

    async def _depths(self) -> dict[str, int]:
        core = self._desk.core
        queues = [*(render_queue(key) for key in core.catalog.models), FINISHER]
        depths = await asyncio.gather(*(asyncio.to_thread(core.publisher.depth, queue) for queue in queues))
        return dict(zip(queues, depths, strict=True))
