"""Index of fingerprints: time of a search in ten million rows, of comparing all of them, bytes a row, and time of the build."""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from bench.figure import Figure
from imgen.provenance.fingerprint_index import FingerprintIndex, build
from imgen.provenance.matchlist import MATCH_DISTANCE
from imgen.services.recognition.candidates import MAX_COMPARED

ROWS = 10_000_000
MOST_MS = 20.0
MOST_COMPARED_MS = 1000.0
"""Longest comparison with all rows. The deep search alone makes one, and has 25 s."""
MOST_BYTES = 120.0
FIXED_BYTES = 5e6
"""Of the table of beginnings, which is as long for one row as for millions."""


def measure(*, rows: int = ROWS, looks: int = 200, comparisons: int = 20) -> list[Figure]:
    """Measures the medians of searches for fingerprints at the greatest distance and of comparisons, each after a first one."""
    rng = np.random.default_rng(1)
    hashes = rng.integers(0, 256, (rows, 32), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "index"
        started = time.perf_counter()
        build(folder, hashes, np.arange(rows).astype("S20"))
        built_s = time.perf_counter() - started
        size = sum(path.stat().st_size for path in folder.iterdir())
        index, times, missed = FingerprintIndex(folder), [], 0
        for number in range(looks + 1):
            row = int(rng.integers(rows))
            bits = np.unpackbits(hashes[row])
            bits[rng.choice(256, MATCH_DISTANCE, replace=False)] ^= 1
            wanted = np.packbits(bits).tobytes().hex()
            started = time.perf_counter()
            found = index.search(wanted)
            if number:
                times.append(time.perf_counter() - started)
            missed += (row, MATCH_DISTANCE) not in found
        compared, compared_cpu = [], []
        for number in range(comparisons + 1):
            wanted = rng.bytes(32).hex()
            started, started_cpu = time.perf_counter(), time.process_time()
            index.closest(wanted, limit=MAX_COMPARED)
            if number:
                compared.append(time.perf_counter() - started)
                compared_cpu.append(time.process_time() - started_cpu)
    return [
        Figure(
            what=f"fingerprints, {rows:,} rows",
            value=statistics.median(times) * 1e3,
            unit="ms",
            at_most=MOST_MS,
            detail=f"slowest of {looks}: {max(times) * 1e3:.0f} ms",
        ),
        Figure(
            what=f"fingerprints, nearest {MAX_COMPARED}",
            value=statistics.median(compared) * 1e3,
            unit="ms",
            at_most=MOST_COMPARED_MS,
            detail=f"all {rows:,} compared; CPU {statistics.median(compared_cpu) * 1e3:.0f} ms",
        ),
        Figure(what="fingerprints found", value=1 - missed / (looks + 1), unit="", at_least=1),
        Figure(
            what="fingerprints, a row",
            value=size / rows,
            unit="B",
            at_most=MOST_BYTES + FIXED_BYTES / rows,
            detail=f"built in {built_s:.1f} s",
        ),
    ]
