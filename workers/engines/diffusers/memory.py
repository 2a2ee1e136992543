"""Memory of a pipeline's weights: estimated from the headers of its files, and measured once they are loaded."""

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import torch

from imgen.weights.safetensors_file import SAFETENSORS, read_header
from workers.engines.diffusers.components import weight_files
from workers.engines.diffusers.lora_check import FLOATS
from workers.engines.diffusers.model_files import read_index

_NONE: Mapping[str, Path] = {}
_PREFIXES = {
    "vae": ("first_stage_model.", "vae."),
    "unet": ("model.diffusion_model.",),
    "transformer": ("model.diffusion_model.",),
}
"""Begins of the names of a component's weights in a single file, by the component's name."""


def estimate(
    path: Path, dtype: torch.dtype, *, leave_out: tuple[str, ...] = (), components: Mapping[str, Path] = _NONE
) -> int:
    """Returns the bytes that a model will take in a dtype; weights that are there twice count once.

    Args:
        path: its folder or single file.
        dtype: that its weights are loaded in.
        leave_out: components that are not loaded.
        components: folders or single files in place of the model's own components.

    Raises:
        ModelError: a file is no safetensors file.
    """
    own = sum(_size(weight_files(part), dtype) for part in components.values())
    if path.is_file():
        replaced = tuple(prefix for name in components for prefix in _PREFIXES.get(name, ()))
        return own + _size([path], dtype, without=replaced)
    parts = (path / name for name in read_index(path) if name not in leave_out and name not in components)
    return own + sum(_size(sorted(part.glob(f"*{SAFETENSORS}")), dtype) for part in parts if part.is_dir())


def measure(pipe: Any) -> int:
    """Returns the bytes that a pipeline's weights take, those of its adapters included."""
    modules = (part for part in pipe.components.values() if isinstance(part, torch.nn.Module))
    tensors = (tensor for module in modules for tensor in (*module.parameters(), *module.buffers()))
    return sum({tensor.data_ptr(): tensor.nbytes for tensor in tensors}.values())


def _size(files: list[Path], dtype: torch.dtype, *, without: tuple[str, ...] = ()) -> int:
    """Returns the bytes of one component. Shards have tensors of different names, variants the same ones.

    Tensors whose names begin with one of `without` do not count.
    """
    sizes = {
        name: prod(info.shape) * dtype.itemsize if info.dtype in FLOATS else info.end - info.begin
        for file in files
        for name, info in read_header(file).tensors.items()
        if not name.startswith(without)
    }
    return sum(sizes.values())
