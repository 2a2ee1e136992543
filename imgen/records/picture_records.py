"""Published pictures in SQL: the records by which a picture is known as ours after its job and its files are gone."""

from collections.abc import Collection, Iterable

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, tuple_, update

from imgen.domain.catalog import Size
from imgen.domain.job import Job, State
from imgen.records import clock
from imgen.records.database import locked_in_order
from imgen.records.tables.picture_records import picture_records

Scope = frozenset[str] | None
"""Tenants whose pictures are looked up; None: all."""
REMOVED = {"fingerprint": "", "width": 0, "height": 0, "manifest_id": "", "manifest_key": "", "model": ""}
"""Columns of a tombstone that say nothing any more."""


class PictureRecord(Struct, frozen=True, kw_only=True):
    """Record of a published picture; its fields are columns."""

    gen_id: str
    tenant_id: str
    job_id: str
    watermark_id: str
    """Payload of the invisible watermark, 12 hex digits."""
    fingerprint: str
    """PDQ, 64 hex digits."""
    width: int
    height: int
    sha256: str
    """Digest of the signed file, in hex."""
    manifest_id: str
    """Label of the active manifest, `urn:c2pa:…`."""
    manifest_key: str
    """Object key of the manifest store; empty: it is not kept."""
    model: str
    """Key in models.toml."""
    published_at: float
    removed_at: float | None = None
    """Time at which it was deleted on request; None: it was not."""


def add(connection: Connection, job: Job, *, manifest_key: str) -> None:
    """Inserts the picture of a job that has just completed."""
    outcome = job.outcome
    if job.state is not State.COMPLETED or outcome is None or outcome.meta is None:
        return
    meta = outcome.meta
    picture = PictureRecord(
        gen_id=job.gen_id,
        tenant_id=job.tenant_id,
        job_id=job.id,
        watermark_id=job.watermark_id,
        fingerprint=meta.fingerprint,
        width=meta.width,
        height=meta.height,
        sha256=meta.sha256,
        manifest_id=meta.manifest_id,
        manifest_key=manifest_key,
        model=meta.model,
        published_at=job.ended_at or job.created_at,
    )
    values = {name: getattr(picture, name) for name in picture.__struct_fields__}
    connection.execute(insert(picture_records).values(values))


def find_by_watermark(connection: Connection, watermark_id: str, *, scope: Scope = None) -> PictureRecord | None:
    """Finds the picture with a watermark id, within a scope; a tombstone, too."""
    return _first(connection, picture_records.c.watermark_id == watermark_id, scope)


def find_by_manifest(connection: Connection, manifest_id: str, *, scope: Scope = None) -> PictureRecord | None:
    """Finds the picture that a manifest was made for, within a scope. None: none was, or it was deleted on request."""
    return _first(connection, picture_records.c.manifest_id == manifest_id, scope) if manifest_id else None


def find_by_digest(connection: Connection, sha256: str, *, scope: Scope = None) -> PictureRecord | None:
    """Finds the picture whose signed file has a digest, within a scope; a tombstone, too."""
    return _first(connection, picture_records.c.sha256 == sha256, scope)


def find_all(connection: Connection, gen_ids: Collection[str], *, scope: Scope = None) -> dict[str, PictureRecord]:
    """Finds the pictures with some ids, within a scope, by their ids; without tombstones."""
    columns = picture_records.c
    query = select(picture_records).where(columns.gen_id.in_(list(gen_ids)), columns.removed_at.is_(None))
    if scope is not None:
        query = query.where(columns.tenant_id.in_(scope))
    return {row["gen_id"]: PictureRecord(**row) for row in connection.execute(query).mappings()}


def fingerprints(connection: Connection, *, after: tuple[float, str], limit: int) -> list[tuple[float, str, str]]:
    """Lists time, id and fingerprint of pictures, without tombstones, in the order of their times, from after (time, id) on."""
    columns = picture_records.c
    query = select(columns.published_at, columns.gen_id, columns.fingerprint)
    query = query.where(tuple_(columns.published_at, columns.gen_id) > after, columns.removed_at.is_(None))
    rows = connection.execute(query.order_by(columns.published_at, columns.gen_id).limit(limit))
    return [(row.published_at, row.gen_id, row.fingerprint) for row in rows]


def sizes(connection: Connection, *, limit: int) -> list[Size]:
    """Lists widths and heights of pictures of all tenants, those of most pictures first."""
    columns = picture_records.c
    query = select(columns.width, columns.height).where(columns.removed_at.is_(None))
    query = query.group_by(columns.width, columns.height)
    query = query.order_by(func.count().desc(), columns.width, columns.height).limit(limit)
    return [(row.width, row.height) for row in connection.execute(query)]


def remove(connection: Connection, gen_id: str, *, now: float | None = None) -> None:
    """Makes a record a tombstone: the picture was deleted on request."""
    connection.execute(
        update(picture_records)
        .where(picture_records.c.gen_id == gen_id, picture_records.c.removed_at.is_(None))
        .values(removed_at=clock.at(now), **REMOVED)
    )


def recorded_among(connection: Connection, gen_ids: Collection[str]) -> set[str]:
    """Returns those of the ids that have a record."""
    query = select(picture_records.c.gen_id).where(picture_records.c.gen_id.in_(list(gen_ids)))
    return set(connection.execute(query).scalars())


def expired(
    connection: Connection, *, published_before: float, after: tuple[float, str] | None = None, limit: int
) -> list[PictureRecord]:
    """Finds records past their time, oldest first, from after (published_at, gen_id) on."""
    columns = picture_records.c
    query = select(picture_records).where(columns.published_at < published_before)
    if after is not None:
        query = query.where(tuple_(columns.published_at, columns.gen_id) > after)
    rows = connection.execute(query.order_by(columns.published_at, columns.gen_id).limit(limit)).mappings()
    return [PictureRecord(**row) for row in rows]


def forget(connection: Connection, gen_ids: Iterable[str]) -> None:
    """Deletes records for good."""
    rows = locked_in_order(picture_records.c.gen_id, picture_records.c.gen_id.in_(list(gen_ids)))
    found = connection.execute(rows).scalars().all()
    connection.execute(delete(picture_records).where(picture_records.c.gen_id.in_(found)))


def _first(connection: Connection, condition: ColumnElement[bool], scope: Scope) -> PictureRecord | None:
    query = select(picture_records).where(condition)
    if scope is not None:
        query = query.where(picture_records.c.tenant_id.in_(scope))
    order = picture_records.c.published_at, picture_records.c.gen_id
    row = connection.execute(query.order_by(*order).limit(1)).mappings().first()
    return None if row is None else PictureRecord(**row)
