"""Benchmarks, run by `python -m bench [--json FILE] [NAME …]`: prints each figure beside its bound. Exit code 1 if one misses.

`durable` by its name is hours long, and goes on where it was stopped.
"""

import argparse
import importlib
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

BENCHMARKS = (
    *("finish", "signing", "render", "engine", "first_step", "pdq", "matchlist", "fingerprints", "cache", "durable"),
    *(
        "pages",
        "tenants",
        "api",
        "status",
        "submit",
        "enqueue",
        "waiting",
        "remote",
        "forge",
        "mcp",
        "openai",
        "hostile",
        "history",
    ),
)
"""Benchmarks of a run without names; `gpu` is run by its name alone."""

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as API and workers set it; read when NumPy is imported
parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
parser.add_argument("--json", type=Path, metavar="FILE", help="a file for all figures")
parser.add_argument("--part", action="append", choices=("table", "unmarked", "deep", "times"), help="part of durable")
parser.add_argument("--limit-minutes", type=float, metavar="N", help="minutes that each part of durable may go on for")
parser.add_argument("names", nargs="*", metavar="NAME")
asked = parser.parse_args()
limits = {"limit_minutes": asked.limit_minutes} | ({"parts": asked.part} if asked.part else {})
if (asked.part or asked.limit_minutes is not None) and asked.names != ["durable"]:
    parser.error("--part and --limit-minutes are options of durable alone")
figures = []
for name in asked.names or BENCHMARKS:
    module = importlib.import_module(f"bench.{name}")
    for figure in module.measure_all(**limits) if "durable" in asked.names and name == "durable" else module.measure():
        print(figure, flush=True)
        figures.append(figure)
        if asked.json:  # after each: a run that is cut off leaves what it has
            asked.json.write_text(json.dumps([asdict(one) | {"is_met": one.is_met} for one in figures], indent=1))
sys.exit(not all(figure.is_met for figure in figures))
