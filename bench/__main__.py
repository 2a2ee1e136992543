"""Benchmarks, run by `python -m bench [--json FILE] [NAME …]`: prints each figure beside its bound. Exit code 1 if one misses."""

import argparse
import importlib
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

BENCHMARKS = (
    *("finish", "render", "engine", "first_step", "pdq", "matchlist", "fingerprints", "cache"),
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
parser.add_argument("names", nargs="*", metavar="NAME", default=BENCHMARKS)
asked = parser.parse_args()
figures = []
for name in asked.names:
    for figure in importlib.import_module(f"bench.{name}").measure():
        print(figure, flush=True)
        figures.append(figure)
        if asked.json:  # after each: a run that is cut off leaves what it has
            asked.json.write_text(json.dumps([asdict(one) | {"is_met": one.is_met} for one in figures], indent=1))
sys.exit(not all(figure.is_met for figure in figures))
