"""Folders of weights, as small as they may be."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

PARTS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}


def write_model(folder: Path, *, value: float = 0.0, sizes: tuple[int, int] = (4, 4)) -> Path:
    """Writes a folder in diffusers' layout whose weights are all of one value."""
    for part, name in PARTS.items():
        (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / part / "config.json").write_text("{}")
        save_file({"to_q.weight": np.full(sizes, value, np.float32)}, folder / part / f"{name}.safetensors")
    index = {"_class_name": "StableDiffusionPipeline"} | {part: ["diffusers", "Any"] for part in PARTS}
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def write_lora(file: Path, *, value: float = 0.0, layer: str = "unet.to_q", size: int = 4) -> Path:
    """Writes a LoRA file of one layer."""
    file.parent.mkdir(parents=True, exist_ok=True)
    halves = {"lora_A": (2, size), "lora_B": (size, 2)}
    save_file({f"{layer}.{half}.weight": np.full(shape, value, np.float32) for half, shape in halves.items()}, file)
    return file
