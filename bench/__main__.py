"""Benchmarks, run by `python -m bench [NAME …]`: prints each figure beside its bound. Exit code 1 if one misses."""

import importlib
import sys

BENCHMARKS = ("finish", "render", "matchlist", "cache", "pages", "api", "status", "enqueue")

missed = 0
for name in sys.argv[1:] or BENCHMARKS:
    for figure in importlib.import_module(f"bench.{name}").measure():
        print(figure, flush=True)
        missed += not figure.is_met
sys.exit(missed > 0)
