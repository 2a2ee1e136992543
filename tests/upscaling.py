"""Networks with random weights, in the forms in which ESRGAN models are published."""

from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file


def save_esrgan(
    path: Path, *, scale: int = 4, filters: int = 8, seed: int = 1, dtype: torch.dtype = torch.float32
) -> Path:
    """Writes an RRDBNet of one block (Real-ESRGAN's names of tensors) that keeps about as bright as what it gets."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, into, out in _layers(filters):
        gain = 0.3 if ".rdb" in name else 1  # dense blocks are begun small, as in the paper (ESRGAN, appendix C)
        tensors[f"{name}.weight"] = gain * torch.randn(out, into, 3, 3, generator=generator) / (3 * into**0.5)
        tensors[f"{name}.bias"] = torch.zeros(out)
    if scale == 2:  # takes 2×2 pixels as channels
        tensors["conv_first.weight"] = torch.randn(filters, 12, 3, 3, generator=generator) / 10
    tensors["conv_last.bias"] = torch.full((3,), 0.5)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.to(dtype).contiguous() for name, tensor in tensors.items()}, path)
    return path


def _layers(filters: int) -> Iterator[tuple[str, int, int]]:
    """Yields each convolution's name, channels in and channels out."""
    yield "conv_first", 3, filters
    grow = 32  # as in all that were published
    for dense in (1, 2, 3):
        for number in range(1, 6):
            yield f"body.0.rdb{dense}.conv{number}", filters + (number - 1) * grow, filters if number == 5 else grow
    for name in ("conv_body", "conv_up1", "conv_up2", "conv_hr"):
        yield name, filters, filters
    yield "conv_last", filters, 3
