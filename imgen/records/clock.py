"""Clock of the database: the one clock of all hosts, for leases, locks and pauses. Hosts' own clocks may be seconds apart."""

from typing import Any

from sqlalchemy import ColumnElement, Double, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class _Now(FunctionElement[float]):
    """Seconds since the epoch as the database has them; one value within a statement, so that an index can be searched by it."""

    name = "database_now"
    type = Double()
    inherit_cache = True


@compiles(_Now, "sqlite")
def _sqlite(_element: Any, _compiler: Any, **_more: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"  # the Julian day of the epoch; SQLite's clock has milliseconds


@compiles(_Now, "postgresql")
def _postgresql(_element: Any, _compiler: Any, **_more: Any) -> str:
    return "CAST(extract(epoch FROM statement_timestamp()) AS double precision)"


def at(now: float | None = None) -> ColumnElement[float]:
    """Returns the time to use in a statement: the database's, or the one given (for tests)."""
    return _Now() if now is None else literal(now, Double)
