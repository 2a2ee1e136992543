"""Database of a command: opened, brought up to date, and closed; changes of keys and tenants are announced to the API."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from imgen import composition, settings
from imgen.cli.options import Data
from imgen.domain.errors import Unavailable
from imgen.live import epochs
from imgen.live.executors import BlockingExecutor
from imgen.records import schema
from imgen.records.database import Database
from imgen.settings import Settings


@contextmanager
def opened(loaded: Settings) -> Iterator[Database]:
    """Opens the database for the length of a block; upgrades an older one."""
    database = composition.open_database(loaded)
    try:
        if schema.pending(database):
            schema.upgrade(database)
        yield database
    finally:
        database.close()


@contextmanager
def writing(data: Data) -> Iterator[tuple[Settings, Connection]]:
    """Runs a block in one transaction, then has running API processes read keys and tenants anew."""
    loaded = settings.load(data)
    with opened(loaded) as database:
        with database.write() as connection:
            yield loaded, connection
        _forget_principals(loaded)


def _forget_principals(loaded: Settings) -> None:
    """Ends the API processes' memory of keys and tenants. Without Redis they trust no memory, so nothing is missed."""
    live = BlockingExecutor(loaded.redis_url)
    try:
        live.run(epochs.bump(epochs.KEYS))
    except Unavailable:
        return
    finally:
        live.close()
