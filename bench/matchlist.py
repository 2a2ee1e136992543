"""Match list: one search of 100,000 PDQ hashes, all of them compared."""

import secrets
import statistics
import time

from bench.figure import Figure
from imgen.provenance.matchlist import parse

HASHES = 100_000
MOST_MS = 5.0


def measure(*, hashes: int = HASHES, looks: int = 50) -> list[Figure]:
    """Measures the median of one search, in milliseconds."""
    listed = parse("\n".join(secrets.token_hex(32) for _ in range(hashes)))
    times = []
    for _ in range(looks):
        wanted = secrets.token_hex(32)
        started = time.perf_counter()
        listed.nearest(wanted)
        times.append(time.perf_counter() - started)
    return [
        Figure(what=f"match list, {hashes:,} hashes", value=statistics.median(times) * 1e3, unit="ms", at_most=MOST_MS)
    ]
