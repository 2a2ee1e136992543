"""Semantic cache in SQL: the life of an entry (pending, ready, purged, deleted), and counts of look-ups by tenant and day."""

import secrets
import time
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, delete, func, or_, select, update

from imgen.domain.job import OPEN, Job
from imgen.records import cache_days
from imgen.records.database import locked_in_order, upsert
from imgen.records.paging import hidden
from imgen.records.tables.cache import IS_LIVE
from imgen.records.tables.cache import cache_entries as entries
from imgen.records.tables.cache import cache_lookups as lookups
from imgen.records.tables.jobs import jobs


class SamplingParams(Struct, frozen=True, kw_only=True):
    """Sampling parameters of a rendered picture, for the `meta` of each job that reuses it."""

    seed: int
    num_inference_steps: int
    guidance_scale: float
    lora_scale: float


class PendingEntry(Struct, frozen=True, kw_only=True):
    """Entry of a picture that is not rendered yet."""

    tenant_id: str
    model: str
    partition: str
    """Digest of everything that must be equal; see services/semantic_cache/lookup.py."""
    embedder: str
    text: str
    """The positive prompt, as the caller wrote it."""
    vector: bytes
    """float32, little-endian, length 1."""


class Entry(Struct, frozen=True, kw_only=True, rename={"policy_digest": "judged_by"}):
    """Entry whose picture may be reused. Its fields are columns, under the names of `rename`."""

    id: str
    text: str
    made_with: SamplingParams
    codes: tuple[str, ...]
    """Rule ids that its review noted."""
    policy_digest: str
    """Digest of the reviewers and the rules that passed it."""
    master_key: str


class Statistics(Struct, frozen=True, kw_only=True):
    """Size of the cache, and counts of look-ups."""

    entries: int
    size_bytes: int
    hits: int
    misses: int


def new_entry_id() -> str:
    """Returns `ent_` and 20 hex digits."""
    return "ent_" + secrets.token_hex(10)


def add_pending(connection: Connection, pending: PendingEntry, job: Job) -> None:
    """Adds the entry of a job's picture, under the id in its recipe. Look-ups find it once it is ready."""
    diffusion = job.recipe.diffusion
    made_with = {name: getattr(diffusion, name) for name in SamplingParams.__struct_fields__}
    connection.execute(
        entries.insert().values(
            id=job.recipe.cache_entry_id,
            job_id=job.id,
            made_with=msgspec.json.encode(made_with).decode(),
            codes="[]",
            judged_by="",
            floor_version=0,
            master_key="",
            size_bytes=0,
            created_at=job.created_at,
            used_at=job.created_at,
            **{name: getattr(pending, name) for name in pending.__struct_fields__},
        )
    )


def make_ready(
    connection: Connection,
    entry_id: str,
    *,
    master_key: str,
    size_bytes: int,
    codes: Sequence[str],
    policy_digest: str,
    floor_version: int,
    now: float | None = None,
) -> None:
    """Makes an entry ready: its picture is safe and its master stored. A purged entry stays purged."""
    now = now or time.time()
    connection.execute(
        update(entries)
        .where(entries.c.id == entry_id)
        .values(
            master_key=master_key,
            size_bytes=size_bytes,
            codes=msgspec.json.encode(codes).decode(),
            judged_by=policy_digest,
            floor_version=floor_version,
            ready_at=now,
            used_at=now,
        )
    )


def use(connection: Connection, entry_id: str, *, now: float) -> bool:
    """Counts one use. False: the entry was purged since the look-up."""
    found = update(entries).where(entries.c.id == entry_id, _is_live())
    return connection.execute(found.values(hits=entries.c.hits + 1, used_at=now)).rowcount == 1


def changed_since(connection: Connection, since: float, *, embedder: str) -> tuple[list[str], list[str], float]:
    """Returns ids that became ready and ids that were purged after a time, and the time of the latest change."""
    ready = connection.execute(
        select(entries.c.id, entries.c.ready_at).where(
            entries.c.ready_at >= since, entries.c.purged_at.is_(None), entries.c.embedder == embedder
        )
    ).all()
    purged = connection.execute(select(entries.c.id, entries.c.purged_at).where(entries.c.purged_at >= since)).all()
    latest = max((at for _, at in (*ready, *purged)), default=since)
    return [row.id for row in ready], [row.id for row in purged], latest


def vectors(connection: Connection, entry_ids: Sequence[str]) -> list[tuple[str, str, bytes]]:
    """Returns (id, partition, vector) of the ready ones among these entries."""
    query = select(entries.c.id, entries.c.partition, entries.c.vector)
    found = connection.execute(query.where(entries.c.id.in_(entry_ids), _is_live()))
    return [(row.id, row.partition, row.vector) for row in found]


def find(connection: Connection, entry_ids: Iterable[str], *, floor_version: int) -> dict[str, Entry]:
    """Finds those entries that are ready, were judged under this version of the floor, and can be read by this one of Imgen."""
    columns = (entries.c[name] for name in Entry.__struct_encode_fields__)
    query = select(*columns).where(
        entries.c.id.in_(list(entry_ids)), entries.c.floor_version == floor_version, _is_live()
    )
    found = map(_entry, connection.execute(query).mappings())
    return {entry.id: entry for entry in found if entry is not None}


