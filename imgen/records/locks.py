"""Locks in SQL: each is held by one process, for a limited time by the database's clock."""

import secrets

from sqlalchemy import Connection, delete, or_

from imgen.records import clock
from imgen.records.database import upsert
from imgen.records.tables.operations import locks

PROBE_CHARS = 64 * 1024
"""Bytes of the pages that the row of a job, its indexes and its ledger entries change in SQLite."""


def acquire(connection: Connection, name: str, owner: str, *, for_s: float, now: float | None = None) -> bool:
    """Takes or renews a lock for `for_s` seconds. False: another owner holds it."""
    time = clock.at(now)
    values = {"owner": owner, "until": time + for_s}
    is_free = or_(locks.c.owner == owner, locks.c.until < time)
    return upsert(connection, locks, {"name": name, **values}, update=values, where=is_free) == 1


def new_owner() -> str:
    """Makes the owner id of one process."""
    return secrets.token_hex(8)


def release(connection: Connection, name: str, owner: str) -> None:
    """Releases a lock, so that the next process need not wait until it expires."""
    connection.execute(delete(locks).where(locks.c.name == name, locks.c.owner == owner))


def probe(connection: Connection) -> None:
    """Writes as much as a new job takes, to a row that no process holds: fails where the disk is too full for one."""
    acquire(connection, "probe", "0" * PROBE_CHARS, for_s=0)
