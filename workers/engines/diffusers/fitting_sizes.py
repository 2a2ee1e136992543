"""Sizes by which the components of the usual architectures fit each other, from their configurations. Needs no torch."""

from collections.abc import Mapping
from typing import NamedTuple

from imgen.domain.errors import ModelError


class _Size(NamedTuple):
    component: str
    key: str

    def read(self, configs: Mapping[str, Mapping[str, object]]) -> int | None:
        value = configs.get(self.component, {}).get(self.key)
        return value if isinstance(value, int) else None


class _Fit(NamedTuple):
    pipelines: tuple[str, ...]
    """Beginnings of the names of the pipelines' classes."""
    taken: _Size
    given: tuple[_Size, ...]
    """Sizes that make it up, side by side."""
    unless: _Size | None = None
    """Size of a layer between them."""


_LATENTS = _Fit(
    ("StableDiffusion", "LatentConsistency"), _Size("unet", "out_channels"), (_Size("vae", "latent_channels"),)
)
_PROJECTED = _Size("unet", "encoder_hid_dim")
_FITS = (
    _LATENTS,
    _Fit(
        ("StableDiffusionXL",),
        _Size("unet", "cross_attention_dim"),
        (_Size("text_encoder", "hidden_size"), _Size("text_encoder_2", "hidden_size")),
        _PROJECTED,
    ),
    _Fit(
        ("StableDiffusionPipeline", "StableDiffusionI", "StableDiffusionPAG", "LatentConsistency"),
        _Size("unet", "cross_attention_dim"),
        (_Size("text_encoder", "hidden_size"),),
        _PROJECTED,
    ),
    _Fit(
        ("StableDiffusion3",),
        _Size("transformer", "pooled_projection_dim"),
        (_Size("text_encoder", "projection_dim"), _Size("text_encoder_2", "projection_dim")),
    ),
    _Fit(("Flux",), _Size("transformer", "joint_attention_dim"), (_Size("text_encoder_2", "d_model"),)),
    _Fit(("Flux",), _Size("transformer", "pooled_projection_dim"), (_Size("text_encoder", "hidden_size"),)),
)


def refuse_misfits_between(model: str, pipeline: str, configs: Mapping[str, Mapping[str, object]]) -> None:
    """Compares components with one another, so that one of another model is found before the first picture is drawn.

    Args:
        model: path of the model, for messages.
        pipeline: class of its pipeline.
        configs: configuration of each component that is loaded, by name; what is not in them is not compared.

    Raises:
        ModelError: two of them do not fit each other.
    """
    for fit in _FITS:
        if not pipeline.startswith(fit.pipelines) or (fit.unless is not None and fit.unless.read(configs)):
            continue
        taken, given = fit.taken.read(configs), [size.read(configs) for size in fit.given]
        known = [size for size in given if size is not None]
        if taken is None or len(known) < len(given) or taken == sum(known):
            continue
        others = " and ".join(
            f"{size.key} {value} of {size.component}" for size, value in zip(fit.given, known, strict=True)
        )
        raise ModelError(f"{model}: {fit.taken.key} {taken} of {fit.taken.component} does not fit {others}")
