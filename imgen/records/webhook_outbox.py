"""Deliveries of webhooks in SQL: written with a job's end, claimed for a try, settled by its result.

A claim moves `next_at` behind the try's longest time, so that a dispatcher that dies leaves nothing behind; a result counts only
with the claim's own `fence`.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct, structs
from sqlalchemy import Connection, RowMapping, Select, func, insert, literal, select, update

from imgen.domain.job import Job
from imgen.domain.webhook import (
    EVENT_OF,
    TEST_EVENT,
    Attempt,
    Delivery,
    DeliveryState,
    Endpoint,
    delivery_id_prefix,
    new_test_id,
)
from imgen.records import clock, webhooks
from imgen.records.tables.webhooks import webhook_attempts, webhook_deliveries, webhook_endpoints

CANDIDATES = 200
"""Due deliveries that a claim looks at."""
OWN = "url"
"""End of the id of a delivery to the job's own address."""


class Load(Struct, frozen=True, kw_only=True):
    """Tries that are under way in one dispatcher, and their limits."""

    most: int
    """Tries at once."""
    most_of_tenant: int
    most_of_target: int
    tenants: Mapping[str, int]
    targets: Mapping[str, int]
    paused: Collection[str] = ()
    """Targets that are left alone for a while."""

    @property
    def room(self) -> int:
        """Number of tries that may begin."""
        return self.most - sum(self.targets.values())


def add(connection: Connection, ended: Job) -> None:
    """Writes the deliveries of a job's end: one for each endpoint of its tenant that wants the event, one for its own address."""
    event, prefix = EVENT_OF[ended.state], delivery_id_prefix(ended.id)
    common = {
        "tenant_id": ended.tenant_id,
        "job_id": ended.id,
        "event": event,
        "state": DeliveryState.WAITING.value,
        "next_at": ended.ended_at,
        "created_at": ended.ended_at,
    }
    endpoint = webhook_endpoints.c
    wanted = select(
        literal(prefix) + func.substr(endpoint.id, len("whe_") + 1),
        endpoint.id,
        endpoint.id,
        literal(""),
        *map(literal, common.values()),
    ).where(endpoint.tenant_id == ended.tenant_id, endpoint.enabled, endpoint.events.contains(f" {event} "))
    names = ("id", "endpoint_id", "target", "url", *common)
    connection.execute(insert(webhook_deliveries).from_select(names, wanted))
    if ended.webhook_url:
        parts = urlsplit(ended.webhook_url)
        own = {
            "id": prefix + OWN,
            "endpoint_id": "",
            "url": ended.webhook_url,
            "target": f"{ended.tenant_id} {parts.scheme}://{parts.netloc}",
        }
        connection.execute(insert(webhook_deliveries).values(**own, **common))


def add_test(connection: Connection, endpoint: Endpoint) -> str:
    """Writes the delivery of a test to an endpoint; returns its id."""
    now = clock.at()
    values = {
        "id": new_test_id(),
        "tenant_id": endpoint.tenant_id,
        "job_id": "",
        "event": TEST_EVENT,
        "endpoint_id": endpoint.id,
        "url": "",
        "target": endpoint.id,
        "state": DeliveryState.WAITING.value,
        "next_at": now,
        "created_at": now,
    }
    connection.execute(insert(webhook_deliveries).values(values))
    return str(values["id"])


def due_in_s(connection: Connection, load: Load) -> float | None:
    """Returns the seconds until the first delivery is due that `claim` could take, none left: it is; None: none waits."""
    left = (webhook_deliveries.c.next_at - clock.at()).label("left_s")
    row = connection.execute(_waiting(load).add_columns(left).limit(1)).first()
    return None if row is None else max(0.0, row.left_s)


