"""Card that a run of `bench.gpu` uses, or the word that there is none."""

from collections.abc import Iterator

import diffusers
import torch

from bench.figure import Figure
from bench.gpu.compare import compare
from bench.gpu.loops import Shape
from workers.engines.diffusers.placement import Placement


def on_card(*shapes: Shape) -> Iterator[Figure]:
    """Yields the figures of shapes on the first CUDA device, in bfloat16; without one a single figure, which is not measured."""
    if not torch.cuda.is_available():
        yield Figure(what="GPU", value=None, detail="no CUDA device here")
        return
    card = torch.cuda.get_device_properties(0)
    versions = f"{card.name}, torch {torch.__version__}, diffusers {diffusers.__version__}"
    yield Figure(what="GPU", value=card.total_memory / 2**30, unit="GiB", detail=versions)
    for shape in shapes:
        yield from compare(shape, Placement(torch.device("cuda", 0), torch.bfloat16), card=card.name)
