"""Index of fingerprints: time of a search in ten million rows, bytes a row, and time of the build."""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from bench.figure import Figure
from imgen.provenance.fingerprint_index import FingerprintIndex, build
from imgen.provenance.matchlist import MATCH_DISTANCE

ROWS = 10_000_000
MOST_MS = 20.0
MOST_BYTES = 120.0
FIXED_BYTES = 5e6
"""Of the table of beginnings, which is as long for one row as for millions."""


def measure(*, rows: int = ROWS, looks: int = 200) -> list[Figure]:
    """Measures the median search for a fingerprint at the greatest distance, after one search that reads the files."""
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
    return [
        Figure(
            what=f"fingerprints, {rows:,} rows",
            value=statistics.median(times) * 1e3,
            unit="ms",
            at_most=MOST_MS,
            detail=f"slowest of {looks}: {max(times) * 1e3:.0f} ms",
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
