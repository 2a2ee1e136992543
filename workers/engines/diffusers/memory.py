"""Memory of a pipeline's weights: estimated from the headers of its files, and measured once they are loaded."""

from math import prod
from pathlib import Path
from typing import Any

import torch

from imgen.weights.safetensors_file import SAFETENSORS, read_header
from workers.engines.diffusers.lora_check import FLOATS
from workers.engines.diffusers.model_files import read_index


def estimate(path: Path, dtype: torch.dtype, *, leave_out: tuple[str, ...] = ()) -> int:
    """Returns the bytes that a model's folder or single file will take in a dtype; weights that are there twice count once.

    Raises:
        ModelError: a file is no safetensors file.
    """
    if path.is_file():
        return _size([path], dtype)
    parts = (path / name for name in read_index(path) if name not in leave_out)
    return sum(_size(sorted(part.glob(f"*{SAFETENSORS}")), dtype) for part in parts if part.is_dir())


def measure(pipe: Any) -> int:
    """Returns the bytes that a pipeline's weights take, those of its adapters included."""
    modules = (part for part in pipe.components.values() if isinstance(part, torch.nn.Module))
    tensors = (tensor for module in modules for tensor in (*module.parameters(), *module.buffers()))
    return sum({tensor.data_ptr(): tensor.nbytes for tensor in tensors}.values())


def _size(files: list[Path], dtype: torch.dtype) -> int:
    """Returns the bytes of one component. Shards have tensors of different names, variants the same ones."""
    sizes = {
        name: prod(info.shape) * dtype.itemsize if info.dtype in FLOATS else info.end - info.begin
        for file in files
        for name, info in read_header(file).tensors.items()
    }
    return sum(sizes.values())
