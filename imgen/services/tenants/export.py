"""Export of a tenant: a ZIP that is written while it is read, a page of rows or a picture in memory at a time.

It is made while the service runs: each file is a moment of its own, and jobs that came after the beginning are left out. A part
that cannot be read is told in the archive, which goes on.
"""

import time
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from imgen.domain.account import Tenant
from imgen.domain.errors import ImgenError, ObjectNotFound
from imgen.domain.job import Job
from imgen.objects import ObjectStore
from imgen.records import tenant_data
from imgen.records.database import Database
from imgen.records.tenant_data import Listing
from imgen.services.zip_stream import Pipe

PAGE = 200
MOST_FAILURES = 5
"""Pictures in a row that cannot be read; then the store as a whole is taken to be away, and no further one is tried."""
MOST_PROBLEMS = 10_000
"""Problems that are told one by one."""
PROBLEMS = "problems.jsonl"
README = """\
Data of the tenant {name} ({id}), {at} UTC.

tenant.json         name, plan, time of the beginning
members.jsonl       names and roles of its members
keys.jsonl          API keys: name, beginning, scopes; a key itself is stored nowhere
applications.jsonl  applications that its members connected, without their tokens
webhooks.jsonl      endpoints and their events, without secrets
packs.jsonl         packs of credits, with the references of their payments
ledger.jsonl        each hold, charge and release of pictures and credits
usage.jsonl         sums by day and month
jobs.jsonl          jobs with prompts, settings and facts about their pictures
pictures/           signed pictures and thumbnails; `files` of a job names its own
{problems:19} pictures and rows that could not be read; only where there are any

JSON Lines: an object a line, UTF-8. Times are seconds since 1970, UTC.
Left out: secrets, pictures that were withheld, sources and masks (kept for a day), and jobs that were made after the beginning.
"""


