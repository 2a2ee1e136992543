"""Look-ups of the semantic cache by day, of all tenants: sums of days that are over, so that a total reads few rows.

A tenant's own rows may go with it; what its look-ups added to a day stays.
"""

import time

from sqlalchemy import Connection, func, insert, select

from imgen.records.tables.cache import cache_days as days
from imgen.records.tables.cache import cache_lookups as lookups

LATE_S = 2 * 3600
"""Time after the end of a day for which clocks of machines may still count look-ups for it."""
_SUMS = (func.coalesce(func.sum(lookups.c.hits), 0), func.coalesce(func.sum(lookups.c.misses), 0))


def roll_up(connection: Connection, *, now: float) -> None:
    """Adds the sums of the days that are over and have none yet. One process at a time may do it."""
    today = time.strftime("%Y-%m-%d", time.gmtime(now - LATE_S))
    new = select(lookups.c.day, *_SUMS).where(lookups.c.day > _latest(connection), lookups.c.day < today)
    connection.execute(insert(days).from_select(["day", "hits", "misses"], new.group_by(lookups.c.day)))


def totals(connection: Connection) -> tuple[int, int]:
    """Returns hits and misses of all tenants."""
    over = select(func.coalesce(func.sum(days.c.hits), 0), func.coalesce(func.sum(days.c.misses), 0))
    open_days = select(*_SUMS).where(lookups.c.day > _latest(connection))
    (hits, misses), (new_hits, new_misses) = (connection.execute(query).one() for query in (over, open_days))
    return int(hits + new_hits), int(misses + new_misses)


def _latest(connection: Connection) -> str:
    return str(connection.execute(select(func.coalesce(func.max(days.c.day), ""))).scalar_one())
