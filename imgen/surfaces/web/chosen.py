"""Chosen pictures: what is done with several jobs of the list at a time. They are starred, downloaded, compared, deleted.

Ids of other tenants' jobs, and of jobs that are gone, are passed over. Withheld pictures are neither packed nor compared.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, ClassVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from imgen.domain import errors
from imgen.domain.job import ENDED, Job, State
from imgen.domain.outcome import StoredImage
from imgen.domain.user import User
from imgen.records import job_search, stars
from imgen.services import retention
from imgen.services.links import urls_by_kind
from imgen.services.zip_stream import zip_pictures
from imgen.surfaces.web import filters
from imgen.surfaces.web.job_list import MAX_CHOSEN
from imgen.surfaces.web.jobs import note
from imgen.surfaces.web.navigation import NavEntry
from imgen.surfaces.web.nul import form_of
from imgen.surfaces.web.shell import Flash, Shell

MAX_COMPARED = 24
PDQ_BITS = 256


class Chosen:
    """Section of what is done with chosen pictures."""

    nav: ClassVar[Sequence[NavEntry]] = ()

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def routes(self) -> Sequence[BaseRoute]:
        """Returns its pages."""
        signed_in = self._shell.signed_in
        return [
            Route("/panel/chosen/star", signed_in(self.star), methods=["POST"]),
            Route("/panel/chosen/unstar", signed_in(self.unstar), methods=["POST"]),
            Route("/panel/chosen/delete", signed_in(self.delete), methods=["POST"]),
            Route("/panel/chosen/download", signed_in(self.download), methods=["POST"]),
            Route("/panel/chosen/compare", signed_in(self.to_comparison), methods=["POST"]),
            Route("/panel/compare", signed_in(self.compare), methods=["GET"]),
        ]

    async def star(self, request: Request, user: User) -> Response:
        """Stars the chosen jobs for the user."""
        return await self._mark(request, user, is_starred=True)

    async def unstar(self, request: Request, user: User) -> Response:
        """Takes the user's stars from the chosen jobs."""
        return await self._mark(request, user, is_starred=False)

    async def delete(self, request: Request, user: User) -> Response:
        """Deletes those of the chosen jobs that have ended, with their files."""
        back, jobs = await self._chosen(request, user)
        ended = [job for job in jobs if job.state in ENDED]
        for job in ended:
            await retention.delete_job(self._shell.core, job)
            await note(self._shell.core, user, job, "deleted job")
        text = f"{_number(len(ended), 'job')} and {'its' if len(ended) == 1 else 'their'} files are deleted."
        if still_open := len(jobs) - len(ended):
            text += f" {_number(still_open, 'job')} {'is' if still_open == 1 else 'are'} still open: cancel first."
        return self._shell.redirect(request, back, Flash(text, "news" if ended else "note"))

    async def download(self, request: Request, user: User) -> Response:
        """Sends the chosen pictures as signed, in one archive."""
        _, jobs = await self._chosen(request, user)
        if not (images := [image for job in jobs for image in _signed(job)]):
            raise errors.Invalid("None of the chosen jobs has a finished picture")
        now = self._shell.core.clock()
        chunks = zip_pictures(self._shell.core, images, now=now)
        first = await anext(chunks)  # while an error can still be told

        async def body() -> AsyncIterator[bytes]:
            yield first
            async for chunk in chunks:
                yield chunk

        named = {"Content-Disposition": f'attachment; filename="pictures-{filters.day(now)}.zip"'}
        return StreamingResponse(body(), media_type="application/zip", headers=self._shell.headers() | named)

    async def to_comparison(self, request: Request, user: User) -> Response:
        """Leads to the comparison of the chosen pictures, which has an address of its own."""
        _, jobs = await self._chosen(request, user)
        query = urlencode([("job", job.id) for job in jobs if _signed(job)][:MAX_COMPARED])
        return self._shell.redirect(request, f"/panel/compare?{query}")

    async def compare(self, request: Request, user: User) -> Response:
        """Shows two of the pictures beside each other, with their settings; the others can take either place."""
        given = request.query_params
        jobs = [job for job in await self._find(given.getlist("job")[:MAX_COMPARED], user) if _signed(job)]
        if len(jobs) < 2:  # noqa: PLR2004 - a comparison has two sides
            raise errors.Invalid("Choose at least two finished pictures to compare")
        by_id = {job.id: job for job in jobs}
        left = by_id.get(given.get("left", ""), jobs[0])
        others = [job for job in jobs if job.id != left.id]
        right = by_id[given["right"]] if given.get("right") in by_id and given.get("right") != left.id else others[0]
        ids = [("job", job.id) for job in jobs]
        choices = [
            (side, [(job, urlencode([*ids, ("left", (job if side == "left" else left).id),
                     ("right", (job if side == "right" else right).id)])) for job in jobs])
            for side in ("left", "right")
        ]  # fmt: skip
        return self._shell.page(
            request,
            "compare.html",
            sides=[("left", left), ("right", right)],
            choices=dict(choices),
            files={job.id: urls_by_kind(self._shell.core, job.outcome) for job in jobs},
            rows=[(name, one, other, one != other) for name, one, other in _rows(left, right)],
            jobs=jobs,
        )

    async def _mark(self, request: Request, user: User, *, is_starred: bool) -> Response:
        back, jobs = await self._chosen(request, user)
        change = stars.add if is_starred else stars.remove
        await self._shell.core.database.writing(change, user.id, [job.id for job in jobs])
        if request.headers.get("hx-request") == "true" and jobs:  # the button of one picture
            return self._shell.page(request, "star.html", job=jobs[0], is_starred=is_starred)
        text = f"{_number(len(jobs), 'job')} {'starred' if is_starred else 'without a star now'}."
        return self._shell.redirect(request, back, Flash(text, "news" if jobs else "note"))

    async def _chosen(self, request: Request, user: User) -> tuple[str, list[Job]]:
        """Returns the path to go back to, and the jobs of the form.

        Raises:
            Invalid: there are too many, or none.
        """
        form = await form_of(request)
        ids, back = [str(job_id) for job_id in form.getlist("job")], str(form.get("back", ""))
        if not ids:
            raise errors.Invalid("Choose at least one picture")
        if len(ids) > MAX_CHOSEN:
            raise errors.Invalid(f"Choose at most {MAX_CHOSEN} pictures at a time")
        return back if back.startswith("/panel/jobs") else "/panel/jobs", await self._find(ids, user)

    async def _find(self, ids: Iterable[str], user: User) -> list[Job]:
        """Returns the jobs that the user may see, in the order of the ids."""
        wanted = list(dict.fromkeys(ids))
        found = await self._shell.core.database.reading(job_search.find_all_visible, wanted, scope=user.scope)
        by_id = {job.id: job for job in found}
        return [by_id[job_id] for job_id in wanted if job_id in by_id]


