"""Pool of training pictures: renders of all seven sizes, encoded beforehand, with their scenes. No captions.

Training draws from it: encoding while training would let two programs fight for two cores.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from numpy import float16
from numpy.typing import NDArray

from starter import vae
from starter.checkpoint import FOLDER, SEED, load, save, say
from starter.device import DEVICE, half_precision
from starter.draw.picture import render
from starter.scene import SIZES, Scene, draw_lots, held_out

COUNT = 7000
"""Pictures of the pool, a seventh of each size. About .9 GB of files."""
DOWN = 16
"""Pixels along a latent's edge."""
_AT_ONCE = 70


@dataclass(frozen=True)
class Encoded:
    """Encoded picture and its scene."""

    scene: Scene
    latents: NDArray[float16]
    """(16, height / 16, width / 16), scaled to deviation 1 around 0."""


@dataclass(frozen=True)
class Scale:
    """Scale of latents to mean 0 and deviation 1: `(latents - shift) * scaling`, as the SD3 pipeline undoes it."""

    shift: float
    scaling: float


def scene_of(number: int) -> Scene:
    """Draws the scene of a picture of the pool; never one of the held-out pairs of hair and outfit."""
    rng = np.random.default_rng((SEED, 4, number))
    while held_out(scene := draw_lots(rng)) and scene.shot != "none":
        pass
    return scene


def build() -> None:
    """Encodes the missing pictures, in pieces of a few seconds each."""
    autoencoder = vae.trained()
    scale = measured(autoencoder)
    if not all(_file(index).is_file() for index in range(len(SIZES))):  # a new file is empty: all are written again
        save("pool", {"done": 0, "shift": scale.shift, "scaling": scale.scaling})
    start = load("pool").get("done", 0)
    rows = -(-COUNT // len(SIZES))
    for index, (width, height) in enumerate(SIZES):
        if not _file(index).is_file():
            shape = (rows, autoencoder.config.latent_channels, height // DOWN, width // DOWN)
            _file(index).parent.mkdir(parents=True, exist_ok=True)
            np.lib.format.open_memmap(_file(index), "w+", float16, shape).flush()
    files = [np.load(_file(index), mmap_mode="r+") for index in range(len(SIZES))]
    for number in range(start, COUNT):
        index = number % len(SIZES)
        pixels = render(scene_of(number), *SIZES[index])
        files[index][number // len(SIZES)] = encoded(autoencoder, pixels, scale)
        if (number + 1) % _AT_ONCE == 0 or number + 1 == COUNT:
            for file in files:
                file.flush()
            save("pool", {"done": number + 1, "shift": scale.shift, "scaling": scale.scaling})
        if (number + 1) % 700 == 0:
            say(f"pool {number + 1}/{COUNT}")


def encoded(autoencoder: AutoencoderTiny, pixels: NDArray[np.uint8], scale: Scale) -> NDArray[float16]:
    """Encodes one picture, (channels, height / 16, width / 16)."""
    true = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.inference_mode(), half_precision():
        latents = autoencoder.to(DEVICE).encoder(true.to(DEVICE, memory_format=torch.channels_last))
    made: NDArray[float16] = ((latents[0].float() - scale.shift) * scale.scaling).half().cpu().numpy()
    return made


def measured(autoencoder: AutoencoderTiny) -> Scale:
    """Computes mean and deviation over 28 renders, kept with the pool."""
    if state := load("pool"):
        return Scale(state["shift"], state["scaling"])
    plain = Scale(0.0, 1.0)
    values = [
        encoded(autoencoder, render(scene_of(COUNT + number), *SIZES[number % len(SIZES)]), plain).ravel()
        for number in range(28)
    ]
    everything = np.concatenate(values).astype(np.float32)
    return Scale(round(float(everything.mean()), 4), round(1 / float(everything.std()), 4))


class Pool:
    """Encoded pictures, read from disk on demand."""

    def __init__(self) -> None:
        self.done: int = load("pool").get("done", 0)
        if not self.done:
            raise FileNotFoundError("no encoded pictures yet; run starter.pool")
        self._files = [np.load(_file(index), mmap_mode="r") for index in range(len(SIZES))]
        self.channels: int = self._files[0].shape[1]
        self._scenes: dict[int, Scene] = {}

    def draw(self, rng: np.random.Generator, count: int, *, size: int | None = None) -> list[Encoded]:
        """Draws pictures, of one size (its place in SIZES) or of any."""
        sizes = [int(rng.integers(len(SIZES))) if size is None else size for _ in range(count)]
        rows = [int(rng.integers(self.done // len(SIZES))) for _ in range(count)]
        return [self._get(index, row) for index, row in zip(sizes, rows, strict=True)]

    def _get(self, index: int, row: int) -> Encoded:
        number = row * len(SIZES) + index
        if number not in self._scenes:
            self._scenes[number] = scene_of(number)
        return Encoded(self._scenes[number], self._files[index][row])


def _file(index: int) -> Path:
    width, height = SIZES[index]
    return FOLDER / "pool" / f"{width}x{height}.npy"


if __name__ == "__main__":
    build()
