"""Loops that `bench.gpu` compares: a pipeline of diffusers as its documentation has it, and this service's engine."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from bench.shapes import make
from imgen.domain.recipe import Diffusion
from workers.engines import Shot
from workers.engines.diffusers.adapters import Adapters
from workers.engines.diffusers.compilation import compile_blocks
from workers.engines.diffusers.engine import DiffusersEngine
from workers.engines.diffusers.lora_slot import SlotAdapters
from workers.engines.diffusers.pipelines import settle
from workers.engines.diffusers.placement import Placement


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Model's shape, and how it is called."""

    name: str
    build: Callable[..., Any]
    """Builder of bench/shapes.py."""
    steps: int
    guidance: float
    call: dict[str, Any] = field(default_factory=dict)
    """Further arguments of the pipeline's call."""
    edge: int = 1024
    """Width and height, px."""
    batches: tuple[int, ...] = (1, 2, 4, 8, 16)
    least_on_h100: float | None = None
    """Pictures a second that an H100 is to reach at its best batch."""
    narrow: bool = False
    """Whether layers are few and small, for tests."""
    backend: str = "inductor"
    """Torch's compiler."""


@dataclass(frozen=True, kw_only=True)
class Loop:
    """Pipeline in memory that draws batches, each picture of a prompt of its own, as those of unlike users are."""

    pipe: Any
    draw: Callable[[int, str, float], None]
    """Draws so many pictures with a LoRA at a scale; an empty name: none."""
    adapters: Adapters | None = None


class _Prompts:
    """Prompts that never come twice, so that no cache of embeddings helps."""

    def __init__(self) -> None:
        self._count = 0

    def next(self) -> str:
        self._count += 1
        return f"a red coat on a beach, number {self._count}"


def plain_loop(shape: Shape, placement: Placement, folder: Path, *, is_compiled: bool) -> Loop:
    """Makes diffusers' loop: the pipeline moved to its device, one call for a batch, pictures as PIL's."""
    del folder
    pipe, prompts = _pipeline(shape, placement), _Prompts()
    if is_compiled:
        compile_blocks(shape.name, pipe, backend=shape.backend)

    def draw(batch: int, _lora: str, _scale: float) -> None:
        pipe(
            prompt=[prompts.next() for _ in range(batch)],
            width=shape.edge,
            height=shape.edge,
            num_inference_steps=shape.steps,
            guidance_scale=shape.guidance,
            generator=[torch.Generator().manual_seed(seed) for seed in range(batch)],
            **shape.call,
        )

    return Loop(pipe=pipe, draw=draw)


def engine_loop(shape: Shape, placement: Placement, folder: Path, *, is_compiled: bool) -> Loop:
    """Makes a worker's loop: the pipeline settled as workers load it, pictures as uint8; LoRA files are in `folder`."""
    pipe, prompts = _pipeline(shape, placement), _Prompts()
    settle(pipe, placement)
    if is_compiled:
        compile_blocks(shape.name, pipe, backend=shape.backend)
    kind = SlotAdapters if is_compiled else Adapters
    adapters = kind(pipe, lambda _name: (folder,), limit_bytes=2**31)
    engine = DiffusersEngine(pipe, adapters, dict(shape.call))

    def shot(seed: int, lora: str, scale: float) -> Shot:
        diffusion = Diffusion(
            positive=prompts.next(),
            negative="",
            width=shape.edge,
            height=shape.edge,
            seed=seed,
            num_inference_steps=shape.steps,
            guidance_scale=shape.guidance,
            lora=lora,
            lora_scale=scale,
        )
        return Shot(diffusion=diffusion)

    def draw(batch: int, lora: str, scale: float) -> None:
        engine.render([shot(seed, lora, scale) for seed in range(batch)], lambda *_: None)

    return Loop(pipe=pipe, draw=draw, adapters=adapters)


def _pipeline(shape: Shape, placement: Placement) -> Any:
    return make(shape.build, device=str(placement.device), dtype=placement.dtype, narrow=shape.narrow)
