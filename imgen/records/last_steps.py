"""Last steps of a writing transaction, taken before its commit, and parts of a transaction that can be undone alone."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")

OPTION = "imgen_last"
"""Execution option of a writing connection, a LastSteps."""
LastSteps = dict[Callable[[Connection, Sequence[Any]], None], list[Any]]


def at_the_end(connection: Connection, step: Callable[[Connection, Sequence[T]], None], item: T) -> None:
    """Has `step(connection, items)` called before the commit of `Database.write`, once with all items of the transaction."""
    _left(connection).setdefault(step, []).append(item)


def take(connection: Connection) -> None:
    """Takes the steps."""
    for step, items in _left(connection).items():
        if items:
            step(connection, items)


@contextmanager
def savepoint(connection: Connection) -> Iterator[None]:
    """Opens a part of a writing transaction: an error undoes the part, and drops the items that it left for the end."""
    left = _left(connection)
    before = {step: len(items) for step, items in left.items()}
    try:
        with connection.begin_nested():
            yield
    except BaseException:
        for step, items in left.items():
            del items[before.get(step, 0) :]
        raise


def _left(connection: Connection) -> LastSteps:
    steps: LastSteps = connection.get_execution_options()[OPTION]
    return steps
