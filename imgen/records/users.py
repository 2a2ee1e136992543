"""Users in SQL, with memberships and sessions. Passwords and tokens are stored as hashes only."""

import secrets
import time
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from imgen.domain.errors import Invalid
from imgen.domain.user import ADMIN, MEMBER, OWNER, User
from imgen.records import name_pages, one_time_links
from imgen.records.database import locked_in_order
from imgen.records.name_pages import NamePlace
from imgen.records.oauth_connections import revoke_applications
from imgen.records.tables.oauth import oauth_codes, oauth_connections, oauth_tokens
from imgen.records.tables.users import memberships, sessions, stars, users

USERS_AT_ONCE = 500
"""Users whose memberships one query reads."""


def add(connection: Connection, *, name: str, role: str, password_hash: str, must_change_password: bool) -> User:
    """Stores a new user.

    Raises:
        Invalid: the name is taken, empty, too long or not printable.
    """
    if not name.strip() or len(name) > 200 or not name.isprintable():  # noqa: PLR2004 - longer names break the tables that show them
        raise Invalid("A user needs a name of 1 to 200 printable characters")
    if connection.execute(select(users.c.id).where(users.c.name == name)).first():
        raise Invalid(f"There is a user named {name!r} already")
    user_id = "usr_" + secrets.token_hex(8)
    connection.execute(
        insert(users).values(
            id=user_id,
            name=name,
            role=role,
            password_hash=password_hash,
            must_change_password=must_change_password,
            created_at=time.time(),
        )
    )
    return User(id=user_id, name=name, role=role, must_change_password=must_change_password)


def count_users(connection: Connection) -> int:
    """Counts the users."""
    return connection.execute(select(func.count()).select_from(users)).scalar_one()


def all_users(connection: Connection) -> list[User]:
    """Lists all users by name: for the command line alone, since there may be very many."""
    return _users(connection, connection.execute(select(users).order_by(users.c.name)).all())


def page(
    connection: Connection, *, prefix: str = "", after: NamePlace | None = None, limit: int
) -> tuple[list[User], NamePlace | None]:
    """Lists users by name, those that begin with `prefix`; returns them, and the place of the next page if there is one."""
    places = name_pages.page(connection, users, prefix=prefix, after=after, limit=limit + 1)
    shown = [place.id for place in places[:limit]]
    found = {
        one.id: one for one in _users(connection, connection.execute(select(users).where(users.c.id.in_(shown))).all())
    }
    return [found[each] for each in shown if each in found], places[limit - 1] if len(places) > limit else None


def find_user(connection: Connection, name: str) -> User | None:
    """Finds the user of that name; None: there is none."""
    row = connection.execute(select(users).where(users.c.name == name)).first()
    return None if row is None else _user(connection, row)


def find_user_by_id(connection: Connection, user_id: str) -> User | None:
    """Finds the user of that id; None: there is none."""
    row = connection.execute(select(users).where(users.c.id == user_id)).first()
    return None if row is None else _user(connection, row)


def password_hash(connection: Connection, name: str) -> str | None:
    """Returns the password hash of a user; None: there is no user of that name."""
    return connection.execute(select(users.c.password_hash).where(users.c.name == name)).scalar()


def set_password(connection: Connection, user_id: str, new_hash: str, *, must_change_password: bool = False) -> None:
    """Replaces the password hash; links that would reset the old password are revoked."""
    one_time_links.revoke_resets(connection, user_id, now=time.time())
    values = {"password_hash": new_hash, "must_change_password": must_change_password}
    connection.execute(update(users).where(users.c.id == user_id).values(values))


def remove(connection: Connection, user: User) -> None:
    """Deletes a user with all sessions, memberships, stars and connected applications; links by and for the user are revoked.

    Raises:
        Invalid: it is the last administrator. Removals by two administrators at once are serialized.
    """
    administrators = locked_in_order(users.c.id, users.c.role == ADMIN)
    if connection.execute(administrators).scalars().all() == [user.id]:
        raise Invalid("The last administrator cannot be removed")
    now = time.time()
    one_time_links.revoke_made_by(connection, user.id, now=now)
    one_time_links.revoke_resets(connection, user.id, now=now)
    for table in (oauth_connections, oauth_codes, oauth_tokens, sessions, memberships, stars):
        connection.execute(delete(table).where(table.c.user_id == user.id))
    connection.execute(delete(users).where(users.c.id == user.id))


