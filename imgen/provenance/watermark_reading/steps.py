"""Search in pictures whose contrast or saturation was changed: U was scaled, and with it the step of quantisation."""

import numpy as np

from imgen.provenance import bch_code
from imgen.provenance.watermark_reading.acceptance import DecodedWatermark, Search, accept
from imgen.provenance.watermark_reading.planes import Plane, block_values
from imgen.provenance.watermark_reading.votes import STEP, energy, phasors, votes

_STEPS = np.geomspace(0.6, 1.6, 50)
"""Contrasts, 2 % apart: between two of them, values 50 apart in U turn by an eighth."""

_DECODED = 3
SCALED_STEP = Search(name="steps", share_log2=-33, vectors=_DECODED)


def search(plane: Plane) -> DecodedWatermark | None:
    """Reads a plane of U, (H, W), whose blocks are in place, at other steps; those at which the bits lie farthest apart."""
    values = block_values(plane).ravel()
    bit = np.arange(values.size) % bch_code.BITS
    means = [phasors(values, bit, step=STEP * step) for step in _STEPS]
    for index in np.argsort([-energy(one) for one in means])[:_DECODED]:
        found = accept(votes(means[index]), SCALED_STEP, step=float(_STEPS[index]))
        if found:
            return found
    return None
