"""Modes of a loaded model: text to image, image to image, inpainting, each a pipeline of diffusers over the same weights."""

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any

import diffusers as untyped_diffusers
import numpy as np
import torch
from numpy import uint8
from numpy.typing import NDArray
from torch.nn.functional import interpolate, max_pool2d

from imgen.domain.errors import ModelError
from imgen.domain.recipe import REDRAWN, strength_of
from workers.engines import Drawn, Shot
from workers.engines.diffusers.architectures import Mode, architecture_of
from workers.engines.diffusers.latent_blending import LatentBlending
from workers.engines.diffusers.speed import settle_device
from workers.engines.paste_back import pasted_back, redraws

diffusers: Any = untyped_diffusers

INPAINTING_CHANNELS = 9
"""Channels of a UNet that was trained to inpaint: latents, mask, and latents of the source without what is masked."""

ALMOST_ALL = 0.9999
"""Strength in place of 1 for SDXL's inpainting UNet, which noise alone leads astray (diffusers#5647); its pipeline's default."""

GREY = 128
"""Level of the source where there is none: an inpainting UNet draws from words alone if all is masked."""


def mode_of(shot: Shot) -> Mode:
    """Returns the mode that a shot's inputs ask for."""
    if shot.source is None:
        return "text"
    return "image" if shot.mask is None else "inpaint"


def sharing_key(shot: Shot) -> tuple[Mode, float, bool]:
    """Returns all by which shots must agree to be drawn in one call, beside their sizes, steps and LoRA."""
    return mode_of(shot), strength_of(shot.diffusion), _keeps_all(shot)


def undrawn(shot: Shot) -> Drawn | None:
    """Returns a shot's source as its picture if it may not leave it at all; None: it is to be drawn."""
    is_free = strength_of(shot.diffusion) > 0
    if shot.source is None or (is_free and not _keeps_all(shot)):
        return None
    notes = (f"{'black mask' if is_free else 'strength 0'}: the picture is the source as it came",)
    return Drawn(pixels=shot.source, notes=notes, idle=("negative", "guidance"))


def finished(shot: Shot, pixels: NDArray[uint8], *, idle: tuple[str, ...]) -> Drawn:
    """Makes the picture of what was drawn for a shot: outside its mask it is the source again. `idle`: see `Drawn`."""
    if shot.source is None or shot.mask is None:
        return Drawn(pixels=pixels, idle=idle)
    return Drawn(pixels=pasted_back(shot.diffusion, pixels, shot.source, shot.mask), idle=idle)


def _keeps_all(shot: Shot) -> bool:
    return shot.mask is not None and not redraws(shot.mask)


class Modes:
    """Pipelines of one loaded model by mode, made at first use. They share all weights; each has a scheduler of its own."""

    def __init__(self, pipe: Any) -> None:
        self._loaded = pipe
        self._made: dict[str, Any] = {type(pipe).__name__: pipe}
        self._architecture = architecture_of(type(pipe).__name__)
        unet = getattr(pipe, "unet", None)
        self._inpaints_only = unet is not None and unet.config.in_channels == INPAINTING_CHANNELS

    def pipeline(self, mode: Mode) -> Any:
        """Returns the pipeline that draws in a mode.

        Raises:
            ModelError: diffusers has none for this architecture.
        """
        loaded = type(self._loaded).__name__
        wanted = self._architecture.pipeline("inpaint" if self._inpaints_only else mode)
        if mode == "inpaint" and not wanted:
            wanted = self._architecture.image  # see latent_blending.py
        if not wanted:
            raise ModelError(f"{loaded} has no mode {mode!r} in diffusers")
        if wanted not in self._made:
            self._made[wanted] = _over_weights_of(self._loaded, getattr(diffusers, wanted))
        return self._made[wanted]

    def arguments(self, shots: Sequence[Shot]) -> dict[str, Any]:
        """Makes the arguments of inputs for a call of the shots' mode; the shots share one.

        Returns:
            Nothing for text; else `image` (n, 3, height, width) in 0…1, `strength`, and with masks `mask_image`
            (n, 1, height, width), 1 where it is redrawn and 0 where it is kept.
        """
        mode = mode_of(shots[0])
        if mode == "text" and not self._inpaints_only:
            return {}
        size = shots[0].diffusion.height, shots[0].diffusion.width
        sources = [np.full((*size, 3), GREY, np.uint8) if shot.source is None else shot.source for shot in shots]
        arguments: dict[str, Any] = {
            "image": torch.from_numpy(np.stack(sources)).permute(0, 3, 1, 2).float() / 255,
            "strength": self._strength(shots[0]),
        }
        if mode == "inpaint" or self._inpaints_only:
            masks = [np.full(size, 255, np.uint8) if shot.mask is None else shot.mask for shot in shots]
            arguments["mask_image"] = self._whole_cells(torch.from_numpy(np.stack(masks))[:, None] >= REDRAWN)
        return arguments

    def blending(self, shots: Sequence[Shot], arguments: Mapping[str, Any]) -> LatentBlending | None:
        """Returns the blending that makes inpainting of image to image, from a call's `arguments`; None: it needs none."""
        if mode_of(shots[0]) != "inpaint" or self._architecture.inpaint:
            return None
        return LatentBlending(arguments["image"], arguments["mask_image"], [shot.diffusion.seed for shot in shots])

    def _strength(self, shot: Shot) -> float:
        """Returns the shot's strength, raised to that of one step: pipelines draw `int(steps · strength)` of them."""
        steps, strength = shot.diffusion.num_inference_steps, strength_of(shot.diffusion)
        if int(steps * strength) < 1:
            strength = 1 / steps
            if int(steps * strength) < 1:
                strength = math.nextafter(strength, 1)
        if self._inpaints_only and hasattr(self._loaded, "tokenizer_2"):
            return min(strength, ALMOST_ALL) if steps > 1 else strength
        return strength

    def _whole_cells(self, mask: torch.Tensor) -> torch.Tensor:
        """Grows a mask to all latents that it touches: pipelines look at one pixel of each, and would miss a fine line."""
        cell = int(getattr(self._loaded, "vae_scale_factor", 8))
        cells = max_pool2d(mask.float(), cell, ceil_mode=True)
        return interpolate(cells, scale_factor=cell)[..., : mask.shape[2], : mask.shape[3]]


def _over_weights_of(pipe: Any, wanted: Any) -> Any:
    """Makes a pipeline of a class out of another's components.

    Not by `from_pipe`, which casts the weights that both share, and leaves out a VAE of another class than usual.
    """
    names = inspect.signature(wanted.__init__).parameters
    given = {name: value for name, value in {**pipe.config, **pipe.components}.items() if name in names}
    given["scheduler"] = type(pipe.scheduler).from_config(pipe.scheduler.config)
    made = wanted(**given)
    made.set_progress_bar_config(disable=True)
    settle_device(made, pipe.device)
    return made
