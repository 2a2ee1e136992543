"""Installs pinned Python packages as wheels into this interpreter's environment, and tells how far it is. Compiles nothing.

The Makefile calls it with the arguments of `pip install`. After `--optional SENTENCE` a package that cannot be had is no failure:
the sentence is printed instead. Standard library alone: this is what installs the rest.
"""

import platform
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

EVERY_S = 5.0
"""Between two lines where nobody watches a terminal, whose one line is written anew each fifth of a second."""
CONSTRAINTS = Path(__file__).parent.parent / "constraints.txt"


def main(arguments: list[str]) -> int:
    """Returns pip's exit code, 0 for an optional package that cannot be had."""
    excuse = ""
    if arguments[:1] == ["--optional"]:
        _, excuse, *arguments = arguments
    progress = Progress()
    options = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--only-binary=:all:"]
    command = [sys.executable, "-m", "pip", "install", *options, "-c", str(CONSTRAINTS), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as pip:
        errors: list[str] = []
        reader = threading.Thread(target=lambda: errors.extend(pip.stderr))
        reader.start()
        ticker = threading.Thread(target=progress.run, daemon=True)
        ticker.start()
        for line in pip.stdout:
            progress.read(line)
        code = pip.wait()
        reader.join()
    progress.end(succeeded=code == 0)
    if code:
        print("\n".join([excuse] if excuse else explained(errors)))
    return 0 if excuse else code


class Progress:
    """Progress of pip: one line of a terminal, rewritten, or a line now and then."""

    def __init__(self) -> None:
        self._started = self._told_at = time.monotonic()
        self._found = self._installed = 0
        self._doing = "asking the package index"
        self._ended = threading.Event()

    def read(self, line: str) -> None:
        """Takes a line of pip's output."""
        words = line.split()
        if line.startswith("Collecting"):
            self._found += 1
            self._doing = f"looking for {words[1]}"
        elif "Downloading" in words[:1]:
            self._doing = f"downloading {' '.join(words[1:])}"
        elif line.startswith("Installing collected packages:"):
            self._doing = f"unpacking {len(words) - 3} packages"
        elif line.startswith("Successfully installed"):
            self._installed = len(words) - 2

    def run(self) -> None:
        """Tells how far it is until the end; the body of a thread."""
        is_watched = sys.stdout.isatty()
        while not self._ended.wait(0.2 if is_watched else EVERY_S):
            seconds = time.monotonic() - self._started
            line = f"  {seconds:3.0f} s  {self._found} packages; {self._doing}"
            print(f"\r\033[K{line[:100]}" if is_watched else line, end="" if is_watched else "\n", flush=True)

    def end(self, *, succeeded: bool) -> None:
        """Tells what came of it."""
        self._ended.set()
        if sys.stdout.isatty():
            print("\r\033[K", end="")
        if succeeded and self._installed:
            print(f"  {time.monotonic() - self._started:3.0f} s  packages installed: {self._installed}", flush=True)


def explained(errors: list[str]) -> list[str]:
    """Puts pip's errors into plain words: a missing wheel and an index out of reach by name, others as they are."""
    text = "".join(errors)
    missing = re.search(r"Could not find a version that satisfies the requirement (\S+)", text)
    if missing and "Retrying (" in text:
        return [f"The package index does not answer, so {missing[1]} cannot be installed: check network and proxy."]
    if missing:
        here = f"{platform.python_implementation()} {platform.python_version()} on {platform.system()} {platform.machine()}"
        return [
            f"There is no wheel of {missing[1]} for {here}, and nothing is compiled here. README.md names what was tried."
        ]
    return [line.rstrip() for line in errors if not line.startswith("WARNING")] or ["pip failed without a word"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