class Export:
    """Export of one tenant; iterate over it for the bytes of the archive. Blocking: each step reads a page or a picture."""

    def __init__(self, database: Database, objects: ObjectStore, tenant: Tenant, *, now: float) -> None:
        self._database = database
        self._objects = objects
        self._tenant = tenant
        self._now = now
        self._problems: list[dict[str, object]] = []
        self._untold = 0
        self._failures = 0
        """Pictures in a row that could not be read."""
        self.jobs_done = 0
        """Number of jobs whose pictures are written, for a progress bar."""

    @property
    def has_problems(self) -> bool:
        """Returns whether anything could not be read so far."""
        return bool(self._problems)

    def __iter__(self) -> Iterator[bytes]:
        """Yields the archive.

        Raises:
            Retryable: the database does not answer; the archive breaks off.
        """
        pipe = Pipe()
        with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
            at = time.strftime("%Y-%m-%d %H:%M", time.gmtime(self._now))
            archive.writestr(
                self._entry("README"),
                README.format(name=self._tenant.name, id=self._tenant.id, at=at, problems=PROBLEMS),
            )
            facts = {
                "id": self._tenant.id,
                "name": self._tenant.name,
                "plan": self._tenant.plan,
                "exported_at": self._now,
            }
            archive.writestr(self._entry("tenant.json"), msgspec.json.encode(facts))
            for name, listing in tenant_data.LISTINGS.items():
                yield from self._lines(archive, pipe, f"{name}.jsonl", self._rows(listing))
            yield from self._lines(archive, pipe, "jobs.jsonl", (map(_job_fields, page) for page in self._jobs()))
            yield from self._all_pictures(archive, pipe)
            if self._problems:
                yield from self._lines(archive, pipe, PROBLEMS, [self._problems])
        yield pipe.take()

    def _all_pictures(self, archive: zipfile.ZipFile, pipe: Pipe) -> Iterator[bytes]:
        for page in self._jobs():
            for job in page:
                yield from self._pictures(archive, pipe, job)
                if self._failures == MOST_FAILURES:
                    self._tell(
                        "pictures/", "The object store does not answer: this picture and all later ones are left out"
                    )
                    return
                self.jobs_done += 1
        if self._untold:
            self._problems.append({"file": "pictures/", "reason": f"{self._untold} more could not be read"})

    def _lines(
        self, archive: zipfile.ZipFile, pipe: Pipe, name: str, pages: Iterable[Iterable[object]]
    ) -> Iterator[bytes]:
        with archive.open(self._entry(name), "w", force_zip64=True) as file:
            for page in pages:
                file.write(b"".join(msgspec.json.encode(one) + b"\n" for one in page))
                yield pipe.take()

    def _rows(self, listing: Listing) -> Iterator[list[dict[str, object]]]:
        after: tuple[Any, ...] | None = None
        while True:
            with self._database.read() as connection:
                page, after = tenant_data.page(connection, listing, self._tenant.id, after=after, limit=PAGE)
            yield page
            if after is None:
                return

    def _jobs(self) -> Iterator[list[Job]]:
        after: tuple[float, str] | None = None
        while True:
            with self._database.read() as connection:
                page = tenant_data.jobs_page(connection, self._tenant.id, until=self._now, after=after, limit=PAGE)
            yield page
            if len(page) < PAGE:
                return
            after = page[-1].created_at, page[-1].id

    def _pictures(self, archive: zipfile.ZipFile, pipe: Pipe, job: Job) -> Iterator[bytes]:
        for image in job.outcome.images if job.outcome else ():
            name = file_name(job, image.filename)
            try:
                body = self._objects.get(image.key)
            except ObjectNotFound:
                self._tell(name, "It is not stored any more")
                continue
            except ImgenError as exc:
                self._tell(name, str(exc))
                self._failures += 1
                if self._failures == MOST_FAILURES:
                    return
                continue
            self._failures = 0
            archive.writestr(self._entry(name, zipfile.ZIP_STORED), body)
            yield pipe.take()

    def _tell(self, name: str, reason: str) -> None:
        if len(self._problems) < MOST_PROBLEMS:
            self._problems.append({"file": name, "reason": reason})
        else:
            self._untold += 1

    def _entry(self, name: str, kind: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipInfo:
        entry = zipfile.ZipInfo(name, time.gmtime(self._now)[:6])
        entry.compress_type = kind
        entry.external_attr = 0o600 << 16
        return entry


def file_name(job: Job, filename: str) -> str:
    """Returns the name of a picture in the archive."""
    return f"pictures/{time.strftime('%Y-%m', time.gmtime(job.created_at))}/{filename}"


def _job_fields(job: Job) -> dict[str, object]:
    """Returns what is told of a job, without the names of its files in our store."""
    recipe, outcome = job.recipe, job.outcome
    words, diffusion = recipe.prompt_parts, recipe.diffusion
    settings = msgspec.to_builtins(diffusion) | msgspec.to_builtins(recipe.output)
    settings["inputs"] = [{"role": one.role, "sha256": one.sha256} for one in diffusion.inputs]
    logo = msgspec.to_builtins(recipe.visible_watermark)
    return {
        "id": job.id,
        "gen_id": job.gen_id,
        "batch_id": job.batch_id,
        "surface": job.surface,
        "made_by": job.counted_as,
        "state": job.state.value,
        "created_at": job.created_at,
        "ended_at": job.ended_at,
        "prompt": words.prompt,
        "original_prompt": words.original_prompt,
        "negative": words.negative,
        "character": words.character,
        "model": recipe.model,
        "style": recipe.style,
        "ruleset": recipe.ruleset,
        "precompliance": recipe.precompliance,
        "settings": settings,
        "logo": logo if logo.pop("image_key") else None,
        "attribution": msgspec.to_builtins(recipe.attribution),
        "credits": recipe.credits,
        "webhook_url": job.webhook_url,
        "files": [file_name(job, image.filename) for image in outcome.images] if outcome else [],
        "meta": outcome.meta if outcome else None,
        "blocked": list(outcome.blocked.names) if outcome and outcome.blocked else None,
        "error": outcome.error if outcome else "",
    }
