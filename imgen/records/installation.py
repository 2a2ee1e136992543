"""Secrets of this installation that all its processes share, made at first use."""

import secrets

from sqlalchemy import Connection, insert, select

from imgen.records.database import Database
from imgen.records.tables.operations import installation

DISK, WEB = "disk-signing", "web-signing"
"""Keys that sign the disk store's URLs and the web face's cookies."""


def secret(database: Database, name: str) -> bytes:
    """Returns the 256 random bits under a name; makes them at first use."""
    with database.read() as connection:
        found = _read(connection, name)
    return found or database.attempt(_read_or_make, name)


def _read(connection: Connection, name: str) -> bytes | None:
    value = connection.execute(select(installation.c.value).where(installation.c.name == name)).scalar()
    return None if value is None else bytes.fromhex(value)


def _read_or_make(connection: Connection, name: str) -> bytes:
    found = _read(connection, name)
    if found is None:
        found = secrets.token_bytes(32)
        connection.execute(insert(installation).values(name=name, value=found.hex()))
    return found
