"""Connection to SQL: one engine, transactions for reading and for writing, and threads for callers on an event loop.

Both kinds of process use the same record functions, which take a plain Connection: a worker calls them inside
`with database.write()`, the API awaits `database.writing(function, …)`, which runs the same thing in a thread.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, Table, create_engine, event, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, SQLAlchemyError

from imgen.domain.errors import Retryable

P = ParamSpec("P")
T = TypeVar("T")

SQLITE_BUSY_TIMEOUT_S = 15
WRITE_TRIES = 5


class Database:
    """Engine and its threads. Make it after forking; close it with `close`."""

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        self.is_sqlite = make_url(url).get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(url, pool_size) if self.is_sqlite else _postgres_engine(url, pool_size)
        # SQLite has one writer at a time, and the others sleep and retry: one thread for writing is faster.
        self._writers = ThreadPoolExecutor(1 if self.is_sqlite else pool_size, thread_name_prefix="sql-write")
        self._readers = ThreadPoolExecutor(4 if self.is_sqlite else pool_size, thread_name_prefix="sql-read")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Opens a connection with one consistent view of the data.

        Raises:
            Retryable: the database does not answer.
        """
        with _translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Opens a transaction, committed at the end of the block, rolled back if it raises.

        Raises:
            Retryable: the database does not answer, or stayed locked.
            IntegrityError: a uniqueness constraint was broken.
        """
        with (
            _translated(),
            self.engine.connect().execution_options(imgen_writes=True) as connection,
            connection.begin(),
        ):
            yield connection

    def attempt(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs `function(connection, …)` as one writing transaction; repeats it if the database is busy."""
        for tries_left in reversed(range(WRITE_TRIES)):
            try:
                with self.write() as connection:
                    return function(connection, *args, **kwargs)
            except Retryable:
                if not tries_left:
                    raise
                time.sleep(0.05 * (WRITE_TRIES - tries_left))
        raise AssertionError("unreachable: the last try returns or raises")

    async def reading(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Awaits `function(connection, …)` with a reading connection, off the event loop."""

        def call() -> T:
            with self.read() as connection:
                return function(connection, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._readers, call)

    async def writing(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Awaits `function(connection, …)` in one writing transaction, off the event loop."""

        def call() -> T:
            with self.write() as connection:
                return function(connection, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._writers, call)

    def check(self) -> str:
        """Checks that the database answers; returns its URL for `imgen doctor`."""
        with self.read() as connection:
            connection.execute(text("SELECT 1"))
        return self.engine.url.render_as_string(hide_password=True)

    def close(self) -> None:
        """Ends the threads and closes every connection."""
        self._writers.shutdown()
        self._readers.shutdown()
        self.engine.dispose()


def upsert(
    connection: Connection,
    table: Table,
    values: Mapping[str, object],
    *,
    update: Mapping[str, object],
    where: ColumnElement[bool] | None = None,
) -> int:
    """Inserts a row, or changes the one with the same primary key, which then stays locked until the transaction ends.

    Returns the number of rows inserted or changed.

    Args:
        connection: a writing one.
        table: has a primary key.
        values: the new row.
        update: columns and their new values where the row is there already.
        where: condition under which a present row is changed; None: always.
    """
    dialect: Any = {"sqlite": sqlite, "postgresql": postgresql}[connection.dialect.name]
    statement = dialect.insert(table).values(**values)
    statement = statement.on_conflict_do_update(index_elements=table.primary_key, set_=update, where=where)
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise
    except (OperationalError, DBAPIError) as exc:
        raise Retryable(f"The database does not answer: {type(exc.orig).__name__}") from exc
    except SQLAlchemyError as exc:
        raise Retryable(f"The database does not answer: {type(exc).__name__}") from exc


_POSTGRES_LIMITS = "-c statement_timeout=15000 -c lock_timeout=10000 -c idle_in_transaction_session_timeout=15000"
"""In ms; the last one frees the rows of a process that was paused within a transaction."""


def _postgres_engine(url: str, pool_size: int) -> Engine:
    return create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=5,
        pool_pre_ping=True,
        hide_parameters=True,  # parameters include prompts, and tracebacks are logged
        connect_args={"connect_timeout": 5, "options": _POSTGRES_LIMITS},
    )


def _sqlite_engine(url: str, pool_size: int) -> Engine:
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        hide_parameters=True,
        connect_args={"timeout": SQLITE_BUSY_TIMEOUT_S, "isolation_level": None, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _configure(dbapi_connection: Any, _record: object) -> None:
        cursor = dbapi_connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")  # WAL's NORMAL may lose the last commits when power fails
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that first reads and then writes cannot wait for another writer; IMMEDIATE waits at the start.
        writes = connection.get_execution_options().get("imgen_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
