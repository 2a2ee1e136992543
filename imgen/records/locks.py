"""Locks in SQL: each is held by one process, for a limited time."""

import secrets
import time

from sqlalchemy import Connection, delete, or_, update
from sqlalchemy.exc import IntegrityError

from imgen.records.tables.operations import locks


def acquire(connection: Connection, name: str, owner: str, *, for_s: float, now: float | None = None) -> bool:
    """Takes or renews a lock for `for_s` seconds. False: another owner holds it."""
    now = now or time.time()
    values = {"owner": owner, "until": now + for_s}
    mine = update(locks).where(locks.c.name == name, or_(locks.c.owner == owner, locks.c.until < now)).values(values)
    if connection.execute(mine).rowcount:
        return True
    try:
        with connection.begin_nested():
            connection.execute(locks.insert().values(name=name, **values))
    except IntegrityError:
        return False
    return True


def new_owner() -> str:
    """Makes the owner id of one process."""
    return secrets.token_hex(8)


def release(connection: Connection, name: str, owner: str) -> None:
    """Releases a lock, so that the next process need not wait until it expires."""
    connection.execute(delete(locks).where(locks.c.name == name, locks.c.owner == owner))
