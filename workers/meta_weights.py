"""Weights without memory: tensors on torch's `meta` device, of the names and shapes in the headers of files."""

from collections.abc import Iterable
from pathlib import Path

import torch

from imgen.weights.safetensors_file import read_header
from workers.engines.diffusers.lora_check import FLOATS


def on_meta(files: Iterable[Path]) -> dict[str, torch.Tensor]:
    """Returns the tensors of files by name; floating-point ones as float32, all others as int64.

    Raises:
        ModelError: a file is no whole safetensors file.
    """
    return {
        name: torch.empty(info.shape, dtype=torch.float32 if info.dtype in FLOATS else torch.int64, device="meta")
        for file in files
        for name, info in read_header(file).tensors.items()
    }


def is_only_of_meta(error: BaseException) -> bool:
    """Returns whether an error comes from weights without memory: the numbers themselves were asked for."""
    return isinstance(error, NotImplementedError) or "meta tensor" in str(error)
