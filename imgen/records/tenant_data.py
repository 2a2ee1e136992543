"""Data of a tenant in SQL, page by page, for its export: no secret, no hash, nothing of others."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Column, ColumnElement, Connection, Select, func, select, tuple_

from imgen.domain.job import Job
from imgen.records.job_rows import listed
from imgen.records.tables.accounts import api_keys
from imgen.records.tables.jobs import jobs
from imgen.records.tables.ledger import counters, ledger, packs
from imgen.records.tables.oauth import oauth_connections
from imgen.records.tables.users import memberships, users
from imgen.records.tables.webhooks import webhook_endpoints


class Listing(NamedTuple):
    """Rows of one kind."""

    query: Select[Any]
    """Columns to tell, with those of `order` among them."""
    owner: Column[Any]
    order: tuple[Column[Any], ...]
    """Columns that are unique together within a tenant, by which an index gives the rows."""


def _of(
    table: Any, names: str, owner: Column[Any], *order: Column[Any], where: ColumnElement[bool] | None = None
) -> Listing:
    query = select(*(table.c[name] for name in names.split()))
    return Listing(query if where is None else query.where(where), owner, order)


_MEMBERS = select(memberships.c.user_id, users.c.name, memberships.c.role)
LISTINGS: Mapping[str, Listing] = {
    "members": Listing(
        _MEMBERS.join(users, users.c.id == memberships.c.user_id), memberships.c.tenant_id, (memberships.c.user_id,)
    ),
    "keys": _of(
        api_keys,
        "id name prefix scopes enabled created_at last_used_at expires_at",
        api_keys.c.tenant_id,
        api_keys.c.name,
        where=api_keys.c.deleted_at.is_(None),
    ),
    "applications": _of(
        oauth_connections,
        "id user_id client_id client_name scopes created_at used_at",
        oauth_connections.c.tenant_id,
        oauth_connections.c.id,
        where=oauth_connections.c.revoked_at.is_(None),
    ),
    "webhooks": _of(
        webhook_endpoints,
        "id url events enabled reason created_at",
        webhook_endpoints.c.tenant_id,
        webhook_endpoints.c.id,
    ),
    "packs": _of(
        packs, "id name credits held used reference granted_at", packs.c.tenant_id, packs.c.granted_at, packs.c.id
    ),
    "ledger": _of(
        ledger,
        "job_id kind key_id pictures credits plan_credits at",
        ledger.c.tenant_id,
        ledger.c.at,
        ledger.c.job_id,
        ledger.c.kind,
    ),
    "usage": _of(
        counters, "period requests held pictures credits_held credits plan_credits", counters.c.owner, counters.c.period
    ),
}
"""Name of the file → its rows."""


def page(
    connection: Connection, listing: Listing, tenant_id: str, *, after: tuple[Any, ...] | None, limit: int
) -> tuple[list[dict[str, Any]], tuple[Any, ...] | None]:
    """Reads rows of a tenant, and the place of the next page; None: there is none."""
    query = listing.query.where(listing.owner == tenant_id).order_by(*listing.order).limit(limit)
    if after is not None:
        query = query.where(tuple_(*listing.order) > tuple_(*after))
    rows = [dict(row) for row in connection.execute(query).mappings()]
    full = len(rows) == limit
    return rows, tuple(rows[-1][column.name] for column in listing.order) if full else None


def count_jobs(connection: Connection, tenant_id: str) -> int:
    """Counts the jobs of a tenant."""
    return connection.execute(select(func.count()).where(jobs.c.tenant_id == tenant_id)).scalar_one()


def jobs_page(
    connection: Connection, tenant_id: str, *, until: float, after: tuple[float, str] | None, limit: int
) -> list[Job]:
    """Reads jobs of a tenant that were made until a time, oldest first, from after (created_at, id) on.

    Parts of a row that cannot be read are empty.
    """
    query = select(jobs).where(jobs.c.tenant_id == tenant_id, jobs.c.created_at <= until)
    if after is not None:
        query = query.where(tuple_(jobs.c.created_at, jobs.c.id) > after)
    rows = connection.execute(query.order_by(jobs.c.created_at, jobs.c.id).limit(limit)).mappings()
    return [listed(row) for row in rows]
