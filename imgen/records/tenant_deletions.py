"""Deletions of tenants in SQL: the closing in one short transaction, then the rows piece by piece, and the progress.

With the closing the tenant's own row is gone, so its name is free, and whatever makes something for it is refused: see
`tenants.require`. Ledger, sums, packs, spending and audit stay. Pieces are found by indexes and may be repeated.
"""

import contextlib
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct
from sqlalchemy import Column, ColumnElement, Connection, Table, delete, exists, insert, select, true, tuple_, update

from imgen.domain.account import Tenant
from imgen.domain.errors import UnreadableRow
from imgen.domain.job import ENDED, OPEN, Job
from imgen.records import clock, job_transitions, retention, users
from imgen.records.database import locked_in_order
from imgen.records.tables.accounts import api_keys, tenants
from imgen.records.tables.answers import awaited_answers
from imgen.records.tables.cache import cache_entries, cache_lookups
from imgen.records.tables.deletions import tenant_deletions
from imgen.records.tables.engines import engine_calls
from imgen.records.tables.events import event_numbers, job_events
from imgen.records.tables.idempotency import idempotency_keys
from imgen.records.tables.jobs import jobs
from imgen.records.tables.ledger import ledger
from imgen.records.tables.oauth import oauth_codes, oauth_connections, oauth_tokens
from imgen.records.tables.picture_records import picture_records
from imgen.records.tables.uploads import uploads
from imgen.records.tables.users import memberships, one_time_links
from imgen.records.tables.webhooks import webhook_attempts, webhook_deliveries, webhook_endpoints, webhook_secrets

AT_CLOSING = (
    api_keys, one_time_links, memberships, webhook_endpoints, webhook_secrets, oauth_connections, oauth_codes, oauth_tokens,
)  # fmt: skip
"""Tables of a tenant that its closing empties: they let people and programs in, or send something out."""
ROWS: Mapping[str, tuple[Table, Column[Any]]] = {
    "webhook messages": (webhook_deliveries, webhook_deliveries.c.tenant_id),
    "events": (job_events, job_events.c.tenant_id),
    "idempotency keys": (idempotency_keys, idempotency_keys.c.owner),
    "awaited answers": (awaited_answers, awaited_answers.c.tenant_id),
    "uploads": (uploads, uploads.c.tenant_id),
    "records of pictures": (picture_records, picture_records.c.tenant_id),
    "calls of engines": (engine_calls, engine_calls.c.tenant_id),
    "days of the cache": (cache_lookups, cache_lookups.c.tenant_id),
    "numbers of events": (event_numbers, event_numbers.c.tenant_id),
    **{table.name: (table, table.c.tenant_id) for table in AT_CLOSING},
}
"""Name for people → table and its column of the tenant; those of the closing once more, for what was written at that moment."""
AFTER_S = (60.0, 900.0, 86_400.0)
"""Pauses before the passes that follow the first clean one: for requests under way, for workers, whose tasks end within that
time, and for processes that were stopped for long."""
RETRY_S = 30.0
"""Pause after a pass that could not delete everything."""


class Closed(NamedTuple):
    """Result of a closing."""

    key_ids: list[str]
    people: list[str]
    """Names of the people who are removed with it."""


class TenantDeletion(Struct, frozen=True, kw_only=True):
    """Deletion under way."""

    tenant_id: str
    name: str
    """The tenant's name, which another one may have by now."""
    begun_by: str
    """Actor, as the audit has it."""
    begun_at: float
    counts: dict[str, int]
    """Kind → number deleted so far."""
    emptied_at: float | None
    """End of the first pass after which nothing was left."""
    passes: int
    """Passes after that."""


def close(connection: Connection, tenant: Tenant, *, begun_by: str, with_people: bool, now: float) -> Closed:
    """Closes a tenant for good: its keys, members, links, endpoints and its own row go, and the mark is set.

    Args:
        connection: a transaction; afterwards nobody acts for the tenant, and the rest may follow at any time.
        tenant: any but that of anonymous callers.
        begun_by: actor for the audit.
        with_people: whether members who belong to no other tenant are removed, too; administrators are not.
        now: Unix time.
    """
    connection.execute(select(tenants.c.id).where(tenants.c.id == tenant.id).with_for_update())
    key_ids = list(connection.execute(select(api_keys.c.id).where(api_keys.c.tenant_id == tenant.id)).scalars())
    people = _only_here(connection, tenant.id) if with_people else []
    for user_id in people:
        user = users.find_user_by_id(connection, user_id)
        if user is not None:
            users.remove(connection, user)
    for table in AT_CLOSING:
        connection.execute(delete(table).where(table.c.tenant_id == tenant.id))
    connection.execute(delete(tenants).where(tenants.c.id == tenant.id))
    row = {"tenant_id": tenant.id, "name": tenant.name, "begun_by": begun_by, "begun_at": now, "counts": "{}"}
    connection.execute(insert(tenant_deletions).values(**row, next_at=clock.at()))
    return Closed(key_ids, people)


