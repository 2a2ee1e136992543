"""Enhancement of a source without a model: restrained denoising, tone and sharpening. It is enlarged by the later stages."""

import time
from dataclasses import replace

from imgen.domain.studio import ENHANCE
from imgen.provenance import enhancement
from workers.picture import Context, Picture


def enhance(picture: Picture, context: Context) -> Picture:
    """Enhances the pixels if the recipe says so; those of an earlier attempt are enhanced already."""
    if context.job.recipe.mode != ENHANCE or picture.is_resumed:
        return picture
    pixels = enhancement.enhance(picture.pixels, checkpoint=context.checkpoint)
    return replace(picture, pixels=pixels, drawn_at=time.time(), idle=("negative", "guidance"))
