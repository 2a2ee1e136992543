"""Transactions that outlast an outage of the database: the result of a minute's work is in hand, and a lease that is kept."""

import itertools
import time
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

import structlog
from sqlalchemy import Connection

from imgen.domain.errors import DatabaseUnavailable, TransactionConflict
from imgen.records.database import Database

P = ParamSpec("P")
T = TypeVar("T")

GIVE_UP_S = 240
"""Together with a usual render well under Celery's hard limit (imgen/live/queue.py), which would kill the process."""
_PAUSES_S = (0.2, 0.5, 1.0, 2.0)
log = structlog.get_logger(__name__)


def persist(
    database: Database, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Runs `function(connection, …)` as one writing transaction, again and again while the database does not answer.

    Raises:
        DatabaseUnavailable, TransactionConflict: it did not take it for GIVE_UP_S.
    """
    give_up_at = time.monotonic() + GIVE_UP_S
    for pause_s in itertools.chain(_PAUSES_S, itertools.repeat(_PAUSES_S[-1])):
        try:
            return database.attempt(function, *args, **kwargs)
        except (DatabaseUnavailable, TransactionConflict) as exc:
            if time.monotonic() > give_up_at:
                raise
            log.warning("the worker waits for the database", reason=str(exc))
            time.sleep(pause_s)
    raise AssertionError("unreachable: the pauses have no end")
