"""Latent preview: unfinished latents, averaged over patches, which removes most of the noise, and decoded."""

from typing import Any

import numpy as np
import structlog
import torch
from numpy import uint8
from numpy.typing import NDArray
from torch.nn.functional import avg_pool2d

log = structlog.get_logger(__name__)

PATCH = 4
"""Latents along a patch's edge; decoding takes a sixteenth of the work."""
_PLANE_DIMS = 4


def latent_preview(pipe: Any, latents: torch.Tensor, width: int, height: int, number: int = 0) -> NDArray[uint8] | None:
    """Decodes a preview, (height, width, 3) uint8, a quarter of the picture's size; None: unknown layout, or no colours.

    Args:
        pipe: a pipeline in the middle of a call.
        latents: as it hands them to its callback: (n, channels, height, width), or FLUX's tokens.
        width: the picture's, px.
        height: the picture's, px.
        number: of the picture in the batch.
    """
    if hasattr(pipe, "_unpack_latents"):
        latents = pipe._unpack_latents(latents, height, width, pipe.vae_scale_factor)  # noqa: SLF001 - there is no other way
    if latents.ndim != _PLANE_DIMS:
        return None
    vae: Any = getattr(pipe, "vae", None)
    if not hasattr(getattr(vae, "config", None), "scaling_factor"):
        return None
    scaling, shift = vae.config.scaling_factor, getattr(vae.config, "shift_factor", None) or 0.0
    coarse = avg_pool2d(latents[number : number + 1].float(), PATCH) / scaling + shift
    try:
        pixels = vae.decode(coarse.to(vae.dtype), return_dict=False)[0][0].float()
    except RuntimeError as exc:  # also if the device is out of memory; the picture itself goes on
        log.warning("no preview", reason=str(exc))
        return None
    if not torch.isfinite(pixels).all():
        return None  # black or grey would look like a picture
    rounded = pixels.add(1).mul(127.5).clamp(0, 255).round().to(torch.uint8)
    return np.ascontiguousarray(rounded.permute(1, 2, 0).cpu().numpy())
