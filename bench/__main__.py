"""Benchmarks, run by `python -m bench [NAME …]`: prints each figure beside its bound. Exit code 1 if one misses."""

import importlib
import os
import sys

BENCHMARKS = ("finish", "render", "engine", "pdq", "matchlist", "cache", "pages", "api", "status", "enqueue", "history")

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as API and workers set it; read when NumPy is imported
missed = 0
for name in sys.argv[1:] or BENCHMARKS:
    for figure in importlib.import_module(f"bench.{name}").measure():
        print(figure, flush=True)
        missed += not figure.is_met
sys.exit(missed > 0)
