"""Pages of rows by name, with a search by the name's beginning: each begins where the last one ended, found by an index.

Case is ignored as the database's `lower` ignores it: SQLite's knows ASCII alone. A page is merged of streams, as in paging.py.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Table, TextClause, and_, func, literal, or_, select

from imgen.records.paging import Stream

LAST_CHARACTER = "\U0010ffff"


class NamePlace(NamedTuple):
    """Last row of a page."""

    folded: str
    id: str


def begins_with(table: Table, prefix: str) -> ColumnElement[bool]:
    """Returns the condition of names that begin with a text, as two bounds of an index."""
    wanted = func.lower(literal(prefix))
    return and_(table.c.folded >= wanted, table.c.folded < wanted + LAST_CHARACTER)


def page(
    connection: Connection,
    table: Table,
    streams: Iterable[Stream] = ({},),
    conditions: Sequence[ColumnElement[bool] | TextClause] = (),
    *,
    prefix: str = "",
    after: NamePlace | None = None,
    limit: int,
) -> list[NamePlace]:
    """Returns the first rows of all streams by name, those after `after`.

    Args:
        connection: a reading one.
        table: has the columns `id` and `folded`, and an index of each stream's columns, `folded` and `id`.
        streams: each the columns with equal values.
        conditions: of the rows.
        prefix: beginning of the names; empty: all.
        after: end of the page before; None: the first page.
        limit: most rows.
    """
    query = select(table.c.folded, table.c.id).where(*conditions)
    if prefix:
        query = query.where(begins_with(table, prefix))
    if after is not None:
        place = or_(table.c.folded > after.folded, table.c.id > after.id)
        query = query.where(table.c.folded >= after.folded, place)
    query = query.order_by(table.c.folded, table.c.id).limit(limit)
    found = [
        NamePlace(*row)
        for stream in streams
        for row in connection.execute(query.where(*(column == value for column, value in stream.items())))
    ]
    return sorted(found)[:limit]