def _signed(job: Job) -> list[StoredImage]:
    """Returns the finished file of a job; none of a withheld picture, or one that is no longer kept."""
    images = job.outcome.images if job.outcome and job.state is State.COMPLETED else ()
    return [image for image in images if image.type == "signed"]


def _rows(left: Job, right: Job) -> list[tuple[str, Any, Any]]:
    """Returns name and both values of what made the pictures, and how far apart they look."""
    pairs = [(name, one, other) for (name, one), (_, other) in zip(_facts(left), _facts(right), strict=True)]
    hashes = [job.outcome.meta.fingerprint if job.outcome and job.outcome.meta else "" for job in (left, right)]
    if not all(hashes):
        return pairs
    apart = (int(hashes[0], 16) ^ int(hashes[1], 16)).bit_count()
    distance = f"{apart} of {PDQ_BITS} bits"
    return [*pairs, ("PDQ distance", distance, distance)]


def _facts(job: Job) -> list[tuple[str, object]]:
    words, diffusion, output = job.recipe.prompt_parts, job.recipe.diffusion, job.recipe.output
    width, height = job.recipe.size
    return [
        ("Prompt", words.prompt),
        ("Negative", words.negative),
        ("Model", job.recipe.model),
        ("Style", job.recipe.style),
        ("Size", f"{width} × {height}"),
        ("Seed", _seed(job)),
        ("Steps", diffusion.num_inference_steps),
        ("Guidance", diffusion.guidance_scale),
        ("Format", f"{output.format}, quality {output.quality}"),
        ("Submitted", filters.moment(job.created_at)),
    ]


def _seed(job: Job) -> int | str:
    """Returns the seed that the picture was drawn with, or would be; a remote engine may tell none."""
    meta = job.outcome.meta if job.outcome is not None else None
    seed = job.recipe.diffusion.seed if meta is None else meta.seed
    return "unknown" if seed is None else seed


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
