"""Ready file of a part that listens nowhere: the supervisor waits for it."""

import contextlib
from pathlib import Path


def touch(ready_file: Path | None) -> None:
    """Makes the file; None: nobody waits."""
    if ready_file is not None:
        with contextlib.suppress(FileNotFoundError):  # nobody waits any more
            ready_file.touch()
