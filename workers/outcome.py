"""Outcome of a finished picture: `Meta` if it is safe, `Blocked` if review withheld it."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from imgen.domain.job import Job, State, utc_text
from imgen.domain.outcome import Meta, Outcome
from workers.picture import Picture
from workers.pipeline import Timing
from workers.stages import review

TIMINGS: tuple[str, ...] = ("queue", *get_args(Timing))


def of(job: Job, picture: Picture, seconds: Mapping[str, float]) -> tuple[State, Outcome]:
    """Returns the job's last state and its outcome."""
    verdict = picture.verdict
    if verdict is None or not verdict.safe:
        if verdict is None:
            raise AssertionError("a picture came through without a verdict")
        return State.BLOCKED, Outcome(blocked=review.blocked(verdict, unsafe_key=picture.images[0].key))
    return State.COMPLETED, Outcome(meta=_meta(job, picture, verdict.codes, seconds), images=picture.images)


def _meta(job: Job, picture: Picture, codes: tuple[str, ...], seconds: Mapping[str, float]) -> Meta:
    recipe, words, diffusion = job.recipe, job.recipe.prompt_parts, job.recipe.diffusion
    timings = {name: round(job.timings.get(name, 0.0) + seconds.get(name, 0.0), 4) for name in TIMINGS}
    return Meta(
        id=job.id,
        gen_id=job.gen_id,
        time=utc_text(time.time()),
        prompt=words.prompt,
        original_prompt=words.original_prompt,
        positive=diffusion.positive,
        negative="" if "negative" in picture.idle else diffusion.negative,
        character=words.character,
        model=recipe.model,
        style=recipe.style,
        width=picture.pixels.shape[1],
        height=picture.pixels.shape[0],
        format=recipe.output.format,
        quality=recipe.output.quality,
        lossless=recipe.output.lossless,
        optimized=words.optimized,
        compliance="safe",
        compliance_codes=codes,
        compliance_ruleset=recipe.ruleset,
        precompliance=recipe.precompliance,
        fingerprint=picture.fingerprint,
        enable_invisimark=True,
        enable_c2pa=True,
        compute_pdq=True,
        wm_position=recipe.visible_watermark.position,
        wm_scale=recipe.visible_watermark.scale,
        wm_transparency=recipe.visible_watermark.transparency,
        wm_rotation=recipe.visible_watermark.rotation,
        wm_padding_x=recipe.visible_watermark.padding_x,
        wm_padding_y=recipe.visible_watermark.padding_y,
        cs_author=recipe.attribution.author,
        cs_title=recipe.attribution.title,
        cs_description=recipe.attribution.description,
        cs_organization=recipe.attribution.organization,
        cs_vendor=recipe.attribution.vendor,
        seed=_seed(picture, diffusion.seed),
        steps=None if "steps" in picture.idle else diffusion.num_inference_steps,
        guidance=None if "guidance" in picture.idle else diffusion.guidance_scale,
        watermark_id=job.watermark_id,
        watermark_verified=picture.watermark_verified,
        sha256=picture.sha256,
        manifest_id=picture.manifest_id,
        timings=timings,
        upscale=diffusion.upscale if picture.upscaler else 1,
        upscaler=Path(picture.upscaler).name,
        **_elsewhere(picture),
    )


def _elsewhere(picture: Picture) -> dict[str, Any]:
    told = picture.elsewhere
    if told is None:
        return {}
    size = {"drawn_width": told.width, "drawn_height": told.height}
    return {"engine": told.engine, "revised_prompt": told.revised_prompt, **size}


def _seed(picture: Picture, asked: int) -> int | None:
    """Returns the seed that drew the picture, as the engine tells it; None: the engine took none and tells none."""
    if picture.elsewhere is not None and picture.elsewhere.seed is not None:
        return picture.elsewhere.seed
    return None if "seed" in picture.idle else asked
