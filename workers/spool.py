"""Spool: masters that the object store did not take, as files in the data folder, for the next attempt on this host.

Beside a master may lie the file that a remote engine answered with.

Without it every attempt during an outage would draw the picture again.
"""

import contextlib
import time
from pathlib import Path

import structlog

FOLDER = "spool"
KEEP_S = 3600
"""A job that still waits then has given up, or its deadline has passed."""
MAX_BYTES = 2 * 2**30
_ANSWER = ".answer"
log = structlog.get_logger(__name__)


def save(data_dir: Path, job_id: str, master: bytes, answer_file: bytes = b"") -> None:
    """Keeps a master and an engine's file. Does nothing if the spool is full or cannot be written: the picture is drawn again."""
    path = _path(data_dir, job_id)
    try:
        path.parent.mkdir(exist_ok=True)
        if sum(file.stat().st_size for file in path.parent.iterdir()) + len(master) + len(answer_file) > MAX_BYTES:
            return
        if answer_file:
            path.with_suffix(_ANSWER).write_bytes(answer_file)  # first: the master counts once it is there
        part = path.with_suffix(".part")
        part.write_bytes(master)
        part.replace(path)
    except OSError as exc:
        log.warning("master not kept", job=job_id, reason=str(exc.strerror))


def load(data_dir: Path, job_id: str) -> bytes | None:
    """Returns the master of a job; None: there is none."""
    try:
        return _path(data_dir, job_id).read_bytes()
    except OSError:
        return None


def load_answer_file(data_dir: Path, job_id: str) -> bytes:
    """Returns the file of a remote engine beside a job's master; empty: there is none."""
    try:
        return _path(data_dir, job_id).with_suffix(_ANSWER).read_bytes()
    except OSError:
        return b""


def discard(data_dir: Path, job_id: str) -> None:
    """Removes a job's files, and those of jobs that never came back."""
    with contextlib.suppress(OSError):
        _path(data_dir, job_id).unlink(missing_ok=True)
        _path(data_dir, job_id).with_suffix(_ANSWER).unlink(missing_ok=True)
        for file in (data_dir / FOLDER).iterdir():
            if file.stat().st_mtime < time.time() - KEEP_S:
                file.unlink(missing_ok=True)


def _path(data_dir: Path, job_id: str) -> Path:
    return data_dir / FOLDER / f"{job_id}.master"
