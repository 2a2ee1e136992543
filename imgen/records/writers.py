"""Writers of transactions for callers on an event loop: SQLite's, which puts those that wait into one commit, and PostgreSQL's.

A commit of SQLite with `synchronous=FULL` waits for the disk, which takes longer than the statements before it. Transactions
that arrive during one commit are run together in the next, each in a savepoint: 32 parallel requests wait for one `fsync`.
PostgreSQL does the like by itself for transactions that run in parallel.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError

from imgen.records.last_steps import savepoint

T = TypeVar("T")
Transaction = Callable[[Connection], T]
"""It may be run twice, so it changes nothing but the database."""
_Result = tuple[Any, BaseException | None]

MOST_TOGETHER = 64
"""Transactions in one commit: the first of them waits for the last."""


class ParallelWriter:
    """Threads that run writing transactions side by side."""

    def __init__(self, run_alone: Callable[[Transaction[Any]], Any], threads: int) -> None:
        """Takes the function that runs one in a transaction of its own, and how many run at a time."""
        self._run_alone = run_alone
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="sql-write")

    def submit(self, transaction: Transaction[T]) -> "Future[T]":
        """Schedules a transaction; its result is told after the commit."""
        return self._threads.submit(self._run_alone, transaction)

    def close(self) -> None:
        """Waits for all that was submitted, and ends the threads."""
        self._threads.shutdown()


class GroupWriter:
    """Thread that runs writing transactions in the order in which they come, those that wait in one commit."""

    def __init__(
        self,
        write: Callable[[], AbstractContextManager[Connection]],
        run_alone: Callable[[Transaction[Any]], Any],
    ) -> None:
        """Takes `Database.write`, and the function that runs one in a transaction of its own, again where that may help."""
        self._write = write
        self._run_alone = run_alone
        self._waiting: deque[tuple[Transaction[Any], Future[Any]]] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sql-write")

    def submit(self, transaction: Transaction[T]) -> "Future[T]":
        """Schedules a transaction; its result is told after the commit. What it raises undoes it and no other."""
        future: Future[T] = Future()
        self._waiting.append((transaction, future))
        self._thread.submit(self._run_group)
        return future

    def close(self) -> None:
        """Waits for all that was submitted, and ends the thread."""
        self._thread.shutdown()

    def _run_group(self) -> None:
        transactions, futures = list[Transaction[Any]](), list[Future[Any]]()
        while self._waiting and len(futures) < MOST_TOGETHER:
            transaction, future = self._waiting.popleft()
            if future.set_running_or_notify_cancel():
                transactions.append(transaction)
                futures.append(future)
        results = self._run_together(transactions) if len(transactions) > 1 else None
        if results is None:
            results = [_result(self._run_alone, transaction) for transaction in transactions]
        for future, (value, error) in zip(futures, results, strict=True):
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)

    def _run_together(self, transactions: list[Transaction[Any]]) -> list[_Result] | None:
        """Runs transactions in one commit. None: it failed as a whole, and nothing of it is stored."""
        try:
            with self._write() as connection:
                return [_result(_in_savepoint, connection, transaction) for transaction in transactions]
        except Exception:  # noqa: BLE001 - run alone, each meets its own
            return None


class _Refused(Exception):
    """Error of a statement that may have ended the whole transaction, such as a full disk."""


def _result(call: Callable[..., Any], *args: Any) -> _Result:
    """Returns the value of a call and None, or None and its error."""
    try:
        return call(*args), None
    except _Refused:
        raise
    except BaseException as exc:  # noqa: BLE001 - raised where the result is awaited
        return None, exc


def _in_savepoint(connection: Connection, transaction: Transaction[T]) -> T:
    """Runs a transaction as a part of another one; what it raises undoes this part alone.

    Raises:
        _Refused: the database refused a statement.
    """
    try:
        with savepoint(connection):
            return transaction(connection)
    except IntegrityError:
        raise
    except DBAPIError as exc:
        raise _Refused from exc