def due(connection: Connection, *, tenant_id: str | None = None, now: float | None = None) -> list[TenantDeletion]:
    """Lists the deletions whose next pass is due, oldest first; or that of one tenant, due or not."""
    columns = (tenant_deletions.c[name] for name in TenantDeletion.__struct_fields__)
    query = select(*columns).order_by(tenant_deletions.c.begun_at)
    is_wanted = tenant_deletions.c.next_at <= clock.at(now)
    if tenant_id is not None:
        is_wanted = tenant_deletions.c.tenant_id == tenant_id
    rows = connection.execute(query.where(is_wanted)).mappings()
    return [TenantDeletion(**dict(row) | {"counts": msgspec.json.decode(row["counts"])}) for row in rows]


def under_way(connection: Connection, *, limit: int) -> list[TenantDeletion]:
    """Lists the latest deletions whose tenants still have something."""
    columns = (tenant_deletions.c[name] for name in TenantDeletion.__struct_fields__)
    query = select(*columns).where(tenant_deletions.c.emptied_at.is_(None))
    rows = connection.execute(query.order_by(tenant_deletions.c.begun_at.desc()).limit(limit)).mappings()
    return [TenantDeletion(**dict(row) | {"counts": msgspec.json.decode(row["counts"])}) for row in rows]


def count(connection: Connection, tenant_id: str, kind: str, number: int) -> None:
    """Adds to the numbers of a deletion, in the transaction that deletes."""
    wanted = tenant_deletions.c.tenant_id == tenant_id
    counts = connection.execute(select(tenant_deletions.c.counts).where(wanted).with_for_update()).scalar()
    if number and counts is not None:
        told = msgspec.json.decode(counts, type=dict[str, int])
        told[kind] = told.get(kind, 0) + number
        change = update(tenant_deletions).where(wanted)
        connection.execute(change.values(counts=msgspec.json.encode(told).decode()))


def cancel_open(connection: Connection, tenant_id: str, *, after: str, limit: int) -> tuple[list[Job], str]:
    """Cancels some of a tenant's open jobs, by id, from after that id on; nobody is told of their ends by a webhook.

    Those that a newer version wrote are left to that version.

    Returns:
        The jobs, and the id to go on after; empty: there are no more.
    """
    own = jobs.c.tenant_id == tenant_id, jobs.c.state.in_(OPEN), jobs.c.id > after
    found = connection.execute(locked_in_order(jobs.c.id, *own).limit(limit)).scalars().all()
    connection.execute(update(jobs).where(jobs.c.id.in_(found)).values(webhook_url=""))
    ended = []
    for job_id in found:
        with contextlib.suppress(UnreadableRow):
            ended.append(job_transitions.cancel(connection, job_id, tenant_id))
    count(connection, tenant_id, "jobs cancelled", len(ended))
    return ended, found[-1] if len(found) == limit else ""


def has_open(connection: Connection, tenant_id: str) -> bool:
    """Returns whether a tenant has open jobs."""
    own = jobs.c.tenant_id == tenant_id, jobs.c.state.in_(OPEN)
    return connection.execute(select(jobs.c.id).where(*own).limit(1)).first() is not None


def ended_jobs(connection: Connection, tenant_id: str, *, limit: int) -> dict[str, str]:
    """Finds some of a tenant's ended jobs; returns id → model."""
    own = jobs.c.tenant_id == tenant_id, jobs.c.state.in_(ENDED)
    return {row.id: row.model for row in connection.execute(select(jobs.c.id, jobs.c.model).where(*own).limit(limit))}


def delete_jobs(connection: Connection, tenant_id: str, job_ids: Collection[str]) -> None:
    """Deletes ended jobs with their stars and inputs."""
    retention.delete_jobs(connection, job_ids)
    count(connection, tenant_id, "jobs", len(job_ids))


def jobs_among(connection: Connection, tenant_id: str, job_ids: Collection[str]) -> set[str]:
    """Returns those ids that are of a tenant's jobs, by the ledger, which outlives them."""
    query = select(ledger.c.job_id).where(
        ledger.c.job_id.in_(job_ids), ledger.c.kind == "hold", ledger.c.tenant_id == tenant_id
    )
    return set(connection.execute(query).scalars())


