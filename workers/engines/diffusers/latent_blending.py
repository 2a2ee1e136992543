"""Inpainting by an image-to-image pipeline: after each step, what is kept gets the source's latents, noisy as that step's are.

For architectures that have no inpainting pipeline; those do the same within their own loop.
"""

from typing import Any

import torch
from torch.nn.functional import interpolate

from imgen.domain.errors import ModelError

_PLANE_DIMS = 4


class LatentBlending:
    """Blending of one call's latents with those of its sources."""

    def __init__(self, image: torch.Tensor, mask: torch.Tensor, seeds: list[int]) -> None:
        """Takes `image` (n, 3, height, width) in 0…1, `mask` (n, 1, height, width), 1 where it is redrawn, and n seeds."""
        self._image = image
        self._mask = mask
        self._seeds = seeds
        self._kept: torch.Tensor | None = None
        self._noise: torch.Tensor | None = None

    def blend(self, pipe: Any, timestep: Any, latents: torch.Tensor) -> torch.Tensor:
        """Returns the latents (n, channels, h, w) after the step at a timestep, with the source's where the mask is 0.

        Raises:
            ModelError: the architecture's latents have another layout.
        """
        if latents.ndim != _PLANE_DIMS:
            raise ModelError(f"{type(pipe).__name__} cannot inpaint: its latents are no planes")
        if self._kept is None or self._noise is None:
            self._kept = _encode(pipe.vae, self._image.to(latents.device)).to(latents)
            # The seed's second noise: the first is in the latents, where it would not be told from what is drawn.
            noises = [_second_noise(seed, latents.shape[1:]) for seed in self._seeds]
            self._noise = torch.stack(noises).to(latents)
        kept, scheduler = self._kept, pipe.scheduler
        after = int((scheduler.timesteps == timestep).nonzero()[-1]) + 1
        if after < len(scheduler.timesteps):
            add_noise = getattr(scheduler, "scale_noise", None)
            following = scheduler.timesteps[after : after + 1]
            kept = (
                scheduler.add_noise(kept, self._noise, following)
                if add_noise is None
                else add_noise(kept, following, self._noise)
            )
        mask = interpolate(self._mask.to(latents), latents.shape[2:])
        return (1 - mask) * kept + mask * latents


def _second_noise(seed: int, shape: torch.Size) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    torch.randn(shape, generator=generator)
    return torch.randn(shape, generator=generator)


def _encode(vae: Any, image: torch.Tensor) -> torch.Tensor:
    """Encodes a picture in 0…1 to latents as the denoiser sees them; in float32 if the VAE needs that (SDXL's)."""
    dtype = vae.dtype
    upcast = dtype == torch.float16 and vae.config.get("force_upcast", False)
    if upcast:
        vae.to(torch.float32)
    try:
        encoded = vae.encode(image.to(vae.dtype) * 2 - 1)
    finally:
        if upcast:
            vae.to(dtype)
    latents: torch.Tensor = encoded.latent_dist.mode() if hasattr(encoded, "latent_dist") else encoded.latents
    shift, scale = float(vae.config.get("shift_factor") or 0), float(vae.config.scaling_factor)
    return (latents - shift) * scale
