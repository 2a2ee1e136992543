"""Lock of a data folder while a stack runs over it; the file names the process and the API's URL."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from imgen.domain.errors import ConfigurationError

_NAME = "up.lock"


@contextlib.contextmanager
def lock(data_dir: Path, url: str) -> Iterator[None]:
    """Locks the data folder for the length of a block: two stacks over one folder would share a Redis socket.

    Raises:
        ConfigurationError: another stack runs over it.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / _NAME).open("a+") as file:
        if not _take(file.fileno(), tries=5):
            file.seek(0)
            raise ConfigurationError(
                f"Already running over {data_dir} (process {file.read().partition(' ')[0].strip()})"
            )
        file.truncate(0)
        file.write(f"{os.getpid()} {url}")
        file.flush()
        yield


def running_url(data_dir: Path) -> str:
    """Returns the URL of the stack that runs over a data folder; empty: none does."""
    with contextlib.suppress(OSError), (data_dir / _NAME).open("r+") as file:
        if not _take(file.fileno()):
            return file.read().partition(" ")[2].strip()
    return ""


def _take(descriptor: int, *, tries: int = 1) -> bool:
    """Locks an open file, until it is closed; False: another process has it. `running_url` has it for a moment."""
    for _ in range(tries):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(0.02)
    return False
