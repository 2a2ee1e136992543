"""People in SQL. Passwords never come here, only their hashes."""

import secrets
import time

from sqlalchemy import Connection, func, insert, select

from imgen.records.tables import users


def add(connection: Connection, *, name: str, role: str, password_hash: str, must_change_password: bool) -> None:
    """Stores a new person; the name must be new."""
    connection.execute(
        insert(users).values(
            id="usr_" + secrets.token_hex(8),
            name=name,
            role=role,
            password_hash=password_hash,
            must_change_password=must_change_password,
            created_at=time.time(),
        )
    )


def number(connection: Connection) -> int:
    """How many people there are."""
    return connection.execute(select(func.count()).select_from(users)).scalar_one()


def password_hash(connection: Connection, name: str) -> str | None:
    """The hash to check a sign-in against; None: nobody has that name."""
    return connection.execute(select(users.c.password_hash).where(users.c.name == name)).scalar()
