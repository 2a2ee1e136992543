"""Worker process: the memory that its threads keep, and its end when it can do no good any more."""

import contextlib
import ctypes
import os
import sys
from typing import NoReturn

import structlog

M_ARENA_MAX, M_MMAP_THRESHOLD = -8, -3
"""Parameters of mallopt(3), from glibc's malloc.h."""
log = structlog.get_logger(__name__)


def leave(reason: str) -> NoReturn:
    """Ends the process at once: no cleanup, which a dead device or a thread that hangs would hold up."""
    log.error("worker process leaves", reason=reason)
    sys.stderr.flush()
    os._exit(os.EX_TEMPFAIL)


def return_memory() -> None:
    """Makes the C library give back what threads have freed: for pictures of many threads it would keep hundreds of megabytes.

    Threads share two heaps instead of one for each, and blocks of pictures lie outside of them. Other C libraries than glibc have
    no such heaps.
    """
    with contextlib.suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_ARENA_MAX, 2)
        mallopt(M_MMAP_THRESHOLD, 1 << 18)
