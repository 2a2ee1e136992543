"""One-time links in SQL: only the hash of their token."""

import secrets

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, update

from imgen.domain.errors import Invalid
from imgen.domain.one_time_link import LIFETIME_S, LinkKind, OneTimeLink
from imgen.records.database import locked_in_order
from imgen.records.tables.users import one_time_links

MAX_OPEN = 100
"""Open invitations of a tenant, or open resets of a user."""
KEPT_S = 30 * 86_400
"""Time that a link stays in SQL after it has expired."""
_GONE = "This link was used, revoked or has expired; ask for another one"


def add(
    connection: Connection,
    token_hash: str,
    kind: LinkKind,
    *,
    tenant_id: str = "",
    role: str = "",
    user_id: str = "",
    made_by: str,
    now: float,
) -> OneTimeLink:
    """Stores a new link, and deletes those that expired long ago.

    Raises:
        Invalid: too many links of this tenant or user are open.
    """
    old = locked_in_order(one_time_links.c.id, one_time_links.c.expires_at < now - KEPT_S)
    connection.execute(delete(one_time_links).where(one_time_links.c.id.in_(old)))
    of_same = one_time_links.c.tenant_id == tenant_id, one_time_links.c.user_id == user_id
    count = select(func.count()).where(one_time_links.c.kind == kind, *of_same, *_open(now))
    if connection.execute(count).scalar_one() >= MAX_OPEN:
        raise Invalid(f"There are {MAX_OPEN} open links already; revoke some, or wait until they expire")
    link = OneTimeLink(
        id="lnk_" + secrets.token_hex(8),
        kind=kind,
        tenant_id=tenant_id,
        role=role,
        user_id=user_id,
        made_by=made_by,
        created_at=now,
        expires_at=now + LIFETIME_S,
    )
    row = {name: getattr(link, name) for name in OneTimeLink.__struct_fields__}
    connection.execute(insert(one_time_links).values(token_hash=token_hash, **row))
    return link


def find_open(connection: Connection, token_hash: str, kind: LinkKind, *, now: float) -> OneTimeLink:
    """Finds a link that can be used.

    Raises:
        Invalid: there is none; the message is the same for an unknown one.
    """
    wanted = one_time_links.c.token_hash == token_hash, one_time_links.c.kind == kind
    row = connection.execute(select(one_time_links).where(*wanted, *_open(now))).first()
    if row is None:
        raise Invalid(_GONE)
    return _link(row)


def use(connection: Connection, link: OneTimeLink, *, used_by: str, now: float) -> None:
    """Uses a link up, in the transaction of what it is for. Of several at once one succeeds.

    Raises:
        Invalid: it was used or revoked meanwhile.
    """
    mine = update(one_time_links).where(one_time_links.c.id == link.id, *_open(now))
    if connection.execute(mine.values(ended_at=now, used_by=used_by)).rowcount != 1:
        raise Invalid(_GONE)


def open_invitations(connection: Connection, tenant_id: str, *, now: float) -> list[OneTimeLink]:
    """Lists the invitations to a tenant that can be used, newest first."""
    of_tenant = one_time_links.c.tenant_id == tenant_id, one_time_links.c.kind == LinkKind.INVITATION
    query = select(one_time_links).where(*of_tenant, *_open(now)).order_by(one_time_links.c.created_at.desc())
    return [_link(row) for row in connection.execute(query)]


def revoke_invitation(connection: Connection, tenant_id: str, link_id: str, *, now: float) -> None:
    """Revokes an invitation to a tenant.

    Raises:
        Invalid: the tenant has no such open invitation.
    """
    if not _end(connection, one_time_links.c.tenant_id == tenant_id, one_time_links.c.id == link_id, now=now):
        raise Invalid("There is no such open invitation")


def revoke_made_by(connection: Connection, user_id: str, *, tenant_id: str = "", now: float) -> None:
    """Revokes the open links that a user made: to one tenant, or all."""
    of_tenant = (one_time_links.c.tenant_id == tenant_id,) if tenant_id else ()
    _end(connection, one_time_links.c.made_by == user_id, *of_tenant, now=now)


def revoke_resets(connection: Connection, user_id: str, *, now: float) -> None:
    """Revokes the open links that reset a user's password."""
    _end(connection, one_time_links.c.user_id == user_id, now=now)


def _end(connection: Connection, *conditions: ColumnElement[bool], now: float) -> int:
    ended = locked_in_order(one_time_links.c.id, *conditions, *_open(now))
    return connection.execute(
        update(one_time_links).where(one_time_links.c.id.in_(ended)).values(ended_at=now)
    ).rowcount


def _open(now: float) -> tuple[ColumnElement[bool], ...]:
    return one_time_links.c.ended_at.is_(None), one_time_links.c.expires_at > now


def _link(row: Row[tuple[object, ...]]) -> OneTimeLink:
    values = {name: getattr(row, name) for name in OneTimeLink.__struct_fields__}
    return OneTimeLink(**values | {"kind": LinkKind(row.kind)})
