"""Connection to SQL: one engine, transactions for reading and for writing, and threads for callers on an event loop.

Both kinds of process use the same record functions, which take a plain Connection: a worker calls them inside
`with database.write()`, the API awaits `database.writing(function, …)`, which runs the same thing in a thread.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import URL, ColumnElement, Connection, Engine, Table, create_engine, event, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, SQLAlchemyError

from imgen.domain.errors import DatabaseFull, DatabaseUnavailable, Retryable, TransactionConflict
from imgen.records import last_steps
from imgen.records.database_url import cause, parse_url
from imgen.records.writers import GroupWriter, ParallelWriter

P = ParamSpec("P")
T = TypeVar("T")

SQLITE_BUSY_TIMEOUT_S = 15
WRITE_TRIES = 5
FIRST_PAUSE_S = 0.05
"""Longest pause before the second try of a transaction; it doubles with each. A random part of it is waited, so that two
transactions that met once do not meet again."""
CONFLICTS = frozenset({"40001", "40P01"})
"""SQLSTATE of a serialization failure and of a deadlock (PostgreSQL, appendix A): the server rolled the transaction back."""
DIALECT_INSERTS: dict[str, Callable[[Table], Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
"""Dialect → INSERT that knows ON CONFLICT."""
_jitter = random.SystemRandom()
FULL = frozenset({"SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE", "53100"})
"""Codes of a full disk: SQLite's, also under a quota or a limit of a file's size; PostgreSQL's `disk_full`."""


class Database:
    """Engine and its threads. Make it after forking; close it with `close`."""

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        """Raises ConfigurationError if the URL is none of a supported database."""
        parsed = parse_url(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(parsed, pool_size) if self.is_sqlite else _postgres_engine(parsed, pool_size)
        self._writer: GroupWriter | ParallelWriter = (
            GroupWriter(self.write, self._write_alone)
            if self.is_sqlite
            else ParallelWriter(self._write_alone, pool_size)
        )
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
    def snapshot(self) -> Iterator[Connection]:
        """Opens a connection with one view of the data for all its statements, which may take long.

        Raises:
            Retryable: the database does not answer.
        """
        with self.read() as connection:
            if not self.is_sqlite:
                connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
                connection.execute(text("SET LOCAL statement_timeout = 0"))
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Opens a transaction, committed at the end of the block, rolled back if it raises.

        Raises:
            TransactionConflict: the database ended it in favour of another transaction; run it again.
            Retryable: the database does not answer, or stayed locked.
            IntegrityError: a uniqueness constraint was broken.
        """
        steps: last_steps.LastSteps = {}
        with (
            _translated(),
            self.engine.connect().execution_options(imgen_writes=True, **{last_steps.OPTION: steps}) as connection,
            connection.begin(),
        ):
            yield connection
            last_steps.take(connection)

    def attempt(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs `function(connection, …)` as one writing transaction; repeats it if the database is busy or away for a moment.

        See `writing` for what it may do; here the calling thread waits, and on PostgreSQL it writes itself.
        """

        def transaction(connection: Connection) -> T:
            return function(connection, *args, **kwargs)

        if self.is_sqlite:
            return _again_after(Retryable, lambda: self._writer.submit(transaction).result())
        return _again_after(Retryable, lambda: self._write_once(transaction))

    async def reading(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Awaits `function(connection, …)` with a reading connection, off the event loop."""

        def call() -> T:
            with self.read() as connection:
                return function(connection, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._readers, call)

    async def writing(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Awaits `function(connection, …)` in one writing transaction, off the event loop.

        It is run again where the database ended it in favour of another one, so it changes nothing but the database. On SQLite
        it may share its commit with others (see writers.py).
        """
        return await asyncio.wrap_future(self._writer.submit(lambda connection: function(connection, *args, **kwargs)))

    def _write_alone(self, function: Callable[[Connection], T]) -> T:
        return _again_after(TransactionConflict, lambda: self._write_once(function))

    def _write_once(self, function: Callable[[Connection], T]) -> T:
        with self.write() as connection:
            return function(connection)

    def check(self) -> str:
        """Checks that the database answers; returns its URL for `imgen doctor`."""
        with self.read() as connection:
            connection.execute(text("SELECT 1"))
        return self.engine.url.render_as_string(hide_password=True)

    def close(self) -> None:
        """Ends the threads and closes every connection."""
        self._writer.close()
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
    statement = dialect_insert(connection, table).values(**values)
    statement = statement.on_conflict_do_update(index_elements=table.primary_key, set_=update, where=where)
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount


def dialect_insert(connection: Connection, table: Table) -> Any:
    """Makes an INSERT of the connection's dialect, which knows ON CONFLICT."""
    return DIALECT_INSERTS[connection.dialect.name](table)


def locked_in_order(column: ColumnElement[Any], *conditions: ColumnElement[bool]) -> Any:
    """Selects rows and locks them in the order of a column, for `column.in_(…)` of an UPDATE or DELETE of several rows.

    Without it, PostgreSQL locks them in the order in which it finds them: two such statements may wait for each other.
    """
    return select(column).where(*conditions).order_by(column).with_for_update()


def _again_after(error: type[Retryable], call: Callable[[], T]) -> T:
    """Calls a function, again after an error and a pause, up to `WRITE_TRIES` times."""
    for tried in range(1, WRITE_TRIES):
        try:
            return call()
        except error:
            time.sleep(_jitter.uniform(0, FIRST_PAUSE_S * 2 ** (tried - 1)))
    return call()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise
    except (OperationalError, DBAPIError) as exc:
        code = getattr(exc.orig, "sqlite_errorname", None) or getattr(exc.orig, "sqlstate", None)
        if code in CONFLICTS:
            raise TransactionConflict from exc
        if code in FULL:
            raise DatabaseFull(f"The disk of the database is full: {code}") from exc
        raise DatabaseUnavailable(f"The database does not answer: {cause(exc)}") from exc
    except SQLAlchemyError as exc:
        raise DatabaseUnavailable(f"The database does not answer: {type(exc).__name__}") from exc


_POSTGRES_LIMITS = "-c statement_timeout=15000 -c lock_timeout=10000 -c idle_in_transaction_session_timeout=15000"
"""In ms; the last one frees the rows of a process that was paused within a transaction."""


def _postgres_engine(url: URL, pool_size: int) -> Engine:
    return create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=5,
        pool_pre_ping=True,
        hide_parameters=True,  # parameters include prompts, and tracebacks are logged
        connect_args={"connect_timeout": 5, "options": _POSTGRES_LIMITS},
    )


def _sqlite_engine(url: URL, pool_size: int) -> Engine:
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
