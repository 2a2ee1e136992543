"""Endpoints of tenants in SQL, and tenants' own secrets. Deliveries are in webhook_outbox.py."""

from collections.abc import Collection, Iterable

from pydantic import SecretStr
from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from imgen.domain.errors import Invalid
from imgen.domain.webhook import OVERLAP_S, DeliveryState, Endpoint, Secrets, new_endpoint_id, new_secret
from imgen.records import clock, tenants
from imgen.records.database import dialect_insert
from imgen.records.tables.webhooks import webhook_deliveries, webhook_endpoints, webhook_secrets

MAX_ENDPOINTS = 20
"""Endpoints of one tenant; each is a row with every end of a job."""


def add_endpoint(
    connection: Connection, *, tenant_id: str, url: str, events: Collection[str], now: float | None = None
) -> Endpoint:
    """Registers an endpoint, with a new secret.

    Raises:
        Invalid: the tenant has it already, or as many as it may have.
    """
    known = endpoints_of(connection, [tenant_id])
    if len(known) >= MAX_ENDPOINTS:
        raise Invalid(f"A tenant has at most {MAX_ENDPOINTS} endpoints")
    if url in (one.url for one in known):
        raise Invalid("The tenant has this endpoint already")
    values = {
        "id": new_endpoint_id(),
        "tenant_id": tenant_id,
        "url": url,
        "events": _written(events),
        "secret": new_secret().get_secret_value(),
        "enabled": True,
        "created_at": clock.at(now),
    }
    made = connection.execute(insert(webhook_endpoints).values(values).returning(*webhook_endpoints.c))
    return _endpoint(made.mappings().one())


def endpoints_of(
    connection: Connection, tenant_ids: Iterable[str] | None, *, limit: int | None = None
) -> list[Endpoint]:
    """Lists the endpoints of tenants, oldest first; None: of all. `limit` is the most of them."""
    query = select(webhook_endpoints).order_by(webhook_endpoints.c.created_at, webhook_endpoints.c.id).limit(limit)
    if tenant_ids is not None:
        query = query.where(webhook_endpoints.c.tenant_id.in_(list(tenant_ids)))
    return [_endpoint(row) for row in connection.execute(query).mappings()]


def find_endpoint(connection: Connection, endpoint_id: str) -> Endpoint | None:
    """Finds an endpoint; None: there is none of that id."""
    row = connection.execute(select(webhook_endpoints).where(webhook_endpoints.c.id == endpoint_id)).mappings().first()
    return None if row is None else _endpoint(row)


def switch_endpoint(connection: Connection, endpoint_id: str, *, enabled: bool, reason: str = "") -> bool:
    """Switches an endpoint on or off; with one that goes off, its waiting deliveries end as dead.

    Returns False: it was so already, or is gone.
    """
    found = connection.execute(
        update(webhook_endpoints)
        .where(webhook_endpoints.c.id == endpoint_id, webhook_endpoints.c.enabled.is_not(enabled))
        .values(enabled=enabled, reason=reason)
    )
    if found.rowcount and not enabled:
        _end_waiting(connection, endpoint_id, DeliveryState.DEAD, reason)
    return found.rowcount == 1


def rotate_endpoint(connection: Connection, endpoint_id: str) -> SecretStr:
    """Gives an endpoint a new secret; the old one signs beside it for OVERLAP_S."""
    secret = new_secret()
    connection.execute(
        update(webhook_endpoints)
        .where(webhook_endpoints.c.id == endpoint_id)
        .values(
            secret=secret.get_secret_value(),
            old_secret=webhook_endpoints.c.secret,
            old_until=clock.at() + OVERLAP_S,
        )
    )
    return secret


def delete_endpoint(connection: Connection, endpoint_id: str) -> None:
    """Deletes an endpoint; its waiting deliveries end as cancelled."""
    connection.execute(delete(webhook_endpoints).where(webhook_endpoints.c.id == endpoint_id))
    _end_waiting(connection, endpoint_id, DeliveryState.CANCELLED, "The endpoint was removed")


def tenant_secrets(connection: Connection, tenant_id: str) -> Secrets:
    """Returns a tenant's own secrets, made at first use.

    Raises:
        TenantClosed: the tenant was deleted.
    """
    row = _find_secret(connection, tenant_id)
    if row is None:
        tenants.require(connection, tenant_id)
        made = {"tenant_id": tenant_id, "secret": new_secret().get_secret_value(), "created_at": clock.at()}
        connection.execute(dialect_insert(connection, webhook_secrets).values(made).on_conflict_do_nothing())
        row = _find_secret(connection, tenant_id)
        assert row is not None
    return _secrets(row)


def secret_shown_at(connection: Connection, tenant_id: str) -> float | None:
    """Returns the time at which a tenant's own secret was shown; None: it was not."""
    row = _find_secret(connection, tenant_id)
    return None if row is None else row["shown_at"]


def show_tenant_secret(connection: Connection, tenant_id: str, *, new: bool) -> SecretStr:
    """Returns a tenant's own secret for its only showing, or a new one; the old one then signs beside it for OVERLAP_S.

    Raises:
        Invalid: it was shown before, and no new one is wanted.
    """
    secret = tenant_secrets(connection, tenant_id).current
    is_own = webhook_secrets.c.tenant_id == tenant_id
    if secret_shown_at(connection, tenant_id) is not None:
        if not new:
            raise Invalid("The secret was shown already; it can be replaced by a new one")
        secret = new_secret()
        replaced = {"old_secret": webhook_secrets.c.secret, "old_until": clock.at() + OVERLAP_S}
        connection.execute(update(webhook_secrets).where(is_own).values(secret=secret.get_secret_value(), **replaced))
    connection.execute(update(webhook_secrets).where(is_own).values(shown_at=clock.at()))
    return secret


def _end_waiting(connection: Connection, endpoint_id: str, state: DeliveryState, reason: str) -> None:
    waiting = webhook_deliveries.c.endpoint_id == endpoint_id, webhook_deliveries.c.ended_at.is_(None)
    connection.execute(
        update(webhook_deliveries).where(*waiting).values(state=state, ended_at=clock.at(), reason=reason)
    )


def _find_secret(connection: Connection, tenant_id: str) -> RowMapping | None:
    query = select(webhook_secrets).where(webhook_secrets.c.tenant_id == tenant_id)
    return connection.execute(query).mappings().first()


def _secrets(row: RowMapping) -> Secrets:
    return Secrets(
        current=SecretStr(row["secret"]), previous=SecretStr(row["old_secret"]), previous_until=row["old_until"]
    )


def _written(events: Collection[str]) -> str:
    return f" {' '.join(events)} "


def _endpoint(row: RowMapping) -> Endpoint:
    return Endpoint(
        id=row["id"],
        tenant_id=row["tenant_id"],
        url=row["url"],
        events=tuple(row["events"].split()),
        secrets=_secrets(row),
        enabled=row["enabled"],
        reason=row["reason"],
        created_at=row["created_at"],
        delivered_at=row["delivered_at"],
    )
