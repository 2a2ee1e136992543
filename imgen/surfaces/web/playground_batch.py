"""Batch in the playground: thumbnails of the pictures that one request made, below the one that is shown."""

from collections.abc import Sequence
from typing import Any, ClassVar

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.domain.job import OPEN, Job
from imgen.domain.user import User
from imgen.records import jobs
from imgen.services.core import Core
from imgen.surfaces.web import playground_history
from imgen.surfaces.web.navigation import NavEntry
from imgen.surfaces.web.shell import Shell, digest


class PlaygroundBatch:
    """Section of the batches of the playground."""

    nav: ClassVar[Sequence[NavEntry]] = ()

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def routes(self) -> Sequence[BaseRoute]:
        """Returns its part of a page for htmx."""
        return [Route("/play/jobs/{id}/batch", self._shell.signed_in(self.batch), methods=["GET"])]

    async def batch(self, request: Request, user: User) -> Response:
        """Shows the jobs that were made with one of the user's. It is polled for changes while one of them is open."""
        core = self._shell.core
        job = await playground_history.find_own(core, user, request.path_params["id"])
        batch = job and await batch_of(core, job)
        if not batch:
            raise HTTPException(404)
        if request.query_params.get("shown") == batch["shown"]:
            return self._shell.unchanged()
        response = self._shell.page(request, "playground_batch.html", job=job, batch=batch)
        response.headers.update(playground_history.CHANGED)
        return response


async def batch_of(core: Core, job: Job) -> dict[str, Any] | None:
    """Returns the values of the template for the batch of a job; None: it was made alone."""
    if job.batch_id is None:
        return None
    siblings = await core.database.reading(jobs.of_batch, job.batch_id)
    return {
        "thumbnails": [playground_history.thumbnail(core, one) for one in siblings],
        "is_open": any(one.state in OPEN for one in siblings),
        "shown": digest([(one.id, one.state, one.fence) for one in siblings]),
    }
