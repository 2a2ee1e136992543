"""Lists of jobs as a gallery or a table, with filters; and of blocked ones. Withheld pictures stay covered."""

import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.domain.errors import InvalidField
from imgen.domain.failure import awaited_part
from imgen.domain.job import OPEN, Job, State
from imgen.domain.outcome import Outcome
from imgen.domain.user import User
from imgen.records import audit, job_makers, job_search, stars
from imgen.records.paging import Place
from imgen.services.cursors import read_cursor, write_cursor
from imgen.services.links import urls_by_kind
from imgen.surfaces.web.filters import age
from imgen.surfaces.web.navigation import NavEntry
from imgen.surfaces.web.shell import Shell, digest

PAGE = 24
MAX_CHOSEN = 200
"""Limit of pictures that are starred, deleted or packed at a time."""
VIEWS = ("gallery", "table")
STATES: dict[str, frozenset[State]] = {
    "open": OPEN,
    "completed": frozenset({State.COMPLETED}),
    "blocked": frozenset({State.BLOCKED}),
    "failed": frozenset({State.FAILED, State.TIMED_OUT}),
    "cancelled": frozenset({State.CANCELLED}),
}
"""Choice of the filter → states."""
REVIEWS: dict[str, str] = {
    job_search.Review.SAFE: "safe",
    job_search.Review.BLOCKED: "blocked",
    job_search.Review.FLOOR: "withheld by the floor",
}
"""Result of the review → choice of the filter."""
SURFACES: dict[str, str] = {
    "action": "Action API",
    "forge": "Forge",
    "openai": "OpenAI images",
    "studio": "Studio",
    "mcp": "MCP",
    "playground": "playground",
    "panel": "panel, made again",
}
"""Surface that made a job → choice of the filter."""
UNDER = "under "
"""Prefix of a ruleset's name in the same filter."""


class JobList:
    """Section of all jobs and of blocked ones."""

    nav: ClassVar[Sequence[NavEntry]] = (NavEntry("/panel/jobs", "Jobs"), NavEntry("/panel/blocked", "Blocked"))

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def routes(self) -> Sequence[BaseRoute]:
        """Returns its pages."""
        signed_in = self._shell.signed_in
        return [
            Route("/panel/jobs", signed_in(self.all_jobs), methods=["GET"]),
            Route("/panel/blocked", signed_in(self.blocked), methods=["GET"]),
        ]

    async def all_jobs(self, request: Request, user: User) -> Response:
        """Lists jobs by filter."""
        return await self._list(request, user, "jobs.html", request.query_params.get("state", ""))

    async def blocked(self, request: Request, user: User) -> Response:
        """Lists blocked pictures with the reasons."""
        return await self._list(request, user, "blocked.html", "blocked")

    async def _list(self, request: Request, user: User, template: str, state: str) -> Response:
        given = request.query_params
        review = given.get("review", "")
        view = given.get("view", "gallery") if given.get("view") in VIEWS else "gallery"
        database, key = self._shell.core.database, given.get("key", "").strip()[:300]
        wanted = job_search.JobFilter(
            scope=user.scope,
            states=STATES.get(state, frozenset()),
            key_ids=await database.reading(job_makers.named, key) if key else frozenset(),
            batch_id=given.get("batch", ""),
            model=given.get("model", ""),
            character=given.get("character", ""),
            surface=given.get("surface", ""),
            review=job_search.Review(review) if review in REVIEWS else None,
            blocked_under=review.removeprefix(UNDER) if review.startswith(UNDER) else "",
            words=given.get("words", "").strip()[:300],
            since=_day(given.get("since", "")),
            until=_day(given.get("until", ""), days_on=1),
            starred_by=user.id if given.get("starred") == "yes" else "",
        )
        page = await database.reading(job_search.search, wanted, limit=PAGE, after=_place(given.get("after", "")))
        starred = await database.reading(stars.starred_among, user.id, [job.id for job in page.jobs])
        keys = await database.reading(job_makers.names, [job.counted_as for job in page.jobs])
        half_life_s = self._shell.core.settings.objects.url_expires_s / 2
        fresh = int(self._shell.core.clock() // half_life_s)  # a page that stays open gets new URLs in time
        rows = [
            (
                *(job.id, job.state, awaited_part(job), bool(job.outcome and job.outcome.images)),
                *(age(job.created_at), keys.get(job.counted_as), job.id in starred),
            )
            for job in page.jobs
        ]
        shown = digest((view, fresh, page.after, rows))
        if given.get("shown") == shown:
            return self._shell.unchanged()
        blocked = [job.id for job in page.jobs if job.state is State.BLOCKED]
        filters = {name: value for name, value in given.items() if name not in ("after", "shown") and value}
        return self._shell.page(
            request,
            template,
            jobs=[(job, urls_by_kind(self._shell.core, job.outcome), facts_of(job)) for job in page.jobs],
            starred=starred,
            back=f"{request.url.path}?{urlencode(filters)}",
            max_chosen=MAX_CHOSEN,
            keys=keys,
            fresh=fresh,
            poll=urlencode(filters | {"shown": shown}),
            catalog=self._shell.core.catalog,
            reasons=await database.reading(audit.reasons, blocked) if blocked else {},
            states=list(STATES),
            reviews=REVIEWS | {f"{UNDER}{name}": f"blocked under {name}" for name in sorted(self._shell.core.rulesets)},
            surfaces=SURFACES,
            state=state,
            view=view,
            given=given,
            filters=filters,
            other_view=urlencode(filters | {"view": "table" if view == "gallery" else "gallery"}),
            older=urlencode(filters | {"after": write_cursor(*page.after)}) if page.after else "",
            is_first="after" not in given,
            is_live="after" not in given and any(job.state in OPEN for job in page.jobs),
        )


def facts_of(job: Job) -> dict[str, Any]:
    """Returns `meta` of an ended job, the rules that blocked it, or its error; of an open one the part that it waits for."""
    outcome = job.outcome or Outcome()
    return {"meta": outcome.meta, "blocked": outcome.blocked, "error": outcome.error, "waits_for": awaited_part(job)}


def _day(text: str, *, days_on: int = 0) -> float | None:
    """Parses a day such as `2026-11-21` as its midnight (UTC); None: it is no day."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() + days_on * 86400
    except ValueError:
        return None


def _place(cursor: str) -> Place | None:
    """Reads the place of a page's URL; None, and so the first page: somebody changed the URL."""
    with contextlib.suppress(InvalidField):
        return read_cursor(cursor)
    return None
