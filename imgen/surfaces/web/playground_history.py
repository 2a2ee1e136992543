"""History of the playground: a user's latest jobs, those made here and those made with the user's own keys."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from imgen.domain import errors
from imgen.domain.job import Job, state_for_owner
from imgen.domain.user import User
from imgen.records import api_keys, jobs
from imgen.services.core import Core
from imgen.services.links import thumbnail_url
from imgen.surfaces.web import playground_form
from imgen.surfaces.web.playground_states import state_text

CHANGED = {"HX-Trigger": "job-changed"}
"""Event for the page: the thumbnails are out of date."""
SHOWN = 12
"""Number of thumbnails in a row."""
LOOKED_AT = 60
"""Number of the latest jobs that those of a page are picked from."""
MAX_KEYS = 20
"""Limit of keys whose jobs are looked for, those used last."""


async def made_here(core: Core, user: User, *, in_studio: bool = False) -> list[Job]:
    """Returns the latest jobs that the user made in the playground, or in Studio, newest first."""
    found = await core.database.reading(jobs.latest_of_key, user.id, scope=user.scope, limit=LOOKED_AT)
    return _of_page(found, in_studio=in_studio)


async def made_with_keys(core: Core, user: User, *, in_studio: bool = False) -> list[Job]:
    """Returns the latest jobs of the user's keys, newest first: those of Studio, or all others."""
    keys = await core.database.reading(api_keys.keys_of_user, user, limit=MAX_KEYS)
    return _of_page(await core.database.reading(jobs.latest_of_keys, keys, limit=LOOKED_AT), in_studio=in_studio)


def _of_page(found: Sequence[Job], *, in_studio: bool) -> list[Job]:
    return [job for job in found if bool(job.recipe.mode) is in_studio][:SHOWN]


async def find_own(core: Core, user: User, job_id: str) -> Job | None:
    """Returns a job of either kind; None: it is neither, or the user has left its tenant."""
    try:
        job = await core.database.reading(jobs.find, job_id)
    except errors.JobNotFound:
        return None
    if job.counted_as == user.id:
        return job if user.scope is None or job.tenant_id in user.scope else None
    return job if await core.database.reading(api_keys.is_key_of_user, user, job.counted_as) else None


def thumbnail(
    core: Core, job: Job, filling: Callable[[Job], Mapping[str, str | bool]] = playground_form.filling
) -> dict[str, Any]:
    """Returns the values of a thumbnail; `filling` gives the fields of the page's form for the job."""
    url, text = thumbnail_url(core, job.outcome), state_text(job, state_for_owner(job.state, job.fence))
    return {"job": job, "url": url, "fill": json.dumps(filling(job)), "text": text}