def purge(
    connection: Connection,
    *,
    tenant_id: str | None = None,
    model: str | None = None,
    entry_ids: Sequence[str] | None = None,
    now: float | None = None,
) -> int:
    """Purges entries, without conditions all of them; returns their number. The sweep deletes their masters."""
    wanted: list[ColumnElement[bool]] = [entries.c.purged_at.is_(None)]
    for column, value in ((entries.c.tenant_id, tenant_id), (entries.c.model, model)):
        if value is not None:
            wanted.append(column == value)
    if entry_ids is not None:
        wanted.append(entries.c.id.in_(entry_ids))
    query = update(entries).where(entries.c.id.in_(locked_in_order(entries.c.id, *wanted)))
    return connection.execute(query.values(purged_at=now or time.time())).rowcount


def expired(
    connection: Connection,
    *,
    used_before: float,
    max_bytes: int,
    max_entries: int,
    floor_version: int,
    limit: int = 500,
) -> list[str]:
    """Returns some entries to purge: long unused, judged under another floor, or else the least recently used over a cap."""
    old = select(entries.c.id).where(
        _is_live(), or_(entries.c.used_at < used_before, entries.c.floor_version != floor_version)
    )
    if ids := list(connection.execute(old.limit(limit)).scalars()):
        return ids  # these first; the caps are checked once none of them is left
    total = select(func.count(), func.coalesce(func.sum(entries.c.size_bytes), 0)).where(_is_live())
    number, size_bytes = connection.execute(total).one()
    if size_bytes <= max_bytes and number <= max_entries:
        return []
    by_use = select(entries.c.id, entries.c.size_bytes).where(_is_live()).order_by(entries.c.used_at, entries.c.id)
    for row in connection.execute(by_use.limit(limit)):
        if size_bytes <= max_bytes and number <= max_entries:
            break
        ids.append(row.id)
        size_bytes, number = size_bytes - row.size_bytes, number - 1
    return ids


def orphaned(
    connection: Connection, *, begun_before: float, purged_before: float, after: str = "", limit: int = 500
) -> list[str]:
    """Returns entries to delete, by id, from after that id on: purged long ago, or of a job that ended without a safe picture."""
    by_id = hidden(entries.c.id)  # else all entries would be read, in the order of ids
    is_open = select(jobs.c.id).where(jobs.c.id == entries.c.job_id, jobs.c.state.in_(OPEN)).exists()
    query = select(entries.c.id).where(
        or_(
            entries.c.purged_at < purged_before,
            entries.c.ready_at.is_(None) & (entries.c.created_at < begun_before) & ~is_open,
        ),
        by_id > after,
    )
    return list(connection.execute(query.order_by(by_id).limit(limit)).scalars())


def delete_entries(connection: Connection, entry_ids: Sequence[str]) -> None:
    """Deletes rows of entries, after their masters."""
    wanted = locked_in_order(entries.c.id, entries.c.id.in_(entry_ids))
    connection.execute(delete(entries).where(entries.c.id.in_(wanted)))


def count_lookups(connection: Connection, tenant_id: str, *, hits: int, misses: int, now: float) -> None:
    """Counts look-ups, one for each picture asked for."""
    day = time.strftime("%Y-%m-%d", time.gmtime(now))
    row = {"tenant_id": tenant_id, "day": day, "hits": hits, "misses": misses}
    upsert(connection, lookups, row, update={"hits": lookups.c.hits + hits, "misses": lookups.c.misses + misses})


def statistics(connection: Connection, *, tenant_id: str | None = None) -> Statistics:
    """Returns the statistics of one tenant or of all."""
    if tenant_id is not None:
        return statistics_of(connection, [tenant_id])[tenant_id]
    number, size_bytes = connection.execute(select(*_KEPT).where(_is_live())).one()
    hits, misses = cache_days.totals(connection)
    return Statistics(entries=number, size_bytes=int(size_bytes), hits=hits, misses=misses)


def statistics_of(connection: Connection, tenant_ids: Sequence[str]) -> dict[str, Statistics]:
    """Returns tenant id → statistics, of each of these tenants."""
    kept = select(entries.c.tenant_id, *_KEPT).where(_is_live(), entries.c.tenant_id.in_(tenant_ids))
    asked = select(lookups.c.tenant_id, *_ASKED).where(lookups.c.tenant_id.in_(tenant_ids))
    stored = {row[0]: row[1:] for row in connection.execute(kept.group_by(entries.c.tenant_id))}
    counted = {row[0]: row[1:] for row in connection.execute(asked.group_by(lookups.c.tenant_id))}
    found = {}
    for tenant_id in tenant_ids:
        (number, size_bytes), (hits, misses) = stored.get(tenant_id, (0, 0)), counted.get(tenant_id, (0, 0))
        found[tenant_id] = Statistics(entries=number, size_bytes=int(size_bytes), hits=int(hits), misses=int(misses))
    return found


_KEPT = (func.count(), func.coalesce(func.sum(entries.c.size_bytes), 0))
_ASKED = (func.coalesce(func.sum(lookups.c.hits), 0), func.coalesce(func.sum(lookups.c.misses), 0))


def _is_live() -> Any:
    return IS_LIVE


def _entry(row: Any) -> Entry | None:
    try:
        return Entry(
            id=row["id"],
            text=row["text"],
            made_with=msgspec.json.decode(row["made_with"], type=SamplingParams),
            codes=msgspec.json.decode(row["codes"], type=tuple[str, ...]),
            policy_digest=row["judged_by"],
            master_key=row["master_key"],
        )
    except msgspec.MsgspecError:
        return None
