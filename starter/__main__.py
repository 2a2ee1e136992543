"""Training of the starter model, `python -m starter`: runs all phases in order, resumes each, and prints the scores.

Each phase is a process of its own, so that its memory is freed. A finished phase does not train again: to train anew, remove
`var/train`.
"""

import subprocess
import sys
import time

from starter.checkpoint import say

PHASES = ("vae", "text", "pool", "denoiser", "lora", "export", "probe", "evaluation")


def main() -> None:
    """Runs the phases up to the first that fails."""
    for phase in PHASES:
        start = time.monotonic()
        say(f"== {phase}")
        subprocess.run([sys.executable, "-m", f"starter.{phase}"], check=True)
        say(f"== {phase} took {(time.monotonic() - start) / 60:.1f} min")


if __name__ == "__main__":
    main()
