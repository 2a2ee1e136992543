"""Benchmark on a GPU: its code runs on the CPU with narrow layers, and says so where there is no CUDA."""

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial

import pytest
import torch

from bench import shapes
from bench.gpu.compare import compare
from bench.gpu.flux_schnell import SHAPE as FLUX_SCHNELL
from bench.gpu.idle import busy_s
from bench.gpu.sdxl import SHAPE as SDXL
from workers.engines.diffusers.placement import Placement

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # of schedulers in diffusers

CPU = torch.device("cpu")
SHALLOW_SDXL = replace(SDXL, build=partial(shapes.sdxl, depths=(1, 1, 2)))
"""A fifth of the transformer layers, each of which the compiler looks at in turn."""


@pytest.mark.parametrize(
    "shape", [pytest.param(FLUX_SCHNELL, id="flux"), pytest.param(SHALLOW_SDXL, id="sdxl", marks=pytest.mark.faults)]
)
def test_a_short_run(shape):
    """A run with few layers, small pictures and no compiler yields every figure, and no graph for a switch between LoRA files."""
    tiny = replace(shape, narrow=True, edge=128, steps=2, batches=(1, 2), backend="eager")
    figures = list(compare(tiny, Placement(CPU, torch.float32), card="H100"))
    told = {figure.what.removeprefix(f"{shape.name}, "): figure for figure in figures}
    for loop in ("diffusers", "diffusers, compiled", "engine", "engine, compiled"):
        for what in ("cold start", "batch 1", "best batch", "idle"):
            assert math.isfinite(told[f"{loop}: {what}"].value)
        assert told[f"{loop}: cold start"].value > 0
        assert told[f"{loop}: memory at 1"].value is None
        assert told[f"{loop}: best batch"].value >= told[f"{loop}: batch 1"].value > 0
        assert 0 <= told[f"{loop}: idle"].value < 100
    assert told["engine: LoRA switch"].value < told["engine: LoRA load"].value
    assert told["engine, compiled: LoRA graphs"].value == 0
    ratios = {figure.detail: figure for figure in figures if figure.what.endswith("engine : diffusers")}
    assert ratios["batch 1, both compiled"].at_least == 1.0
    assert ratios["batch 1, both compiled"].value == pytest.approx(
        told["engine, compiled: batch 1"].value / told["diffusers, compiled: batch 1"].value
    )
    assert told["engine: best batch"].at_least == shape.least_on_h100


def test_a_run_out_of_time():
    """A run without time left for a larger batch leaves it out, and still has the figures of the first."""
    tiny = replace(FLUX_SCHNELL, narrow=True, edge=128, steps=1, batches=(1, 2), backend="eager")
    figures = list(compare(tiny, Placement(CPU, torch.float32), card="", limit_s=0))
    assert {figure.detail.partition(" of ")[0] for figure in figures if "best batch" in figure.what} == {"batch 1"}


def test_without_cuda(tmp_path):
    """On a machine without CUDA the command says that nothing was measured, in words and as JSON, and succeeds."""
    file = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--json", str(file), "gpu"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["GPU", "not", "measured:", "no", "CUDA", "device", "here"]
    assert [(one["what"], one["value"]) for one in json.loads(file.read_text())] == [("GPU", None)]


@pytest.mark.parametrize(
    ("build", "part", "parameters"),
    [(shapes.sdxl, "unet", 2_567_463_684), (shapes.flux_schnell, "transformer", 11_891_178_560)],
    ids=["sdxl", "flux"],
)
def test_shapes_are_the_models_own(build, part, parameters):
    """A denoiser of a shape has as many parameters as the model that it stands for."""
    with torch.device("meta"):
        pipe = build()
    assert sum(tensor.numel() for tensor in getattr(pipe, part).parameters()) == parameters


def test_busy_time():
    """The time that a device works is that of its operators, nested and overlapping ones counted once, and no more than all."""
    matrix = torch.ones(400, 400)
    nothing, something = busy_s(lambda: None, CPU), busy_s(lambda: [matrix @ matrix for _ in range(20)], CPU)
    assert nothing < something
