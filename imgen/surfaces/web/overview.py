"""How the service is doing now: the overview and the workers."""

import asyncio
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.domain.job import FINISHER, render_queue
from imgen.domain.people import Person
from imgen.live import workers
from imgen.records import job_search, job_statistics
from imgen.surfaces.web.desk import Desk

MINUTES = 60
LATEST = 500
PARTS = ("queue", "render", "review", "finish", "upload")


class Overview:
    """A room."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> Sequence[BaseRoute]:
        """Its pages."""
        person = self._desk.signed_in
        return [
            Route("/panel", person(self.overview), methods=["GET"]),
            Route("/panel/workers", person(self.workers, admin=True), methods=["GET"]),
        ]

    async def overview(self, request: Request, person: Person) -> Response:
        """Rates, shares and times of late, and what waits."""
        core, scope, now = self._desk.core, person.scope, self._desk.core.clock()
        per_minute, done, page = await asyncio.gather(
            core.database.reading(job_statistics.per_minute, scope=scope, minutes=MINUTES, now=now),
            core.database.reading(job_statistics.performance, scope=scope, latest=LATEST, now=now),
            core.database.reading(job_search.search, job_search.JobFilter(scope=scope), limit=8),
        )
        return self._desk.page(
            request,
            "overview.html",
            per_minute=per_minute,
            done=done,
            parts=[(part, *done.seconds[part]) for part in PARTS if part in done.seconds],
            depths=await self._depths() if person.is_admin else {},
            beats=await core.live.run(workers.list_workers()) if person.is_admin else [],
            latest=[
                (job, next((core.objects.url(i.key) for i in job.outcome.images if i.type == "thumbnail"), ""))
                for job in page.jobs
                if job.outcome is not None
            ],
            minutes=MINUTES,
            latest_of=LATEST,
        )

    async def workers(self, request: Request, _person: Person) -> Response:
        """Who works on what, and what waits."""
        core = self._desk.core
        return self._desk.page(
            request, "workers.html", depths=await self._depths(), beats=await core.live.run(workers.list_workers())
        )

    async def _depths(self) -> dict[str, int]:
        core = self._desk.core
        queues = [*(render_queue(key) for key in core.catalog.models), FINISHER]
        depths = await asyncio.gather(*(asyncio.to_thread(core.publisher.depth, queue) for queue in queues))
        return dict(zip(queues, depths, strict=True))
