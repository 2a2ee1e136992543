"""Names of what made jobs: keys, connected applications, and users of the playground, such as `mira (playground)`."""

from collections.abc import Collection, Iterable

from sqlalchemy import Connection, func, literal, select

from imgen.records import api_keys as key_records
from imgen.records import name_pages
from imgen.records.tables.accounts import IS_KEPT, api_keys
from imgen.records.tables.oauth import oauth_connections
from imgen.records.tables.users import memberships, users

IN_PLAYGROUND = " (playground)"
CONNECTED = " (connected application)"
MOST = 32
"""Keys of one name that are searched for: each is a stream of a page (see paging.py)."""


def names(connection: Connection, makers: Iterable[str]) -> dict[str, str]:
    """Returns id → name of these keys and connected applications, deleted ones included, and users."""
    ids = sorted(set(makers))
    keys = connection.execute(select(api_keys.c.id, api_keys.c.name).where(api_keys.c.id.in_(ids)))
    people = connection.execute(select(users.c.id, users.c.name).where(users.c.id.in_(ids)))
    apps = select(oauth_connections.c.id, oauth_connections.c.client_name).where(oauth_connections.c.id.in_(ids))
    named_apps = {row.id: (row.client_name or "unnamed") + CONNECTED for row in connection.execute(apps)}
    return named_apps | {row.id: row.name for row in keys} | {row.id: row.name + IN_PLAYGROUND for row in people}


def beginning(connection: Connection, prefix: str, *, scope: Collection[str] | None, limit: int) -> list[str]:
    """Returns the first names of keys, then of users, that begin with a text."""
    keys, _ = key_records.page(connection, scope=scope, prefix=prefix, limit=limit)
    people = select(users.c.name).where(name_pages.begins_with(users, prefix))
    if scope is not None:
        members = select(memberships.c.user_id).where(memberships.c.tenant_id.in_(scope))
        people = people.where(users.c.id.in_(members))
    found = list(dict.fromkeys(one.key.name for one in keys))
    if len(found) < limit:
        rows = connection.execute(people.order_by(users.c.folded, users.c.id).limit(limit - len(found))).scalars()
        found += [name + IN_PLAYGROUND for name in rows]
    return found


def named(connection: Connection, text: str) -> frozenset[str]:
    """Returns the ids of what goes by a name or an id; of nothing that does, the text itself, which no job has."""
    if text.startswith(("app_", "key_", "usr_")):
        return frozenset({text})
    if text.endswith(")") and " (deleted key_" in text:  # as api_keys.delete_key names it
        return frozenset({text.rpartition(" (deleted ")[2][:-1]})
    if text.endswith(IN_PLAYGROUND):
        query = select(users.c.id).where(users.c.name == text.removesuffix(IN_PLAYGROUND))
    else:
        query = select(api_keys.c.id).where(IS_KEPT, api_keys.c.folded == func.lower(literal(text)))
    return frozenset(connection.execute(query.limit(MOST)).scalars()) or frozenset({text})
