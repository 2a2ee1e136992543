"""Pipeline of a picture: its two phases as tables of stages, and the fold that runs a table."""

import time
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from workers.picture import Context, Picture
from workers.stages import (
    brand,
    diffuse,
    encode,
    enhance,
    fingerprint,
    frame,
    master,
    origin,
    review,
    sign,
    source,
    store,
    thumbnail,
    upscale,
    watermark,
)

Timing = Literal["render", "review", "finish", "upload"]
"""Key of the job's timings; `meta` lists them in this order."""


class Stage(NamedTuple):
    """Stage function and the timing that its seconds are counted under."""

    run: Callable[[Picture, Context], Picture]
    timing: Timing
    is_off_device: bool = False
    """Whether neither this stage nor a later one needs the model's device, so that the next render may begin beside it."""


RENDER: tuple[Stage, ...] = (
    Stage(review.words, "review"),  # a picture that may never be shown is not drawn
    Stage(upscale.check, "render"),
    Stage(source.fetch, "render"),
    Stage(review.inputs, "review"),  # pictures from outside are used only after their review
    Stage(source.fit, "render"),
    Stage(diffuse.diffuse, "render"),
    Stage(enhance.enhance, "render"),
    Stage(frame.cut, "render"),
    Stage(upscale.upscale, "render"),
    Stage(frame.resize, "render"),
    Stage(master.keep, "render", is_off_device=True),
)

FINISH: tuple[Stage, ...] = (
    Stage(master.fetch, "finish"),
    Stage(origin.origin, "finish"),
    Stage(review.picture, "review"),
    Stage(master.keep_for_reuse, "upload"),  # before anything is laid over it
    Stage(brand.fetch_logo, "finish"),
    Stage(review.logo, "review"),  # a picture from outside is used only after its review
    Stage(brand.brand, "finish"),
    Stage(review.branded, "review"),  # the last: nothing visible changes after it
    Stage(watermark.embed, "finish"),
    Stage(encode.encode, "finish"),
    Stage(watermark.hold, "finish"),  # the last that changes pixels, and the file with them
    Stage(fingerprint.fingerprint, "finish"),
    Stage(thumbnail.thumbnail, "finish"),
    Stage(sign.sign, "finish"),  # last of all changes: one byte later and the signature is void
    Stage(store.store, "upload"),
)


def run(stages: Sequence[Stage], picture: Picture, context: Context) -> tuple[Picture, dict[str, float]]:
    """Runs all stages in order and calls the context's checkpoint before each.

    Returns:
        The picture and the seconds spent, by timing.

    Raises:
        ImgenError: what a stage or the checkpoint raises.
    """
    seconds: dict[str, float] = {}
    for stage in stages:
        context.checkpoint()
        if stage.is_off_device:
            context.release()
        started = time.perf_counter()
        picture = stage.run(picture, context)
        seconds[stage.timing] = seconds.get(stage.timing, 0.0) + time.perf_counter() - started
    context.checkpoint()
    return picture, seconds
