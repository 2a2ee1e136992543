"""Clients of OAuth 2.1 in SQL: those that registered, and the metadata documents that were read."""

import msgspec
from sqlalchemy import Connection, delete, exists, func, insert, select, update

from imgen.domain.errors import RateLimited
from imgen.domain.oauth.clients import Client
from imgen.records.database import locked_in_order, upsert
from imgen.records.tables.oauth import oauth_clients, oauth_connections

MAX_UNUSED = 1000
"""Registered clients that nobody has allowed anything yet; more take the place of the oldest."""
MIN_STAY_S = 600
"""Time that an unused client stays even so: a person may be reading the consent page."""
UNUSED_S = 86_400
FORGOTTEN_S = 90 * 86_400
"""Ages at which clients are deleted: unused ones, and those without a connected application."""
_LISTS = ("grant_types", "scopes")


def add(connection: Connection, client: Client) -> None:
    """Stores a client that registers.

    Raises:
        RateLimited: too many registered a moment ago, and none of them was used.
    """
    unused = oauth_clients.c.used_at.is_(None), oauth_clients.c.is_document.is_(False)
    number = connection.execute(select(func.count()).where(*unused)).scalar_one()
    if number >= MAX_UNUSED:
        oldest = select(oauth_clients.c.id).where(*unused, oauth_clients.c.created_at < client.created_at - MIN_STAY_S)
        oldest = oldest.order_by(oauth_clients.c.created_at).limit(number - MAX_UNUSED + 1).with_for_update()
        gone = connection.execute(oldest).scalars().all()
        if not gone:
            raise RateLimited("Too many clients register; come again later", retry_after_s=MIN_STAY_S)
        connection.execute(delete(oauth_clients).where(oauth_clients.c.id.in_(gone)))
    connection.execute(insert(oauth_clients).values(**_row(client)))


def put_document(connection: Connection, client: Client) -> None:
    """Stores a metadata document that was read, in the place of an older one."""
    row = _row(client)
    upsert(connection, oauth_clients, row, update={name: row[name] for name in row if name not in ("id", "created_at")})


def find(connection: Connection, client_id: str) -> Client | None:
    """Finds a client; None: there is none of that id."""
    row = connection.execute(select(oauth_clients).where(oauth_clients.c.id == client_id)).mappings().first()
    if row is None:
        return None
    values = {name: row[name] for name in Client.__struct_fields__}
    lists = {name: tuple(row[name].split()) for name in _LISTS}
    uris = msgspec.json.decode(row["redirect_uris"], type=tuple[str, ...])
    return Client(**values | lists | {"redirect_uris": uris})


def note_used(connection: Connection, client_id: str, *, now: float) -> None:
    """Counts a grant to a client."""
    used = update(oauth_clients).where(oauth_clients.c.id == client_id)
    connection.execute(used.values(used_at=now, uses=oauth_clients.c.uses + 1))


def delete_unused(connection: Connection, *, now: float, limit: int) -> int:
    """Deletes some clients that nobody used, and some that nobody is connected with any more; returns their number."""
    connected = exists().where(
        oauth_connections.c.client_id == oauth_clients.c.id, oauth_connections.c.revoked_at.is_(None)
    )
    deleted = 0
    for conditions in (
        (oauth_clients.c.used_at.is_(None), oauth_clients.c.created_at < now - UNUSED_S),
        (oauth_clients.c.used_at < now - FORGOTTEN_S, ~connected),
    ):
        found = connection.execute(locked_in_order(oauth_clients.c.id, *conditions).limit(limit)).scalars().all()
        deleted += connection.execute(delete(oauth_clients).where(oauth_clients.c.id.in_(found))).rowcount
    return deleted


def _row(client: Client) -> dict[str, object]:
    values = {name: getattr(client, name) for name in Client.__struct_fields__}
    lists = {name: " ".join(values[name]) for name in _LISTS}
    return values | lists | {"redirect_uris": msgspec.json.encode(client.redirect_uris).decode()}
