"""Batch of a job: the pictures that one request made, as thumbnails below the one that is shown."""

from typing import Any, NamedTuple

from imgen.domain.job import OPEN, Job
from imgen.records import jobs
from imgen.services.core import Core
from imgen.surfaces.web import playground_history
from imgen.surfaces.web.shell import digest


class BatchPlace(NamedTuple):
    """Page that a batch is shown on."""

    root: str
    """Path below which the page's parts are."""
    trigger: str
    """Times at which an open batch is asked for again, in the words of htmx."""


async def batch_of(core: Core, job: Job, place: BatchPlace) -> dict[str, Any]:
    """Returns the values of the template for the batch of a job; its `batch` is None if the job was made alone."""
    around = {"place": place, "batch": None}
    if job.batch_id is None:
        return around
    siblings = await core.database.reading(jobs.of_batch, job.batch_id)
    return around | {
        "batch": {
            "thumbnails": [playground_history.thumbnail(core, one) for one in siblings],
            "open": [one.id for one in siblings if one.state in OPEN],
            "shown": digest([(one.id, one.state, one.fence) for one in siblings]),
        }
    }
