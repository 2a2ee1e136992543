"""Parts of the pages that make pictures, the playground and Studio: a job of the user, its batch, and its cancellation."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.domain.credential import SessionCredential
from imgen.domain.job import Job
from imgen.domain.user import User
from imgen.services import jobs as job_service
from imgen.services.accounts import authentication
from imgen.services.core import Core
from imgen.surfaces.web import playground_history, playground_shown, studio_shown
from imgen.surfaces.web.navigation import NavEntry
from imgen.surfaces.web.playground_batch import BatchPlace, batch_of
from imgen.surfaces.web.shell import Shell


class Page(NamedTuple):
    """Page that makes pictures."""

    templates: str
    """Beginning of its templates' names."""
    place: BatchPlace
    values_of: Callable[[Core, User, Job], Awaitable[dict[str, Any]]]
    """Makes the values of a job."""


PAGES = (
    Page("playground", playground_shown.PLACE, playground_shown.values_of),
    Page("studio", studio_shown.PLACE, studio_shown.values_of),
)


class PlaygroundJobs:
    """Section of the parts of these pages for htmx."""

    nav: ClassVar[Sequence[NavEntry]] = ()

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._core = shell.core

    def routes(self) -> Sequence[BaseRoute]:
        """Returns the parts of every page."""
        signed_in, found = self._shell.signed_in, list[BaseRoute]()
        for page in PAGES:
            path = page.place.root + "/jobs/{id}"
            found += [
                Route(path, signed_in(partial(self.job, page)), methods=["GET"]),
                Route(path + "/batch", signed_in(partial(self.batch, page)), methods=["GET"]),
                Route(path + "/cancel", signed_in(partial(self.cancel, page)), methods=["POST"]),
            ]
        return found

    async def job(self, page: Page, request: Request, user: User) -> Response:
        """Shows a job of the user. The answer to a poll is the state alone while the job is open, then the whole."""
        job = await self._own(request, user)
        shown = await page.values_of(self._core, user, job)
        if "poll" not in request.query_params:
            shown |= await batch_of(self._core, job, page.place)
            return self._shell.page(request, f"{page.templates}_shown.html", **shown)
        if shown["outcome"] is None:
            response = self._shell.page(request, "playground_status.html", **shown)
            if request.query_params.get("shown") != shown["state"]:
                response.headers.update(playground_history.CHANGED)
            return response
        response = self._shell.page(request, f"{page.templates}_job.html", **shown)
        response.headers.update(
            playground_history.CHANGED | {"HX-Retarget": "closest article", "HX-Reswap": "outerHTML"}
        )
        return response

    async def batch(self, page: Page, request: Request, user: User) -> Response:
        """Shows the jobs that were made with one of the user's. It is polled for changes while one of them is open."""
        job = await self._own(request, user)
        found = await batch_of(self._core, job, page.place)
        if not found["batch"]:
            raise HTTPException(404)
        if request.query_params.get("shown") == found["batch"]["shown"]:
            return self._shell.unchanged()
        response = self._shell.page(request, "playground_batch.html", job=job, **found)
        response.headers.update(playground_history.CHANGED)
        return response

    async def cancel(self, page: Page, request: Request, user: User) -> Response:
        """Cancels a job of the user."""
        job = await self._own(request, user)
        principal = await authentication.session_principal(self._core, SessionCredential(user, job.tenant_id))
        ended = await job_service.cancel(self._core, principal, job.id)
        shown = await page.values_of(self._core, user, ended)
        response = self._shell.page(request, f"{page.templates}_job.html", **shown)
        response.headers.update(playground_history.CHANGED)
        return response

    async def _own(self, request: Request, user: User) -> Job:
        """Returns the job of the path. Raises 404: it is not a job of the user, or the user left its tenant."""
        job = await playground_history.find_own(self._core, user, request.path_params["id"])
        if job is None:
            raise HTTPException(404)
        return job
