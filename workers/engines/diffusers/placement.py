"""Place of a model: device and dtype, as its entry asks for them or as the machine suggests."""

from dataclasses import dataclass

import torch

from imgen.domain.engine_options import DiffusersOptions
from imgen.domain.errors import ModelError

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}

BFLOAT16_MACOS = (14, 0)
"""Version of macOS from which MPS has bfloat16."""


@dataclass(frozen=True)
class Placement:
    """Device and dtype of all weights."""

    device: torch.device
    dtype: torch.dtype

    @property
    def is_half(self) -> bool:
        """Whether weights have 16 bits."""
        return self.dtype.itemsize < torch.float32.itemsize

    @property
    def memory(self) -> str:
        """Name of the device's memory for `workers.engines.Requirements`: that of MPS is the machine's own."""
        return f"cuda:{self.device.index or 0}" if self.device.type == "cuda" else "cpu"


def place(key: str, options: DiffusersOptions) -> Placement:
    """Returns the place of a model; for dtype `auto` one in which its kind of device is fast and exact enough.

    Raises:
        ModelError: there is no such device here, or no such dtype.
    """
    device = _device(key, options.device)
    if options.dtype == "auto":
        return Placement(device, _suggested(device.type))
    if options.dtype not in DTYPES:
        raise ModelError(f"models.toml: {key}: no dtype {options.dtype!r}; there are auto, {', '.join(DTYPES)}")
    return Placement(device, DTYPES[options.dtype])


def _device(key: str, name: str) -> torch.device:
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, there in available.items() if there))
    try:
        device = torch.device(name)
    except RuntimeError as exc:
        raise ModelError(f"models.toml: {key}: no device {name!r}") from exc
    if not available.get(device.type):
        there = ", ".join(kind for kind, there in available.items() if there)
        raise ModelError(f"models.toml: {key}: device {name!r} is not on this machine, which has {there}")
    return device


def _suggested(kind: str) -> torch.dtype:
    """Returns a dtype for a kind of device: bfloat16 has float32's range, so that no layer overflows in it."""
    if kind == "cpu":
        return torch.float32
    has_bfloat16 = (
        torch.cuda.is_bf16_supported(including_emulation=False)
        if kind == "cuda"
        else torch.backends.mps.is_macos_or_newer(*BFLOAT16_MACOS)
    )
    return torch.bfloat16 if has_bfloat16 else torch.float16
