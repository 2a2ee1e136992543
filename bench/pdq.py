"""PDQ in NumPy against the `pdqhash` library, over the sizes that are drawn. No figure where the library is not installed."""

import importlib.util
import statistics
import time

import numpy as np
from PIL import Image

from bench.figure import Figure
from imgen.domain.catalog import SIZES
from imgen.provenance import pdq

LEAST_TIMES = 0.67
"""At most one and a half times as slow."""


def measure(*, pictures: int = 5) -> list[Figure]:
    """Measures the speed-up by medians over all sizes, and the largest number of differing bits."""
    if importlib.util.find_spec("pdqhash") is None:
        return []
    import pdqhash

    rng = np.random.default_rng(11)
    times: tuple[list[float], list[float]] = ([], [])
    differing = 0
    for width, height in SIZES * pictures:
        coarse = Image.fromarray(rng.integers(0, 256, (48, 48, 3), dtype=np.uint8))
        pixels = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).copy()
        hashes = []
        for compute, taken in zip((pdq.compute, pdqhash.compute), times, strict=True):
            started = time.perf_counter()
            hashes.append(compute(pixels)[0])
            taken.append(time.perf_counter() - started)
        differing = max(differing, int(np.count_nonzero(hashes[0] != hashes[1])))
    ours, theirs = (statistics.median(taken) for taken in times)
    detail = f"{ours * 1e3:.1f} ms, library {theirs * 1e3:.1f} ms; at most {differing} bits differ"
    return [Figure(what="PDQ, pdqhash / NumPy", value=theirs / ours, at_least=LEAST_TIMES, detail=detail)]
