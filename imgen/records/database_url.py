"""URL of the database, checked before it is opened; and the cause of a database that does not answer, in one line."""

import re

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from imgen.domain.errors import ConfigurationError

DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
"""Scheme of a URL → SQLAlchemy's dialect and driver; the second and third are what other programs write."""
FORMS = "write sqlite:////path/imgen.db or postgresql+psycopg://user:password@host/database"
_CONNECTING = re.compile(
    r'(?:connection failed: )?connection to server (at|on socket) "([^"]*)"(?:, port (\d+))? failed: (?:FATAL: +)?'
)


def parse_url(url: str) -> URL:
    """Parses the URL of the database, with the driver that this package installs.

    Raises:
        ConfigurationError: it is no URL, or of a database that is not supported; the message has no part of the URL but its kind.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as exc:
        raise ConfigurationError(f"[database] url is no database URL: {FORMS}") from exc
    driver = DRIVERS.get(parsed.drivername)
    if driver is None:
        raise ConfigurationError(
            f"[database] url: databases of the kind {parsed.drivername!r} are not supported: {FORMS}"
        )
    return parsed.set(drivername=driver)


def cause(exc: DBAPIError) -> str:
    """Returns the driver's own words where they hold no data: for a connection that failed, and for SQLite's files.

    A failed statement is named by the type of its error alone: its words may have values.
    """
    words = str(exc.orig).strip().partition("\n")[0]
    if found := _CONNECTING.match(words):
        port = f", port {found[3]}" if found[3] else ""
        return f"PostgreSQL {found[1]} {found[2]}{port}: {words[found.end() :]}"
    is_sqlite = type(exc.orig).__module__ == "sqlite3"
    return words if is_sqlite or exc.statement is None else type(exc.orig).__name__
