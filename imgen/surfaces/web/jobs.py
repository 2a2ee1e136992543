"""Jobs: gallery and table with filters, one job in full, and what can be done with it. Withheld pictures stay covered."""

import asyncio
import base64
import binascii
import hashlib
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.domain import errors
from imgen.domain import principal as principals
from imgen.domain.job import ENDED, OPEN, Job, State, is_cached
from imgen.domain.people import Person
from imgen.records import audit, job_search
from imgen.records.tenants import all_tenants
from imgen.services import jobs as job_service
from imgen.services import retention, submit
from imgen.surfaces.web.desk import Desk
from imgen.surfaces.web.filters import ago

PAGE = 24
VIEWS = ("gallery", "table")
STATES: dict[str, frozenset[State]] = {
    "open": OPEN,
    "completed": frozenset({State.COMPLETED}),
    "blocked": frozenset({State.BLOCKED}),
    "failed": frozenset({State.FAILED, State.TIMED_OUT}),
    "cancelled": frozenset({State.CANCELLED}),
}
"""What the filter offers → states."""
REVIEWS: dict[str, str] = {
    job_search.Review.SAFE: "safe",
    job_search.Review.BLOCKED: "blocked",
    job_search.Review.FLOOR: "withheld by the floor",
}
"""What came of the review → as the filter offers it."""
UNDER = "under "
"""Before a ruleset's name, in the same filter."""
FRESH_S = 1800
"""Of an hour that addresses of pictures are good for: a page that stays open gets new ones after this."""
READ_WITHIN_S = 30
READ_AT_ONCE = 2
"""Each is a process of a hundred megabytes."""
log = structlog.get_logger(__name__)


