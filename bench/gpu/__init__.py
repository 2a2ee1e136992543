"""GPU: the engine's render path beside a plain diffusers loop, on SDXL's and FLUX-schnell's shapes. Needs no stack.

Weights are random and made on the card, so no file is read and no picture looks like anything; the arithmetic is the models' own.
`python -m bench gpu.sdxl` and `gpu.flux_schnell` measure one shape, within ten minutes. See docs/performance.md.
"""

from collections.abc import Iterator

from bench.figure import Figure


def measure() -> Iterator[Figure]:
    """Measures both shapes; yields one figure that says so where there is no CUDA."""
    from bench.gpu.card import on_card
    from bench.gpu.flux_schnell import SHAPE as FLUX_SCHNELL
    from bench.gpu.sdxl import SHAPE as SDXL

    yield from on_card(SDXL, FLUX_SCHNELL)
