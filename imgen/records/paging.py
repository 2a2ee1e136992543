"""Pages of jobs, newest first: each page begins where the last one ended, found by an index however deep it lies.

A page is merged of streams. A stream is a query with equal values of the first columns of an index; the index gives its rows in
the order of a page, so that neither a deep page nor a rare value reads more than the rows shown.
"""

import heapq
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Column, ColumnElement, Connection, RowMapping, Text, select, tuple_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from imgen.records.tables.jobs import jobs


class Place(NamedTuple):
    """Last row of a page."""

    created_at: float
    id: str


Stream = Mapping[Column[Any], object]
"""Column → its value in all rows of a stream."""


def newest_ids(
    connection: Connection,
    streams: Iterable[Stream],
    conditions: Sequence[ColumnElement[bool]] = (),
    *,
    before: tuple[float, str] | None,
    limit: int,
) -> list[Place]:
    """Returns the newest rows of all streams, older than `before`.

    Args:
        connection: a reading one.
        streams: each with its own index.
        conditions: of the rows; expressions of `hidden` columns, so that no other index is taken for them.
        before: end of the page before; None: the first page.
        limit: most rows.
    """
    found = [connection.execute(_query(stream, conditions, before).limit(limit)).all() for stream in streams]
    merged = heapq.merge(*found, key=lambda row: (row.created_at, row.id), reverse=True)
    places = dict.fromkeys(Place(*row) for row in merged)  # a job may change its stream between two queries
    return list(itertools.islice(places, limit))


class hidden(FunctionElement[str]):  # noqa: N801 - reads as the SQL function that it is on SQLite
    """Column as an expression for SQLite: by an index of the column alone it would fetch and sort all rows of a value.

    PostgreSQL counts how often values occur, so it gets the column itself.
    """

    type = Text()
    inherit_cache = True


@compiles(hidden)
def _plain(element: Any, compiler: Any, **more: Any) -> str:
    return f"({compiler.process(element.clauses, **more)})"


@compiles(hidden, "sqlite")
def _hidden(element: Any, compiler: Any, **more: Any) -> str:
    return f"coalesce({compiler.process(element.clauses, **more)}, '')"


def _query(stream: Stream, conditions: Iterable[ColumnElement[bool]], before: tuple[float, str] | None) -> Any:
    query = select(jobs.c.created_at, jobs.c.id).where(*(column == value for column, value in stream.items()))
    query = query.where(*conditions)
    if before is not None:
        query = query.where(tuple_(jobs.c.created_at, jobs.c.id) < before)
    return query.order_by(jobs.c.created_at.desc(), jobs.c.id.desc())


def rows_at(connection: Connection, places: Iterable[Place]) -> list[RowMapping]:
    """Returns the whole rows of places, in their order; rows deleted meanwhile are left out."""
    ids = [place.id for place in places]
    found = {row["id"]: row for row in connection.execute(select(jobs).where(jobs.c.id.in_(ids))).mappings()}
    return [found[job_id] for job_id in ids if job_id in found]
