"""Every benchmark runs and gives figures; what the figures are is no test's business."""

import importlib.util
import math
import subprocess
import sys

import pytest

from bench import (
    api,
    cache,
    durable,
    engine,
    enqueue,
    fingerprints,
    finish,
    first_step,
    forge,
    history,
    hostile,
    matchlist,
    mcp,
    openai,
    pages,
    pdq,
    render,
    signing,
    status,
    tenants,
    waiting,
)
from bench.figure import Figure

SHORT = {
    finish: {"rounds": 1},
    signing: {"rounds": 2},
    render: {"renders": 1},
    engine: {"pictures": 2, "rounds": 1},
    first_step: {"pictures": 1},
    matchlist: {"hashes": 100, "looks": 2},
    fingerprints: {"rows": 2000, "looks": 3, "comparisons": 1},
    durable: {"rounds": 1},
    cache: {"kept": 50, "searched": 100, "hits": 2},
    pages: {"stored": 50, "rounds": 1},
    tenants: {"number": 90, "stored": 50, "rounds": 1},
    api: {"starts": 1, "seconds": 0.2},
    status: {"rounds": 1, "seconds": 0.2},
    enqueue: {"queued": 50, "rounds": 1, "seconds": 0.2},
    waiting: {"waiters": 20, "rounds": 1, "seconds": 0.2},
    forge: {"rounds": 1, "seconds": 0.2, "pairs": 5},
    openai: {"answers": 2, "pictures": 1},
    hostile: {"rounds": 1, "most": 2},
    mcp: {"agents": 4, "rounds": 1, "seconds": 0.2},
    history: {"stored": 400, "few": 100, "turns": 1, "expired": 10},
}
if importlib.util.find_spec("pdqhash"):  # which this one compares with
    SHORT[pdq] = {"pictures": 1}


LONG = {render, engine, first_step, durable, cache, pages, tenants, openai, hostile}
"""Those that draw, start a stack, make bombs or store thousands of rows before they measure."""


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # NumPy's, of schedulers in diffusers
@pytest.mark.parametrize(
    "benchmark",
    [pytest.param(one, id=one.__name__, marks=[pytest.mark.faults] if one in LONG else []) for one in SHORT],
)
def test_a_short_run(benchmark):
    """A run of a second or two measures something and says what it is to reach."""
    # Without a value is what needs a part that is not installed here
    figures = [one for one in benchmark.measure(**SHORT[benchmark]) if one.value is not None]
    assert figures
    for figure in figures:
        assert math.isfinite(figure.value)
        assert figure.value > 0
        assert figure.at_least is not None or figure.at_most is not None
        assert figure.what in str(figure)


@pytest.mark.parametrize(
    ("bounds", "is_met"), [({"at_least": 2}, True), ({"at_least": 2.1}, False), ({"at_most": 1.9}, False), ({}, True)]
)
def test_a_missed_figure_says_so(bounds, is_met):
    """The verdict compares with both bounds."""
    figure = Figure(what="x", value=2.0, **bounds)
    assert figure.is_met is is_met
    assert ("MISS" in str(figure)) is not is_met


def test_unknown_benchmarks_are_refused():
    """A name that is none is an error, not an empty success."""
    done = subprocess.run([sys.executable, "-m", "bench", "nothing"], capture_output=True, check=False)
    assert done.returncode != 0
