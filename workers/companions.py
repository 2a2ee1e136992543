"""Companions of a claimed job: jobs of its queue that can be rendered in the same call. Claims nothing."""

from msgspec import UNSET
from sqlalchemy import Connection

from imgen.domain.errors import NoTimeLeft
from imgen.domain.job import Job, State
from imgen.domain.recipe import RECIPE_VERSION, Recipe
from imgen.domain.studio import ENHANCE
from imgen.live import waiting
from imgen.records import jobs
from workers import engines
from workers.resources import WorkerResources

LOOKED_AT = 32
"""Waiting jobs at the head of the queue that are looked at; a model's batch is far smaller."""


def find(resources: WorkerResources, job: Job) -> list[str]:
    """Finds waiting jobs that may share a claimed job's render, in the order of the queue, up to the model's batch limit.

    A job that is tried again is rendered alone: were it the one that kills its workers, each companion would pay an attempt.
    So is one whose batch failed and left no time for it.

    Raises:
        Unavailable, Retryable: Redis or the database does not answer.
    """
    model = resources.catalog.models.get(job.recipe.model)
    is_drawn = job.recipe.mode != ENHANCE
    if model is None or not is_drawn or job.attempts > 1 or job.error_code == NoTimeLeft.code:
        return []
    limit = min(engines.batch_max(model), resources.batch_limits.get(model.key, LOOKED_AT))
    if limit <= 1:
        return []
    ids = resources.live.run(waiting.head(job.queue, LOOKED_AT))
    with resources.database.read() as connection:
        limit = min(limit, _most_within_limit(connection, job.recipe))
        if limit <= 1:
            return []
        found = {other.id: other for other in jobs.find_readable(connection, ids)}
    fitting = [other_id for other_id in ids if other_id in found and _fits(found[other_id], job)]
    return fitting[: limit - 1]


def _most_within_limit(connection: Connection, recipe: Recipe) -> int:
    """Returns the number of pictures that a call draws within the tier's time limit, each as long as the latest ones took."""
    if recipe.time_limit_s is UNSET:
        return LOOKED_AT
    seconds = jobs.average_seconds(connection).get(recipe.model)
    return 1 if seconds is None else int(recipe.time_limit_s / max(seconds, 1e-3))


def _fits(other: Job, job: Job) -> bool:
    is_fresh = other.state is State.QUEUED and other.attempts == 0 and other.error_code != NoTimeLeft.code
    return (
        other.id != job.id
        and is_fresh
        and other.recipe.version <= RECIPE_VERSION
        and _shape(other.recipe) == _shape(job.recipe)
    )


def _shape(recipe: Recipe) -> tuple[object, ...]:
    """Returns all that the pictures of one call have in common (see `engines.Engine.render`), and the time that they have."""
    diffusion = recipe.diffusion
    inputs = sorted((one.role, one.strength) for one in diffusion.inputs)
    return (
        recipe.model,
        recipe.mode == ENHANCE,
        (diffusion.width, diffusion.height, diffusion.upscale),
        diffusion.num_inference_steps,
        recipe.time_limit_s,
        (diffusion.lora, diffusion.lora_scale),
        tuple(inputs),
    )
