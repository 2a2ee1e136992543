"""Upscalers: each enlarges a finished render, before its review. A network where the operator names one, else Lanczos."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Way in which one network reaches a factor."""

    name: str
    """Its file, as configured."""
    scale: int
    """Factor of one pass."""
    passes: int
    reduction: int
    """Whole factor by which the result is reduced."""


def plan(factor: int, upscalers: Mapping[Literal["2", "4"], str]) -> Plan | None:
    """Returns the plan for a factor of 2 or 4: its own network, else the one of ×2 twice, or the one of ×4 halved.

    Args:
        factor: asked for.
        upscalers: file names by factor, `"2"` and `"4"`, as configured.

    Returns:
        None: no network is configured.
    """
    names = {int(scale): name for scale, name in upscalers.items()}
    for scale, passes, reduction in ((factor, 1, 1), (2, 2, 1), (4, 1, 2)):
        if scale in names and scale**passes == factor * reduction:
            return Plan(name=names[scale], scale=scale, passes=passes, reduction=reduction)
    return None
