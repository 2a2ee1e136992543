"""GPU, FLUX-schnell's shape: 4 steps without guidance. See `bench.gpu`."""

from collections.abc import Iterator

from bench import shapes
from bench.figure import Figure
from bench.gpu.card import on_card
from bench.gpu.loops import Shape

SHAPE = Shape(name="FLUX-schnell", build=shapes.flux_schnell, steps=4, guidance=0.0, call={"max_sequence_length": 256})


def measure() -> Iterator[Figure]:
    """Measures this shape alone."""
    yield from on_card(SHAPE)
