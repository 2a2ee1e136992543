"""Export of the trained parts as a folder that diffusers loads: fp16 safetensors, LoRA files, model card. Trains nothing."""

import shutil
import tempfile
from pathlib import Path

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, StableDiffusion3Pipeline
from safetensors.torch import save_file

from starter import card, denoiser, lora, pool, vae
from starter.checkpoint import say
from starter.scene import CHARACTERS
from starter.text import trained as trained_text

FOLDER = Path("out/starter")
LIMIT_BYTES, LORA_LIMIT_BYTES = 16_000_000, 300_000
SCHEDULE = {"shift": 5.0, "stochastic_sampling": True}
"""Scheduler of the model. Each of its steps adds new noise: where a prompt leaves colours open, a picture between two
of them is pushed to one; without it, some clothes came out transparent."""


def build(folder: Path = FOLDER) -> None:
    """Writes the folder under another name and renames it as a whole.

    Raises:
        ValueError: it would be larger than what may ship.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _write(work)
        size = sum(file.stat().st_size for file in work.rglob("*") if file.is_file())
        largest = max((file.stat().st_size for file in (work / "loras").iterdir()), default=0)
        if size > LIMIT_BYTES or largest > LORA_LIMIT_BYTES:
            raise ValueError(f"{size} bytes in all, {largest} in the largest LoRA: too large to ship")
        for path in (work, *work.rglob("*")):  # temporary folders and safetensors files are their owner's alone
            path.chmod(0o755 if path.is_dir() else 0o644)
        shutil.rmtree(folder, ignore_errors=True)
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    say(f"export {folder}: {size / 1e6:.2f} MB, LoRA files up to {largest / 1e3:.0f} kB")


def pipeline() -> StableDiffusion3Pipeline:
    """Loads the trained parts in float16, with the latents' scale in the autoencoder's configuration."""
    autoencoder = vae.trained()
    scale = pool.measured(autoencoder)
    autoencoder.register_to_config(scaling_factor=scale.scaling, shift_factor=scale.shift)
    text = trained_text()
    return StableDiffusion3Pipeline(
        transformer=denoiser.trained(),
        scheduler=FlowMatchEulerDiscreteScheduler(**SCHEDULE),
        vae=autoencoder.to("cpu", memory_format=torch.contiguous_format),
        text_encoder=text.encoders[0],
        tokenizer=text.words,
        text_encoder_2=text.encoders[1],
        tokenizer_2=text.words,
        text_encoder_3=None,
        tokenizer_3=None,
    ).to(torch.float16)


def _write(folder: Path) -> None:
    pipeline().save_pretrained(folder, safe_serialization=True)
    (folder / "loras").mkdir()
    for name in CHARACTERS:
        save_file(lora.tensors(name), folder / "loras" / f"{name}.safetensors", metadata={"format": "pt"})
    (folder / "README.md").write_text(card.TEXT)


if __name__ == "__main__":
    build()
