"""`python -m bench [finish] [status]`: prints what each measures, as ratios. Decides nothing."""

import importlib
import sys

BENCHMARKS = ("finish", "status")

for name in sys.argv[1:] or BENCHMARKS:
    for what, ratio, detail in importlib.import_module(f"bench.{name}").measure():
        print(f"{what:<24} {ratio:6.2f}  {detail}")