def claim(connection: Connection, load: Load, *, lease_s: float, now: float | None = None) -> list[Delivery]:
    """Claims due deliveries within the limits, oldest first, each for one try."""
    delivery, time = webhook_deliveries.c, clock.at(now)
    due = _waiting(load).where(delivery.next_at <= time).limit(CANDIDATES).with_for_update(skip_locked=True)
    found = connection.execute(due).all()
    targets, tenants, ids = Counter(load.targets), Counter(load.tenants), list[str]()
    for row in found:
        has_room = targets[row.target] < load.most_of_target and tenants[row.tenant_id] < load.most_of_tenant
        if has_room and len(ids) < load.room:
            targets[row.target] += 1
            tenants[row.tenant_id] += 1
            ids.append(row.id)
    if not ids:
        return []
    taken = connection.execute(
        update(webhook_deliveries)
        .where(delivery.id.in_(ids), delivery.ended_at.is_(None), delivery.next_at <= time)
        .values(attempts=delivery.attempts + 1, fence=delivery.fence + 1, next_at=time + lease_s)
        .returning(*delivery)
    )
    return sorted(map(delivery_of, taken.mappings()), key=lambda one: one.created_at)


def settle(
    connection: Connection,
    delivery: Delivery,
    attempt: Attempt,
    *,
    state: DeliveryState,
    pause_s: float = 0,
    switch_off: str = "",
) -> bool:
    """Records the result of a try.

    Args:
        connection: a writing one.
        delivery: as claimed.
        attempt: the try.
        state: `WAITING`: it is tried again after the pause.
        pause_s: until the next try.
        switch_off: reason to switch the endpoint off; empty: none.

    Returns:
        False: the claim was lost to another one, and nothing is recorded.
    """
    ended_at = None if state is DeliveryState.WAITING else clock.at()
    if not _change(
        connection,
        delivery,
        state=state,
        next_at=clock.at() + pause_s,
        ended_at=ended_at,
        status=attempt.status,
        reason=attempt.reason,
    ):
        return False
    connection.execute(
        insert(webhook_attempts).values(delivery_id=delivery.id, number=delivery.fence, **structs.asdict(attempt))
    )
    if state is DeliveryState.DELIVERED and delivery.endpoint_id:
        endpoint = webhook_endpoints.c.id == delivery.endpoint_id
        connection.execute(update(webhook_endpoints).where(endpoint).values(delivered_at=attempt.at))
    if switch_off:
        webhooks.switch_endpoint(connection, delivery.endpoint_id, enabled=False, reason=switch_off)
    return True


def put_back(connection: Connection, delivery: Delivery, *, pause_s: float) -> None:
    """Undoes a claim whose try could not be made; it counts as none."""
    _change(connection, delivery, attempts=delivery.attempts - 1, next_at=clock.at() + pause_s)


def end(connection: Connection, delivery: Delivery, state: DeliveryState, reason: str) -> None:
    """Ends a claimed delivery without a try."""
    _change(connection, delivery, state=state, ended_at=clock.at(), reason=reason)


def delivery_of(row: RowMapping) -> Delivery:
    """Makes a delivery of its row."""
    fields = {name: row[name] for name in Delivery.__struct_fields__}
    return Delivery(**fields | {"state": DeliveryState(row["state"])})


def _change(connection: Connection, delivery: Delivery, **values: object) -> bool:
    row = webhook_deliveries.c
    own = row.id == delivery.id, row.fence == delivery.fence, row.ended_at.is_(None)
    return connection.execute(update(webhook_deliveries).where(*own).values(**values)).rowcount == 1


def _waiting(load: Load) -> Select[Any]:
    """Selects what waits, the first due first, without targets and tenants that have all their tries: they would hide others."""
    row = webhook_deliveries.c
    targets = {name for name, number in load.targets.items() if number >= load.most_of_target} | set(load.paused)
    tenants = [name for name, number in load.tenants.items() if number >= load.most_of_tenant]
    query = select(row.id, row.target, row.tenant_id).where(row.ended_at.is_(None))
    if targets:
        query = query.where(row.target.not_in(targets))
    if tenants:
        query = query.where(row.tenant_id.not_in(tenants))
    return query.order_by(row.next_at)
