"""Secrets of this installation that all its processes share, made at first use."""

import secrets

from sqlalchemy import Connection, insert, select

from imgen.records.database import Database
from imgen.records.tables import installation

SIGNING = "disk-signing"


def signing_secret(database: Database) -> bytes:
    """What signs the disk store's addresses: 256 random bits."""
    with database.read() as connection:
        found = _read(connection)
    return found or database.attempt(_read_or_make)


def _read(connection: Connection) -> bytes | None:
    value = connection.execute(select(installation.c.value).where(installation.c.name == SIGNING)).scalar()
    return None if value is None else bytes.fromhex(value)


def _read_or_make(connection: Connection) -> bytes:
    found = _read(connection)
    if found is None:
        found = secrets.token_bytes(32)
        connection.execute(insert(installation).values(name=SIGNING, value=found.hex()))
    return found
