"""Times of reading on one core, of a picture of 1344×768: plain, with the ordinary searches, and with the deep one.

The plain read is of a marked picture. The others are of one that has no mark, so that no search ends early.
"""

import json
import os
import statistics
import subprocess
import sys
import time

from bench.figure import Figure

MOST_MS = {"plain": 60.0, "ordinary searches": 350.0, "deep search": 4000.0}


def measure(*, rounds: int = 5) -> list[Figure]:
    """Measures the medians in a process of its own, pinned to one core."""
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    # Not by `-m`: the package imports this module, which runpy would then run once more
    command = [sys.executable, "-c", f"from bench.durable import times; times.print_times({rounds})"]
    done = subprocess.run(command, env=os.environ | one_thread, stdout=subprocess.PIPE, check=True)
    return [
        Figure(
            what=f"durable, {name}",
            value=statistics.median(taken) * 1e3,
            unit="ms",
            at_most=MOST_MS[name],
            detail=f"slowest of {len(taken)}: {max(taken) * 1e3:.0f} ms",
        )
        for name, taken in json.loads(done.stdout).items()
    ]


def print_times(rounds: int) -> None:
    """Measures in this process, pinned to one core, and prints JSON: name of the reading → seconds of each round."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    from bench.durable.pictures import synthetic
    from imgen.provenance import watermark
    from imgen.provenance.watermark_reading.reading import Reading, read

    pixels = synthetic(0).pixels  # 1344×768, like a photograph
    readings = {
        "plain": (watermark.embed(pixels, "0123456789ab"), Reading()),
        "ordinary searches": (pixels, Reading()),
        "deep search": (pixels, Reading(is_deep=True, budget_s=60)),
    }
    times: dict[str, list[float]] = {name: [] for name in readings}
    for turn in range(rounds + 1):
        for name, (picture, reading) in readings.items():
            started = time.perf_counter()
            found = read(picture, reading)
            if turn:  # tables are made in the first one
                times[name].append(time.perf_counter() - started)
            assert (found.id is not None) == (name == "plain")
    print(json.dumps(times))
