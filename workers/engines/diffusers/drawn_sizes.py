"""Sizes that a pipeline can draw, by the configurations of its VAE and its denoiser."""

from workers.engines.diffusers.acting import Configured

VAES = ("vae", "vqvae", "movq")
"""Names of the component that turns latents into pixels; the first that a pipeline has."""

USUAL_CELL = 8
"""Pixels of a latent along a side where no VAE says so: of most models, and a safe multiple for those that draw pixels."""

PACKED = ("Flux", "Chroma", "Ovis", "LongCat")
"""Beginnings of the names of denoisers whose pipelines pack two latents along a side into one, beside their `patch_size`."""


def size_multiple(configured: Configured) -> int:
    """Returns the pixels of which both sides have to be multiples: a latent's, times the latents of a patch."""
    transformer = configured("transformer")
    patch = transformer.get("patch_size")
    latents = patch if isinstance(patch, int) and patch > 0 else 1
    if str(transformer.get("_class_name", "")).startswith(PACKED):
        latents = max(latents, 2)
    return _cell(configured) * latents


def longest_side(configured: Configured) -> int | None:
    """Returns the pixels of the longest side: SD3's table of positions has an end; None: there is no limit."""
    positions = configured("transformer").get("pos_embed_max_size")
    return positions * size_multiple(configured) if isinstance(positions, int) else None


def _cell(configured: Configured) -> int:
    """Returns the pixels of a latent along a side: each level of a VAE but the first halves the picture."""
    vae = next((found for name in VAES if (found := configured(name))), {})
    if isinstance(halvings := vae.get("temperal_downsample"), list):  # so spelt in diffusers
        return 1 << len(halvings)
    levels = vae.get("encoder_block_out_channels") or vae.get("block_out_channels")
    return 1 << (len(levels) - 1) if isinstance(levels, list) else USUAL_CELL
