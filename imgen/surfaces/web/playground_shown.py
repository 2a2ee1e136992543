"""Values of the templates that show a job of the playground: its state, pictures, preview and batch."""

import base64
from typing import Any

from imgen.domain import errors
from imgen.domain.credential import SessionCredential
from imgen.domain.job import ENDED, Job, State
from imgen.domain.outcome import Outcome
from imgen.domain.user import User
from imgen.live import previews
from imgen.services import jobs as job_service
from imgen.services.accounts import authentication
from imgen.services.core import Core
from imgen.services.links import picture_links, withheld_url
from imgen.surfaces.web.playground_batch import BatchPlace, batch_of
from imgen.surfaces.web.playground_states import state_text

PLACE = BatchPlace("/play", "every 1s")


async def values_of(core: Core, user: User, job: Job) -> dict[str, Any]:
    """Returns the values of a job: of an ended one from its row, of an open one from Redis."""
    if job.state in ENDED:
        return _values(core, job, job.state, job.outcome or Outcome(), None)
    principal = await authentication.session_principal(core, SessionCredential(user, job.tenant_id))
    job_status = await job_service.job_status(core, principal, job.id, job_service.get_view(core, job.id))
    values = _values(core, job, job_status.view.state, job_status.view.outcome, job_status)
    return values | {"preview": await _preview(core, job) if job_status.view.state is State.RENDERING else ""}


async def with_batch(core: Core, user: User, job: Job) -> dict[str, Any]:
    """Returns the values of a job, and those of the batch that it was made with."""
    return await values_of(core, user, job) | await batch_of(core, job, PLACE)


async def _preview(core: Core, job: Job) -> str:
    """Returns the latest preview in base64; empty: there is none."""
    try:
        latest = await core.live.run(previews.watch(job.id))
    except errors.Unavailable:
        return ""
    return base64.b64encode(latest or b"").decode()


def _values(
    core: Core, job: Job, state: State, outcome: Outcome | None, job_status: job_service.JobStatus | None
) -> dict[str, Any]:
    links = picture_links(core, outcome) if outcome else ()
    return {
        "job": job,
        "state": state,
        "state_text": state_text(job, state, job_status),
        "job_status": job_status,
        "outcome": outcome,
        "images": {link.type: link for link in links},
        "unsafe_url": withheld_url(core, outcome) if outcome else "",
        "model_label": _label(core, job.recipe.model),
        "style_label": _label(core, job.recipe.model, job.recipe.style),
    }


def _label(core: Core, model_key: str, style_key: str = "") -> str:
    """Returns the configured label of a model or style; its key if it is no longer configured."""
    model = core.catalog.models.get(model_key)
    if not style_key:
        return model.label if model else model_key
    style = model.styles.get(style_key) if model else None
    return style.label if style else style_key
