"""State of the service: the overview and the workers."""

import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.domain.errors import ConfigurationError
from imgen.domain.job import FINISH_QUEUE, render_queue
from imgen.domain.user import User
from imgen.live import workers
from imgen.live.workers import WorkerHeartbeat
from imgen.provenance.certificate_end import ending_of_file
from imgen.records import job_search, job_statistics, oauth_connections
from imgen.services.engine_standings import standings
from imgen.services.links import thumbnail_url
from imgen.settings.advice import unseen_pictures
from imgen.surfaces.web import charts, filters
from imgen.surfaces.web.navigation import NavEntry
from imgen.surfaces.web.shell import Shell
from imgen.threads import BROKER, LOADING

MINUTES = 60
LATEST = 500
PARTS = ("queue", "render", "review", "finish", "upload")


class Overview:
    """Section of overview and workers."""

    nav: ClassVar[Sequence[NavEntry]] = (
        NavEntry("/panel", "Overview"),
        NavEntry("/panel/workers", "Workers", is_for_admins=True, group="System"),
    )

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def routes(self) -> Sequence[BaseRoute]:
        """Returns its pages."""
        signed_in = self._shell.signed_in
        return [
            Route("/panel", signed_in(self.overview), methods=["GET"]),
            Route("/panel/workers", signed_in(self.workers, admin=True), methods=["GET"]),
        ]

    async def overview(self, request: Request, user: User) -> Response:
        """Shows recent rates, shares and times, and the queues' depths."""
        core, scope, now = self._shell.core, user.scope, self._shell.core.clock()
        heartbeats = await core.live.run(workers.list_workers()) if user.is_admin else []
        per_minute, done, page = await asyncio.gather(
            core.database.reading(job_statistics.per_minute, scope=scope, minutes=MINUTES, now=now),
            core.database.reading(job_statistics.performance, scope=scope, latest=LATEST, now=now),
            core.database.reading(job_search.search, job_search.JobFilter(scope=scope), limit=8),
        )
        start = now - MINUTES * 60
        return self._shell.page(
            request,
            "overview.html",
            per_minute=charts.bars(per_minute, [filters.minute(start + number * 60) for number in range(MINUTES)]),
            since=filters.minute(start),
            until=filters.minute(now),
            done=done,
            parts=[(part, *done.seconds[part]) for part in PARTS if part in done.seconds],
            depths=await self._depths() if user.is_admin else {},
            heartbeats=heartbeats,
            applications=await core.database.reading(oauth_connections.count) if user.is_admin else 0,
            latest=[(job, thumbnail_url(core, job.outcome)) for job in page.jobs if job.outcome is not None],
            warnings=[*await LOADING.run(self._warnings, now), *_signing_troubles(heartbeats), *await self._engines()]
            if user.is_admin
            else [],
            minutes=MINUTES,
            latest_of=LATEST,
        )

    async def workers(self, request: Request, _user: User) -> Response:
        """Shows the workers with their jobs, and the queues' depths."""
        core = self._shell.core
        return self._shell.page(
            request, "workers.html", depths=await self._depths(), heartbeats=await core.live.run(workers.list_workers())
        )

    def _warnings(self, now: float) -> list[str]:
        settings = self._shell.core.settings
        certificate = ending_of_file(settings.signing_chain, dt.datetime.fromtimestamp(now, dt.UTC))
        return [told for told in (unseen_pictures(settings), certificate) if told]

    async def _engines(self) -> list[str]:
        """Describes the engines elsewhere that take no work."""
        try:
            found = await standings(self._shell.core)
        except ConfigurationError as exc:
            return [str(exc)]
        return [f"Engine {one.engine.key}: {one.problem}" for one in found if one.problem]

    async def _depths(self) -> dict[str, int]:
        core = self._shell.core
        queues = [*(render_queue(key) for key in core.catalog.models), FINISH_QUEUE]
        depths = await asyncio.gather(*(BROKER.run(core.publisher.depth, queue) for queue in queues))
        return dict(zip(queues, depths, strict=True))


def _signing_troubles(heartbeats: Sequence[WorkerHeartbeat]) -> list[str]:
    """Describes by reason why worker processes cannot sign, as they have told it; no key is asked."""
    troubles = [one.signing_trouble for one in heartbeats if one.signing_trouble is not None]
    tries: dict[str, list[float]] = {}
    for trouble in troubles:
        tries.setdefault(trouble.reason, []).append(trouble.at)
    return [
        f"{len(times)} worker {'process' if len(times) == 1 else 'processes'} cannot sign: {reason.rstrip('.')}. "
        f"The latest try was at {filters.moment(max(times))}; no picture is finished there until one succeeds."
        for reason, times in tries.items()
    ]
