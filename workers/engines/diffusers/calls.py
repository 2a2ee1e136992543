"""Calls of a pipeline for the shots of one render: shots share a call where each comes out as it does alone."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from inspect import signature
from typing import Any

import torch

from workers.engines import Shot
from workers.engines.diffusers.modes import sharing_key

OWN_NOISE = frozenset({"DPMSolverSDEScheduler", "CosineDPMSolverMultistepScheduler"})
"""Schedulers that draw noise from no generator: in a batch it would be another than alone."""


def calls_of(pipe: Any, shots: Sequence[Shot], prompts: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """Groups the numbers of shots into calls.

    Args:
        pipe: the loaded pipeline.
        shots: of one size, number of steps and LoRA.
        prompts: prompt arguments of each shot, from `prompting.conditioning`. Texts, which a pipeline may pad to the longest of a
            call, share none; nor do embeddings of unlike lengths.
    """
    calls: dict[object, list[int]] = {}
    for number, (shot, arguments) in enumerate(zip(shots, prompts, strict=True)):
        are_embeddings = all(isinstance(value, torch.Tensor) for value in arguments.values())
        is_alone = not are_embeddings or type(pipe.scheduler).__name__ in OWN_NOISE
        shapes = tuple(number if is_alone else (name, value.shape) for name, value in arguments.items())
        calls.setdefault((shot.diffusion.guidance_scale, sharing_key(shot), shapes), []).append(number)
    return list(calls.values())


def stacked(prompts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Joins the prompt arguments of a call's shots: embeddings (1, …) to (n, …); those of a single shot stay as they are."""
    if len(prompts) == 1:
        return dict(prompts[0])
    return {name: torch.cat([arguments[name] for arguments in prompts]) for name in prompts[0]}


def generators_of(shots: Sequence[Shot]) -> torch.Generator | list[torch.Generator]:
    """Makes the generators of a call, on the CPU for every device, so that a seed means the same noise everywhere."""
    generators = [torch.Generator().manual_seed(shot.diffusion.seed) for shot in shots]
    return generators if len(generators) > 1 else generators[0]


@contextmanager
def seeded_noise(scheduler: Any, shots: Sequence[Shot]) -> Iterator[None]:
    """Lets a scheduler's steps draw noise by the shots' seeds, on the CPU, where the pipeline hands no generator on."""
    if "generator" not in signature(scheduler.step).parameters:
        yield
        return
    scheduler.step = partial(scheduler.step, generator=generators_of(shots))
    try:
        yield
    finally:
        del scheduler.step  # the class has its own
