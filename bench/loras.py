"""LoRA files of random weights over every attention projection of a pipeline's denoiser. Measures nothing itself."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file


def write_lora(pipe: Any, file: Path, *, seed: int, rank: int = 8) -> None:
    """Writes a file that changes a picture a little."""
    component = "unet" if hasattr(pipe, "unet") else "transformer"
    generator, tensors = torch.Generator().manual_seed(seed), {}
    for name, module in getattr(pipe, component).named_modules():
        path = name.replace(".base_layer", "")
        if path.rpartition(".")[2] in {"to_q", "to_k", "to_v"} and hasattr(module, "in_features"):
            size = (rank, module.in_features), (module.out_features, rank)
            tensors[f"{component}.{path}.lora_A.weight"] = torch.randn(size[0], generator=generator) / 100
            tensors[f"{component}.{path}.lora_B.weight"] = torch.randn(size[1], generator=generator) / 100
    save_file(tensors, file)
