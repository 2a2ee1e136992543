"""Request for a picture as ComfyUI gets it: values and pictures by their names in a model's `nodes`."""

from typing import Any

import numpy as np
from numpy import uint8
from numpy.typing import NDArray

from imgen.domain.recipe import REDRAWN, strength_of
from workers.engines.remote.pictures import alpha_mask
from workers.engines.remote.protocol import PictureRequest
from workers.engines.remote.workflow import LORA_SCALE, targets


def request_values(request: PictureRequest) -> dict[str, Any]:
    """Returns the values that may be written into a workflow, by their names in `nodes`, without the pictures."""
    diffusion, takes = request.shot.diffusion, request.choice.takes
    taken: dict[str, Any] = {
        "negative": diffusion.negative,
        "seed": diffusion.seed,
        "steps": diffusion.num_inference_steps,
        "guidance": diffusion.guidance_scale,
        "lora": diffusion.lora,
    }
    if request.shot.source is not None:
        taken["strength"] = strength_of(diffusion)
    return {
        "prompt": diffusion.positive,
        "width": diffusion.width,
        "height": diffusion.height,
        LORA_SCALE: diffusion.lora_scale,
        **{name: value for name, value in taken.items() if name in takes},
    }


def request_pictures(request: PictureRequest) -> dict[str, NDArray[uint8]]:
    """Returns the pixels of a request's pictures by their names in `nodes`, (height, width, 3 or 4).

    The mask is white and transparent where the source is redrawn: ComfyUI's loaders turn alpha around, so `LoadImageMask` gives
    the same mask by each of its channels. The source is transparent there as well, so its `LoadImage` gives that mask, too.
    Without a mask all is redrawn.
    """
    source, choice = request.shot.source, request.choice
    if source is None:
        return {}
    if choice.edits != "mask":
        return {"source": source}
    mask = np.full(source.shape[:2], 255, uint8) if request.shot.mask is None else request.shot.mask
    white = np.where(mask >= REDRAWN, 255, 0).astype(uint8)
    files = {"source": alpha_mask(source, mask)}
    if targets(choice, "mask"):
        files["mask"] = alpha_mask(np.dstack([white] * 3), mask)
    return files
