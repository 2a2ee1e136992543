"""Settings that let a loaded pipeline draw as fast as its device can."""

from typing import Any

import torch


def speed_up(pipe: Any, device: torch.device) -> None:
    """Lets CUDA multiply float32 as TF32, and lays the weights of convolutions out as its kernels read them."""
    if device.type != "cuda":
        return
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    for part in (getattr(pipe, "unet", None), getattr(pipe, "vae", None)):
        if isinstance(part, torch.nn.Module):
            part.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # typed for tensors alone


def settle_device(pipe: Any, device: torch.device) -> None:
    """Tells a pipeline its device once and for all.

    Diffusers asks all modules of all components for hooks of offloading, several times a picture, which takes longer than all
    other Python between two pictures. Here nothing is offloaded.
    """
    kind = type(pipe)
    fixed = {"__module__": kind.__module__, "__doc__": kind.__doc__, "device": device, "_execution_device": device}
    pipe.__class__ = type(kind.__name__, (kind,), fixed)
