"""History of the playground: a user's latest jobs, those made here and those made with the user's own keys."""

import json
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
MAX_KEYS = 20
"""Limit of keys whose jobs are looked for, those used last."""


async def made_here(core: Core, user: User) -> list[Job]:
    """Returns the latest jobs of the playground, newest first."""
    return await core.database.reading(jobs.latest_of_key, user.id, scope=user.scope, limit=SHOWN)


async def made_with_keys(core: Core, user: User) -> list[Job]:
    """Returns the latest jobs of the user's keys, newest first."""
    keys = await core.database.reading(api_keys.keys_of_user, user, limit=MAX_KEYS)
    return await core.database.reading(jobs.latest_of_keys, keys, limit=SHOWN)


async def find_own(core: Core, user: User, job_id: str) -> Job | None:
    """Returns a job of either kind; None: it is neither, or the user has left its tenant."""
    try:
        job = await core.database.reading(jobs.find, job_id)
    except errors.JobNotFound:
        return None
    if job.counted_as == user.id:
        return job if user.scope is None or job.tenant_id in user.scope else None
    return job if await core.database.reading(api_keys.is_key_of_user, user, job.counted_as) else None


def thumbnail(core: Core, job: Job) -> dict[str, Any]:
    """Returns the values of a thumbnail."""
    url, text = thumbnail_url(core, job.outcome), state_text(job, state_for_owner(job.state, job.fence))
    return {"job": job, "url": url, "fill": json.dumps(playground_form.filling(job)), "text": text}
