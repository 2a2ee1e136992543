"""Diffusion: the engine turns the recipe's diffusion part into pixels."""

import time
from dataclasses import replace
from functools import partial

import structlog
from msgspec import UNSET

from imgen.domain.errors import PictureFlagged, RefusedByProvider
from imgen.domain.recipe import Recipe
from imgen.domain.review.verdict import PictureBlocked
from imgen.domain.studio import ENHANCE
from imgen.live import weights
from imgen.records import cache
from imgen.weights.identity import identity
from workers import spool
from workers.batch import Order
from workers.engines import OnStep, Shot, draw_no_preview
from workers.picture import Context, Picture
from workers.stages import review, upscale
from workers.stages.master import decoded

log = structlog.get_logger(__name__)


def diffuse(picture: Picture, context: Context) -> Picture:
    """Renders with the model's engine, in one call with the other jobs of the batch, and reports every step.

    The time limit begins when the model is loaded. Nobody sees a preview of a picture that its words alone withhold.
    An earlier attempt's pixels are taken where the object store did not take them (see `master.keep`). For `enhance` nothing is
    drawn: the pixels are the source's, and whoever waits for the device needs not wait for this job.

    Raises:
        ModelError, Retryable: see workers.engines.Engine.render and RemoteDrawing.draw.
        PictureBlocked: the model's own safety checker flagged the picture, or a provider refused to draw it.
        TimedOut: the render took longer than its model's limit, or the job longer than its tier's.
    """
    data_dir = context.resources.settings.data_dir
    kept = spool.load(data_dir, context.job.id)
    if kept is not None:
        resumed = decoded(picture, kept)
        has_file = resumed.elsewhere is not None and resumed.elsewhere.has_credentials
        return replace(
            resumed,
            is_resumed=True,
            answer_file=spool.load_answer_file(data_dir, context.job.id) if has_file else b"",
        )
    if context.job.recipe.mode == ENHANCE:
        if picture.source is None:
            raise AssertionError("nothing to enhance: the recipe has no source")
        context.release()
        return replace(picture, pixels=picture.source)
    order = Order(
        model=context.model,
        shot=_shot(picture, context.job.recipe),
        prepare=partial(_prepare, context),
        report=_report(picture, context),
        loading=context.loading,
        limited=context.limited,
    )
    drawn = context.draw(order)
    if isinstance(drawn, RefusedByProvider):
        raise PictureBlocked(review.refused_by_provider(str(drawn))) from drawn
    if isinstance(drawn, PictureFlagged):
        raise PictureBlocked(review.flagged_by_model(context)) from drawn
    for note in drawn.notes:
        log.info("drawn otherwise than asked", note=note)
    return replace(
        picture,
        pixels=drawn.pixels,
        drawn_at=time.time(),
        idle=drawn.idle,
        elsewhere=drawn.elsewhere,
        answer_file=drawn.file,
        drawn_png=drawn.png,
    )


def _shot(picture: Picture, recipe: Recipe) -> Shot:
    is_final = recipe.frame is UNSET and recipe.diffusion.upscale == 1
    return Shot(diffusion=recipe.diffusion, source=picture.source, mask=picture.mask, is_final=is_final)


def _report(picture: Picture, context: Context) -> OnStep:
    report = upscale.drawing_report(context)
    if picture.verdict is None or picture.verdict.safe:
        return report
    return lambda done, total, _preview: report(done, total, draw_no_preview)


def _prepare(context: Context) -> None:
    """Does what comes between the loading of the model and the first step.

    Raises:
        Retryable: the database does not answer.
        LeaseLost: another process has moved the job.
    """
    _tell_weights(context)
    context.begin_limit()


def _tell_weights(context: Context) -> None:
    """Tells API processes the weights that draw, and gives up a cache entry that stands for others.

    The files were exchanged since the request was looked up, or the API's machine has others.

    Raises:
        Retryable: the database does not answer.
    """
    recipe, resources = context.job.recipe, context.resources
    drawn_with = resources.models.weights(context.model, recipe.diffusion.lora)
    if not drawn_with:
        return
    resources.notify(weights.publish(drawn_with))
    if recipe.cache_entry_id and recipe.weights != identity(context.model, recipe.diffusion.lora, drawn_with):
        log.warning("the picture is not kept in the cache: the API knew other weights under this name")
        resources.database.attempt(cache.purge, entry_ids=[recipe.cache_entry_id])
