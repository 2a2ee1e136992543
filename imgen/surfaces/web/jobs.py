"""Job page with its actions: cancel, retry, delete. Withheld pictures stay covered."""

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.domain import errors
from imgen.domain.credential import SessionCredential
from imgen.domain.ids import is_cached, stored_id
from imgen.domain.job import ENDED, OPEN, Job, State
from imgen.domain.principal import Principal
from imgen.domain.user import User
from imgen.records import audit, job_makers, job_search, jobs, stars, tenants
from imgen.services import jobs as job_service
from imgen.services import retention, submit
from imgen.services.accounts.authentication import session_principal
from imgen.services.core import Core
from imgen.services.links import thumbnail_url, urls_by_kind
from imgen.surfaces.web.job_list import facts_of
from imgen.surfaces.web.navigation import NavEntry
from imgen.surfaces.web.shell import Flash, Shell, digest
from imgen.threads import FILES, OBJECTS

VERIFY_TIMEOUT_S = 30
MAX_VERIFICATIONS = 2
"""Limit of verifications at one time: each is a process of a hundred megabytes."""
log = structlog.get_logger(__name__)


class Jobs:
    """Section of single jobs."""

    nav: ClassVar[Sequence[NavEntry]] = ()

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._verifying = asyncio.Semaphore(MAX_VERIFICATIONS)

    def routes(self) -> Sequence[BaseRoute]:
        """Returns its pages."""
        signed_in = self._shell.signed_in
        return [
            Route("/panel/jobs/{job}", signed_in(self.one), methods=["GET"]),
            Route("/panel/jobs/{job}/credentials", signed_in(self.credentials), methods=["GET"]),
            Route("/panel/jobs/{job}/cancel", signed_in(self.cancel), methods=["POST"]),
            Route("/panel/jobs/{job}/retry", signed_in(self.retry), methods=["POST"]),
            Route("/panel/jobs/{job}/delete", signed_in(self.delete), methods=["POST"]),
        ]

    async def one(self, request: Request, user: User) -> Response:
        """Shows one job."""
        job = await self._find(request, user)
        database = self._shell.core.database
        names = await database.reading(job_makers.names, [job.counted_as])
        tenant = await database.reading(tenants.find_tenant_by_id, job.tenant_id)
        records = await database.reading(audit.of_subject, job.id)
        starred = await database.reading(stars.starred_among, user.id, [job.id])
        batch = await database.reading(jobs.of_batch, job.batch_id) if job.batch_id else []
        states = [(one.id, one.state) for one in batch]
        times = (job.available_at, job.claimed_at, job.ended_at)
        shown = digest((job.state, times, [one.id for one in records], states))
        if request.query_params.get("shown") == shown:
            return self._shell.unchanged()
        return self._shell.page(
            request,
            "job.html",
            shown=shown,
            job=job,
            facts=facts_of(job),
            files=urls_by_kind(self._shell.core, job.outcome),
            url_minutes=round(self._shell.core.settings.objects.url_expires_s / 60),
            key_name=names.get(job.counted_as, job.counted_as),
            tenant_name=tenant.name if tenant else job.tenant_id,
            records=records,
            is_starred=bool(starred),
            recipe=msgspec.json.format(msgspec.json.encode(job.recipe), indent=2).decode(),
            is_open=job.state in OPEN,
            is_cached=is_cached(job.id),
            batch=[(one, thumbnail_url(self._shell.core, one.outcome)) for one in batch],
        )

    async def credentials(self, request: Request, user: User) -> Response:
        """Shows the credentials of the finished file, read by `imgen verify` in a subprocess."""
        job = await self._find(request, user)
        signed = [image for image in (job.outcome.images if job.outcome else ()) if image.type == "signed"]
        if not signed:
            raise HTTPException(404, "There is no finished file.")
        async with self._verifying:  # the file, too, takes megabytes
            try:
                body = await OBJECTS.run(self._shell.core.objects.get, signed[0].key)
            except errors.ObjectNotFound:
                raise HTTPException(404, "The file is gone.") from None
            read = await self._verify(body)
        return self._shell.page(request, "credentials.html", read=read)

    async def cancel(self, request: Request, user: User) -> Response:
        """Cancels an open job."""
        job = await self._find(request, user)
        ended = await job_service.cancel(self._shell.core, await self._principal(user, job), job.id)
        is_cancelled = job.state in OPEN and ended.state is State.CANCELLED
        if is_cancelled:
            await note(self._shell.core, user, job, "cancelled job")
        flash = Flash("Cancelled.") if is_cancelled else Flash(f"It had ended: {ended.state}.", "note")
        return self._shell.redirect(request, f"/panel/jobs/{job.id}", flash)

    async def retry(self, request: Request, user: User) -> Response:
        """Makes a new job of the same recipe."""
        job = await self._find(request, user)
        made = await submit.resubmit(self._shell.core, await self._principal(user, job), job, surface="panel")
        await note(self._shell.core, user, job, "retried job")
        return self._shell.redirect(request, f"/panel/jobs/{made.id}", "Made a new job of the same recipe.")

    async def delete(self, request: Request, user: User) -> Response:
        """Deletes the job and its files."""
        job = await self._find(request, user)
        if job.state not in ENDED:
            raise errors.Invalid("Cancel it first: it is still open")
        await retention.delete_job(self._shell.core, job)
        await note(self._shell.core, user, job, "deleted job")
        return self._shell.redirect(request, "/panel/jobs", f"{job.gen_id} and its files are deleted.")

    async def _find(self, request: Request, user: User) -> Job:
        job_id = stored_id(request.path_params["job"])
        job = await self._shell.core.database.reading(job_search.find_visible, job_id, scope=user.scope)
        if job is None:
            raise HTTPException(404, "There is no such job.")
        return job

    async def _principal(self, user: User, job: Job) -> Principal:
        return await session_principal(self._shell.core, SessionCredential(user, job.tenant_id))

    async def _verify(self, body: bytes) -> dict[str, Any]:
        settings = self._shell.core.settings
        with tempfile.TemporaryDirectory(prefix="imgen-") as folder:
            file = Path(folder) / "picture"
            await FILES.run(file.write_bytes, body)
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
                async with asyncio.timeout(VERIFY_TIMEOUT_S):
                    out, _ = await process.communicate()
            except TimeoutError:
                log.warning("a picture was not read back in time")
            finally:
                if process.returncode is None:
                    process.kill()
        found: dict[str, Any] = msgspec.json.decode(out) if out else {}
        return found


async def note(core: Core, user: User, job: Job, action: str) -> None:
    """Adds a row to the audit for what a user did to a job."""
    await core.database.writing(
        audit.by_person,
        user,
        action=action,
        tenant_id=job.tenant_id,
        subject=job.id,
        detail={"gen_id": job.gen_id, "state": job.state},
    )