def memberships_of(connection: Connection, user_id: str) -> set[str]:
    """Returns the ids of the tenants that a user is a member of."""
    query = select(memberships.c.tenant_id).where(memberships.c.user_id == user_id)
    return set(connection.execute(query).scalars())


def count_members(connection: Connection, tenant_id: str) -> int:
    """Counts the members of a tenant."""
    query = select(func.count()).select_from(memberships).where(memberships.c.tenant_id == tenant_id)
    return connection.execute(query).scalar_one()


def set_memberships(connection: Connection, user_id: str, tenant_ids: Iterable[str]) -> None:
    """Replaces the memberships of a user: with the role of before where there was one, or else as member.

    Invitations and connected applications of the user end where the membership does.
    """
    query = select(memberships.c.tenant_id, memberships.c.role).where(memberships.c.user_id == user_id)
    before = {row.tenant_id: row.role for row in connection.execute(query)}
    roles = {tenant_id: before.get(tenant_id, MEMBER) for tenant_id in tenant_ids}
    lost, now = sorted(before.keys() - roles.keys()), time.time()
    for tenant_id in lost:
        one_time_links.revoke_made_by(connection, user_id, tenant_id=tenant_id, now=now)
    revoke_applications(connection, user_id=user_id, tenant_ids=lost, now=now)
    connection.execute(delete(memberships).where(memberships.c.user_id == user_id))
    if rows := [{"user_id": user_id, "tenant_id": one, "role": roles[one]} for one in sorted(roles)]:
        connection.execute(insert(memberships), rows)


def open_session(
    connection: Connection, token_hash: str, user_id: str, *, remote_ip: str, agent: str, now: float, lasts_s: float
) -> None:
    """Adds a session."""
    connection.execute(
        insert(sessions).values(
            token_hash=token_hash,
            user_id=user_id,
            address=remote_ip[:100],
            agent=agent[:300],
            created_at=now,
            expires_at=now + lasts_s,
        )
    )


def signed_in(connection: Connection, token_hash: str, *, now: float) -> User | None:
    """Finds the user of a session; None: it is unknown or expired."""
    query = select(users).join(sessions, sessions.c.user_id == users.c.id)
    row = connection.execute(query.where(sessions.c.token_hash == token_hash, sessions.c.expires_at > now)).first()
    return None if row is None else _user(connection, row)


def close_session(connection: Connection, token_hash: str) -> None:
    """Deletes one session."""
    connection.execute(delete(sessions).where(sessions.c.token_hash == token_hash))


def close_sessions(connection: Connection, user_id: str, *, but: str = "") -> int:
    """Deletes all sessions of a user but the one with that token hash; returns their number."""
    others = locked_in_order(sessions.c.token_hash, sessions.c.user_id == user_id, sessions.c.token_hash != but)
    return connection.execute(delete(sessions).where(sessions.c.token_hash.in_(others))).rowcount


def session_count(connection: Connection, user_id: str, *, now: float) -> int:
    """Counts the sessions of a user."""
    query = select(func.count()).where(sessions.c.user_id == user_id, sessions.c.expires_at > now)
    return connection.execute(query).scalar_one()


def delete_expired_sessions(connection: Connection, *, now: float) -> None:
    """Deletes expired sessions."""
    expired = locked_in_order(sessions.c.token_hash, sessions.c.expires_at <= now)
    connection.execute(delete(sessions).where(sessions.c.token_hash.in_(expired)))


def _user(connection: Connection, row: Row[Any]) -> User:
    return _users(connection, [row])[0]


def _users(connection: Connection, rows: Sequence[Row[Any]]) -> list[User]:
    """Makes the users of rows, with their memberships, which are read some users at a time."""
    roles: dict[str, dict[str, str]] = {row.id: {} for row in rows}
    ids = list(roles)
    for start in range(0, len(ids), USERS_AT_ONCE):
        query = select(*memberships.c).where(memberships.c.user_id.in_(ids[start : start + USERS_AT_ONCE]))
        for one in connection.execute(query):
            roles[one.user_id][one.tenant_id] = one.role
    return [
        User(
            id=row.id,
            name=row.name,
            role=row.role,
            must_change_password=row.must_change_password,
            tenant_ids=frozenset(roles[row.id]),
            owned_ids=frozenset(tenant_id for tenant_id, role in roles[row.id].items() if role == OWNER),
        )
        for row in rows
    ]
