"""GPU, SDXL's shape: 30 steps with guidance. See `bench.gpu`."""

from collections.abc import Iterator

from bench import shapes
from bench.figure import Figure
from bench.gpu.card import on_card
from bench.gpu.loops import Shape

SHAPE = Shape(name="SDXL", build=shapes.sdxl, steps=30, guidance=5.0, least_on_h100=1.0)


def measure() -> Iterator[Figure]:
    """Measures this shape alone."""
    yield from on_card(SHAPE)