class Jobs:
    """A room."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._reading = asyncio.Semaphore(READ_AT_ONCE)

    def routes(self) -> Sequence[BaseRoute]:
        """Its pages."""
        person = self._desk.signed_in
        return [
            Route("/panel/jobs", person(self.all_jobs), methods=["GET"]),
            Route("/panel/blocked", person(self.blocked), methods=["GET"]),
            Route("/panel/jobs/{job}", person(self.one), methods=["GET"]),
            Route("/panel/jobs/{job}/credentials", person(self.credentials), methods=["GET"]),
            Route("/panel/jobs/{job}/cancel", person(self.cancel), methods=["POST"]),
            Route("/panel/jobs/{job}/retry", person(self.retry), methods=["POST"]),
            Route("/panel/jobs/{job}/delete", person(self.delete), methods=["POST"]),
        ]

    async def all_jobs(self, request: Request, person: Person) -> Response:
        """Some jobs, by filter."""
        return await self._listed(request, person, "jobs.html", request.query_params.get("state", ""))

    async def blocked(self, request: Request, person: Person) -> Response:
        """What was withheld, and why."""
        return await self._listed(request, person, "blocked.html", "blocked")

    async def one(self, request: Request, person: Person) -> Response:
        """Everything about a job."""
        job = await self._find(request, person)
        database = self._desk.core.database
        names = await database.reading(job_search.key_names, scope=person.scope)
        tenants = await database.reading(job_search.tenant_names, scope=person.scope)
        records = await database.reading(audit.of_subject, job.id)
        shown = _digest((job.state, job.claimed_at, job.ended_at, [one.id for one in records]))
        if request.query_params.get("shown") == shown:
            return self._unchanged()
        return self._desk.page(
            request,
            "job.html",
            shown=shown,
            job=job,
            facts=self._facts(job),
            files=self._files(job),
            key_name=names.get(job.key_id, job.key_id),
            tenant_name=tenants.get(job.tenant_id, job.tenant_id),
            records=records,
            recipe=msgspec.json.format(msgspec.json.encode(job.recipe), indent=2).decode(),
            is_open=job.state in OPEN,
            is_cached=is_cached(job.id),
        )

    async def credentials(self, request: Request, person: Person) -> Response:
        """What the finished file says of itself, read back by a process of its own."""
        job = await self._find(request, person)
        signed = [image for image in (job.outcome.images if job.outcome else ()) if image.type == "signed"]
        if not signed:
            raise HTTPException(404, "There is no finished file.")
        async with self._reading:  # the file, too, takes megabytes
            try:
                body = await asyncio.to_thread(self._desk.core.objects.get, signed[0].key)
            except errors.ObjectNotFound:
                raise HTTPException(404, "The file is gone.") from None
            read = await self._read_back(body)
        return self._desk.page(request, "credentials.html", read=read)

    async def cancel(self, request: Request, person: Person) -> Response:
        """Ends an open job."""
        job = await self._find(request, person)
        ended = await job_service.cancel(self._desk.core, await self._principal(person, job), job.id)
        is_cancelled = job.state in OPEN and ended.state is State.CANCELLED
        if is_cancelled:
            await self._note(person, job, "cancelled job")
        news = "Cancelled." if is_cancelled else f"It had ended: {ended.state}."
        return self._desk.back(request, f"/panel/jobs/{job.id}", news)

    async def retry(self, request: Request, person: Person) -> Response:
        """The same recipe once more."""
        job = await self._find(request, person)
        made = await submit.resubmit(self._desk.core, await self._principal(person, job), job, surface="panel")
        await self._note(person, job, "retried job")
        return self._desk.back(request, f"/panel/jobs/{made.id}", "Made a new job of the same recipe.")

    async def delete(self, request: Request, person: Person) -> Response:
        """Takes the job and its files away."""
        job = await self._find(request, person)
        if job.state not in ENDED:
            raise errors.Invalid("Cancel it first: it is still open")
        await retention.delete_job(self._desk.core, job)
        await self._note(person, job, "deleted job")
        return self._desk.back(request, "/panel/jobs", f"{job.gen_id} and its files are deleted.")

    async def _listed(self, request: Request, person: Person, template: str, state: str) -> Response:
        given = request.query_params
        review = given.get("review", "").replace("\0", "")
        view = given.get("view", "gallery") if given.get("view") in VIEWS else "gallery"
        wanted = job_search.JobFilter(
            scope=person.scope,
            states=STATES.get(state, frozenset()),
            key_id=given.get("key", ""),
            model=given.get("model", ""),
            character=given.get("character", ""),
            review=job_search.Review(review) if review in REVIEWS else None,
            blocked_under=review.removeprefix(UNDER) if review.startswith(UNDER) else "",
            words=given.get("words", "").replace("\0", "").strip()[:300],
            since=_day(given.get("since", "")),
            until=_day(given.get("until", ""), days_on=1),
        )
        database = self._desk.core.database
        page = await database.reading(job_search.search, wanted, limit=PAGE, after=_read_cursor(given.get("after", "")))
        keys = await database.reading(job_search.key_names, scope=person.scope)
        fresh = int(self._desk.core.clock() // FRESH_S)
        rows = [
            (job.id, job.state, bool(job.outcome and job.outcome.images), ago(job.created_at), keys.get(job.key_id))
            for job in page.jobs
        ]
        shown = _digest((view, fresh, page.after, rows))
        if given.get("shown") == shown:
            return self._unchanged()
        blocked = [job.id for job in page.jobs if job.state is State.BLOCKED]
        filters = {name: value for name, value in given.items() if name not in ("after", "shown") and value}
        return self._desk.page(
            request,
            template,
            jobs=[(job, self._files(job), self._facts(job)) for job in page.jobs],
            keys=keys,
            fresh=fresh,
            poll=urlencode(filters | {"shown": shown}),
            catalog=self._desk.core.catalog,
            reasons=await database.reading(audit.reasons, blocked) if blocked else {},
            states=list(STATES),
            reviews=REVIEWS | {f"{UNDER}{name}": f"blocked under {name}" for name in sorted(self._desk.core.rulesets)},
            state=state,
            view=view,
            given=given,
            filters=filters,
            other_view=urlencode(filters | {"view": "table" if view == "gallery" else "gallery"}),
            older=urlencode(filters | {"after": _write_cursor(page.after)}) if page.after else "",
            is_first="after" not in given,
            is_live="after" not in given and any(job.state in OPEN for job in page.jobs),
        )

    def _unchanged(self) -> Response:
        """To a poll that told what it shows already: htmx then leaves the page alone."""
        return Response(status_code=204, headers=self._desk.headers())

    async def _find(self, request: Request, person: Person) -> Job:
        job_id = request.path_params["job"]
        job = await self._desk.core.database.reading(job_search.find_visible, job_id, scope=person.scope)
        if job is None:
            raise HTTPException(404, "There is no such job.")
        return job

    async def _note(self, person: Person, job: Job, action: str) -> None:
        await self._desk.core.database.writing(
            audit.by_person,
            person,
            action=action,
            tenant_id=job.tenant_id,
            subject=job.id,
            detail={"gen_id": job.gen_id, "state": job.state},
        )

    async def _principal(self, person: Person, job: Job) -> Any:
        tenants = await self._desk.core.database.reading(all_tenants)
        return principals.user_principal(person, next(one for one in tenants if one.id == job.tenant_id))

    def _files(self, job: Job) -> dict[str, str]:
        """Kind → address signed now. A picture that the floor withholds has none."""
        outcome, url = job.outcome, self._desk.core.objects.url
        if outcome is None:
            return {}
        files = {image.type: url(image.key, filename=image.filename) for image in outcome.images}
        if outcome.blocked and outcome.blocked.unsafe_key and not outcome.blocked.floor:
            files["withheld"] = url(outcome.blocked.unsafe_key)
        return files

    def _facts(self, job: Job) -> dict[str, Any]:
        """What ended jobs tell: `meta`, the rules that blocked, or the error."""
        if job.outcome is None:
            return {"meta": None, "blocked": None, "error": ""}
        return {"meta": job.outcome.meta, "blocked": job.outcome.blocked, "error": job.outcome.error}

    async def _read_back(self, body: bytes) -> dict[str, Any]:
        settings = self._desk.core.settings
        with tempfile.TemporaryDirectory(prefix="imgen-") as folder:
            file = Path(folder) / "picture"
            await asyncio.to_thread(file.write_bytes, body)
            command = [
                sys.executable,
                "-m",
                "imgen.cli",
                "verify",
                str(file),
                "--json",
                "--data",
                str(settings.data_dir),
            ]
            process = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
            )
            out = b""
            try:
                async with asyncio.timeout(READ_WITHIN_S):
                    out, _ = await process.communicate()
            except TimeoutError:
                log.warning("a picture was not read back in time")
            finally:
                if process.returncode is None:
                    process.kill()
        found: dict[str, Any] = msgspec.json.decode(out) if out else {}
        return found


def _day(text: str, *, days_on: int = 0) -> float | None:
    """Midnight (UTC) of a day such as `2026-11-21`; None: it is none."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() + days_on * 86400
    except ValueError:
        return None


def _digest(shown: object) -> str:
    return hashlib.sha256(msgspec.json.encode(shown)).hexdigest()[:16]


def _write_cursor(after: tuple[float, str]) -> str:
    return base64.urlsafe_b64encode(f"{after[0]!r} {after[1]}".encode()).decode()


def _read_cursor(text: str) -> tuple[float, str] | None:
    try:
        at, job_id = base64.urlsafe_b64decode(text).decode().split(" ")
        return float(at), job_id
    except (binascii.Error, ValueError):
        return None
