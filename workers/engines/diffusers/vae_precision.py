"""Precision of a pipeline's VAE: in float32 where float16 makes black pictures of it, as of SDXL's, or where MPS is inexact."""

from functools import partial
from typing import Any

import torch

from workers.engines.diffusers.placement import Placement


def settle_vae(pipe: Any, placement: Placement) -> None:
    """Makes a VAE work in float32 where its pipeline's dtype would not do, and leaves any other as it is."""
    vae = getattr(pipe, "vae", None)
    if vae is None or not placement.is_half:
        return
    overflows = (
        placement.dtype == torch.float16 and hasattr(pipe, "upcast_vae") and vae.config.get("force_upcast", True)
    )
    if overflows or placement.device.type == "mps":
        for name in ("encode", "decode"):
            setattr(vae, name, partial(_in_float32, vae, getattr(vae, name)))
        vae.to(torch.float32)


def _in_float32(vae: Any, method: Any, tensor: torch.Tensor, *args: Any, **options: Any) -> Any:
    """Calls a VAE's method in float32; pipelines cast the VAE meanwhile. Its result has the dtype of what was given."""
    vae.to(torch.float32)
    result = method(tensor.float(), *args, **options)
    if isinstance(result, tuple):
        return tuple(_cast(item, tensor.dtype) for item in result)
    for name, value in result.items():
        result[name] = _cast(value, tensor.dtype)
    return result


def _cast(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, torch.Tensor):
        return value.to(dtype)
    parameters = getattr(value, "parameters", None)  # of a distribution of latents
    return type(value)(parameters.to(dtype)) if isinstance(parameters, torch.Tensor) else value
