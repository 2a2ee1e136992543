"""Log of webhooks in SQL: deliveries by tenant with their tries, sending again, and the end of what is old."""

from collections.abc import Iterable

from msgspec import Struct
from sqlalchemy import Connection, delete, literal, or_, select, tuple_, update

from imgen.domain.webhook import Attempt, Delivery, DeliveryState
from imgen.records import clock
from imgen.records.tables.webhooks import webhook_attempts, webhook_deliveries, webhook_endpoints
from imgen.records.webhook_outbox import delivery_of

SWEPT_AT_ONCE = 1000


class Page(Struct, frozen=True, kw_only=True):
    """Page of deliveries, newest first."""

    deliveries: list[Delivery]
    before: str
    """Id of the last one, for the next page; empty: there is none."""


def page(
    connection: Connection,
    tenant_ids: Iterable[str] | None,
    *,
    limit: int,
    before: str = "",
    state: DeliveryState | None = None,
) -> Page:
    """Lists deliveries of tenants, newest first; None: of all.

    Args:
        connection: a reading one.
        tenant_ids: None: all.
        limit: most rows.
        before: id of the last delivery of the page before; empty: the first page.
        state: None: any.
    """
    row = webhook_deliveries.c
    query = select(webhook_deliveries).order_by(row.created_at.desc(), row.id.desc()).limit(limit + 1)
    if tenant_ids is not None:
        query = query.where(row.tenant_id.in_(list(tenant_ids)))
    if state is not None:
        query = query.where(row.state == state)
    if before:
        place = select(row.created_at).where(row.id == before).scalar_subquery()
        query = query.where(tuple_(row.created_at, row.id) < tuple_(place, literal(before)))
    found = [delivery_of(one) for one in connection.execute(query).mappings()]
    return Page(deliveries=found[:limit], before=found[limit - 1].id if len(found) > limit else "")


def find(connection: Connection, delivery_id: str) -> Delivery | None:
    """Finds a delivery; None: there is none of that id."""
    row = (
        connection.execute(select(webhook_deliveries).where(webhook_deliveries.c.id == delivery_id)).mappings().first()
    )
    return None if row is None else delivery_of(row)


def attempts(connection: Connection, delivery_ids: Iterable[str]) -> dict[str, list[Attempt]]:
    """Returns delivery id → its tries in their order."""
    tries = webhook_attempts.c
    query = select(webhook_attempts).where(tries.delivery_id.in_(list(delivery_ids)))
    found: dict[str, list[Attempt]] = {}
    for row in connection.execute(query.order_by(tries.delivery_id, tries.number)).mappings():
        one = Attempt(**{name: row[name] for name in Attempt.__struct_fields__})
        found.setdefault(row["delivery_id"], []).append(one)
    return found


def resend(connection: Connection, delivery_id: str) -> bool:
    """Sends an ended delivery again, with the same id and all its tries. False: it waits already, or was cancelled."""
    row = webhook_deliveries.c
    again = row.state.in_([DeliveryState.DEAD, DeliveryState.DELIVERED])
    found = connection.execute(
        update(webhook_deliveries)
        .where(row.id == delivery_id, again)
        .values(state=DeliveryState.WAITING, attempts=0, next_at=clock.at(), ended_at=None)
    )
    return found.rowcount == 1


def resend_dead(connection: Connection, tenant_id: str, *, endpoint_id: str | None = None) -> int:
    """Sends all dead deliveries of a tenant, or of one endpoint, again, if their endpoint is on; returns their number."""
    row = webhook_deliveries.c
    on = select(webhook_endpoints.c.id).where(webhook_endpoints.c.tenant_id == tenant_id, webhook_endpoints.c.enabled)
    is_reachable = or_(row.endpoint_id == "", row.endpoint_id.in_(on))
    dead = [row.tenant_id == tenant_id, row.state == DeliveryState.DEAD, is_reachable]
    if endpoint_id is not None:
        dead.append(row.endpoint_id == endpoint_id)
    again = {"state": DeliveryState.WAITING, "attempts": 0, "next_at": clock.at(), "ended_at": None}
    return connection.execute(update(webhook_deliveries).where(*dead).values(**again)).rowcount


def delete_ended(connection: Connection, *, ended_before: float) -> int:
    """Deletes some of the deliveries that ended before a time, with their tries; returns their number."""
    row = webhook_deliveries.c
    old = select(row.id).where(row.ended_at.is_not(None), row.ended_at < ended_before).order_by(row.ended_at)
    ids = connection.execute(old.limit(SWEPT_AT_ONCE)).scalars().all()
    if ids:
        connection.execute(delete(webhook_attempts).where(webhook_attempts.c.delivery_id.in_(ids)))
        connection.execute(delete(webhook_deliveries).where(row.id.in_(ids)))
    return len(ids)