def purge_entries(connection: Connection, tenant_id: str, *, after: str, limit: int, now: float) -> list[str]:
    """Purges some of a tenant's entries of the semantic cache, by id, from after that id on: nobody gets them from now on."""
    own = cache_entries.c.tenant_id == tenant_id, cache_entries.c.id > after
    found = connection.execute(locked_in_order(cache_entries.c.id, *own).limit(limit)).scalars().all()
    fresh = cache_entries.c.id.in_(found), cache_entries.c.purged_at.is_(None)
    connection.execute(update(cache_entries).where(*fresh).values(purged_at=now))
    return list(found)


def masters_in_use(connection: Connection, entry_ids: Collection[str]) -> set[str]:
    """Returns those entries whose master an open job reuses: another tenant's, where tenants share pictures."""
    is_open = jobs.c.ended_at.is_(None), jobs.c.master_key.startswith("cache/", autoescape=True)
    keys = connection.execute(select(jobs.c.master_key).where(*is_open)).scalars()
    return {key.split("/")[1] for key in keys} & set(entry_ids)


def blank_entries(connection: Connection, tenant_id: str, entry_ids: Collection[str]) -> None:
    """Removes all that is the tenant's from purged entries. The empty rows stay for a while, like those of every purge."""
    bare = {
        "tenant_id": "",
        "job_id": cache_entries.c.id,
        "text": "",
        "vector": b"",
        "made_with": "{}",
        "codes": "[]",
        "partition": "",
    }
    connection.execute(update(cache_entries).where(cache_entries.c.id.in_(entry_ids)).values(**bare))
    count(connection, tenant_id, "cached pictures", len(entry_ids))


def delete_rows(connection: Connection, tenant_id: str, kind: str, *, limit: int) -> int:
    """Deletes some rows of a tenant from one of the tables of `ROWS`; returns their number."""
    table, column = ROWS[kind]
    key = list(table.primary_key)
    found = connection.execute(select(*key).where(column == tenant_id).order_by(*key).limit(limit).with_for_update())
    keys = [tuple(row) for row in found]
    if table is webhook_deliveries:
        ids = [delivery_id for (delivery_id,) in keys]
        connection.execute(delete(webhook_attempts).where(webhook_attempts.c.delivery_id.in_(ids)))
    if keys:
        connection.execute(delete(table).where(column == tenant_id, _are(key, keys, column)))
        count(connection, tenant_id, kind, len(keys))
    return len(keys)


def _are(key: Sequence[Column[Any]], found: Sequence[tuple[Any, ...]], column: Column[Any]) -> ColumnElement[bool]:
    """Returns the condition of rows found in the order of their key: a list of keys of several columns uses no index."""
    if key[0] is column:
        return tuple_(*key[1:]) <= tuple_(*found[-1][1:]) if len(key) > 1 else true()
    return key[0].in_([one[0] for one in found])


def finish_pass(connection: Connection, deletion: TenantDeletion, *, is_clean: bool) -> TenantDeletion | None:
    """Notes the end of a pass. The row goes with the last one.

    Returns:
        The deletion if this pass was the first clean one, for the audit; None: it was not.
    """
    wanted = tenant_deletions.c.tenant_id == deletion.tenant_id
    if not is_clean:
        connection.execute(update(tenant_deletions).where(wanted).values(next_at=clock.at() + RETRY_S))
        return None
    if deletion.passes == len(AFTER_S):
        connection.execute(delete(tenant_deletions).where(wanted))
        return None
    values = {"passes": deletion.passes + 1, "next_at": clock.at() + AFTER_S[deletion.passes]}
    is_first = update(tenant_deletions).where(wanted, tenant_deletions.c.emptied_at.is_(None))
    if connection.execute(is_first.values(**values, emptied_at=time.time())).rowcount:
        return due(connection, tenant_id=deletion.tenant_id)[0]
    connection.execute(update(tenant_deletions).where(wanted).values(**values))
    return None


def _only_here(connection: Connection, tenant_id: str) -> list[str]:
    other = memberships.alias("other")
    elsewhere = exists().where(other.c.user_id == memberships.c.user_id, other.c.tenant_id != tenant_id)
    query = select(memberships.c.user_id).where(memberships.c.tenant_id == tenant_id, ~elsewhere)
    found = [users.find_user_by_id(connection, user_id) for user_id in connection.execute(query).scalars().all()]
    return [user.id for user in found if user is not None and not user.is_admin]
