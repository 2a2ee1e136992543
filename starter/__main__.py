"""Runs all phases in order, each on from where it stopped, and prints the scores at the end: `python -m starter`.

Each phase is a process of its own, so that its memory goes back. One that is finished trains nothing again: to train anew, remove
`var/train`.
"""

import subprocess
import sys
import time

from starter.checkpoint import say

PHASES = ("vae", "text", "pool", "denoiser", "lora", "export", "probe", "evaluation")


def main() -> None:
    """Phases up to the first that fails."""
    for phase in PHASES:
        start = time.monotonic()
        say(f"== {phase}")
        subprocess.run([sys.executable, "-m", f"starter.{phase}"], check=True)
        say(f"== {phase} took {(time.monotonic() - start) / 60:.1f} min")


if __name__ == "__main__":
    main()
