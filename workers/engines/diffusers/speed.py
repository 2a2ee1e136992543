"""Settings that let a GPU draw as fast as it can, for a pipeline that is loaded; a CPU gets none."""

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
