"""End of a worker process that can do no good any more; Celery's main process starts a new one."""

import os
import sys
from typing import NoReturn

import structlog

log = structlog.get_logger(__name__)


def leave(reason: str) -> NoReturn:
    """Ends the process at once: no cleanup, which a dead device or a thread that hangs would hold up."""
    log.error("worker process leaves", reason=reason)
    sys.stderr.flush()
    os._exit(os.EX_TEMPFAIL)
