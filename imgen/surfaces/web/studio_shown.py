"""Values of the templates that show a job of Studio: those of every job, its source beside it, and what is to be known of it."""

from typing import Any, NamedTuple

from imgen.domain.framing import exported_px
from imgen.domain.job import Job, State
from imgen.domain.recipe import NO_PLAIN_GROUND, Frame
from imgen.domain.studio import ENHANCE, LONG_SIDES
from imgen.domain.user import User
from imgen.records import tenants
from imgen.services import input_files
from imgen.services.core import Core
from imgen.surfaces.web import playground_shown
from imgen.surfaces.web.playground_batch import BatchPlace, batch_of
from imgen.surfaces.web.studio_plan import SizeOffer, sizes

PLACE = BatchPlace("/studio", "news, every 3s")
NOTES = {
    NO_PLAIN_GROUND: "No plain ground was found around the product, so the whole picture was restyled gently. A photo on a plain "
    "or transparent ground keeps the product exactly.",
}
"""Note of a recipe → sentence."""


class Before(NamedTuple):
    """Source of a picture, to be shown in the picture's own frame."""

    url: str
    is_portrait: bool
    """Whether what the frame cuts off is cut as of a portrait: a third of it above, the rest below."""


async def values_of(core: Core, user: User, job: Job) -> dict[str, Any]:
    """Returns the values of a job."""
    shown = await playground_shown.values_of(core, user, job)
    mode = core.studio.modes.get(job.recipe.mode or "")
    return shown | {
        "before": _before(core, job, shown["state"]),
        "mode_label": mode.label if mode else "",
        "other_sizes": await _other_sizes(core, job) if shown["state"] is State.COMPLETED else (),
        "notes": [NOTES[note] for note in job.recipe.notes if note in NOTES],
    }


async def with_batch(core: Core, user: User, job: Job) -> dict[str, Any]:
    """Returns the values of a job, and those of the batch that it was made with."""
    return await values_of(core, user, job) | await batch_of(core, job, PLACE)


async def _other_sizes(core: Core, job: Job) -> list[SizeOffer]:
    """Returns the sizes within the tenant's plan that a picture can be made in as well; an enhanced one has its own alone."""
    tenant = await core.database.reading(tenants.find_tenant_by_id, job.tenant_id)
    if tenant is None or job.recipe.mode == ENHANCE:
        return []
    has = exported_px(job.recipe)
    return [one for one in sizes(core, core.plan_of(tenant.plan)) if not one.needs and LONG_SIDES[one.key] != has]


def _before(core: Core, job: Job, state: State) -> Before | None:
    """Returns the source of a finished picture; None: there is none, or it is not kept any more."""
    source, frame = job.recipe.diffusion.input("source"), job.recipe.frame
    is_kept = core.clock() - job.created_at < input_files.KEPT_S
    if source is None or state is not State.COMPLETED or not is_kept:
        return None
    url = core.objects.url(source.key, expires_s=core.settings.objects.url_expires_s)
    return Before(url, isinstance(frame, Frame) and frame.height > frame.width)
