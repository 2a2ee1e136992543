"""Uploads and inputs of jobs in SQL: what a tenant uploaded, and the object keys that an upload or a job needs."""

import math
from collections.abc import Collection, Iterable

from msgspec import Struct
from sqlalchemy import Connection, func, insert, or_, select
from sqlalchemy import delete as sql_delete

from imgen.domain.errors import QuotaExceeded, TenantClosed, TooLarge
from imgen.domain.job import Job
from imgen.records.database import locked_in_order
from imgen.records.tables.accounts import tenants
from imgen.records.tables.jobs import jobs
from imgen.records.tables.uploads import job_inputs, uploads


class Upload(Struct, frozen=True, kw_only=True):
    """Uploaded picture; its fields are columns."""

    id: str
    tenant_id: str
    key: str
    """Object key of its file, as the gate stored it."""
    original_key: str
    """Object key of the file as it was sent, if that holds a C2PA manifest store; else empty."""
    sha256: str
    """Of the file as it was sent, in hex."""
    width: int
    height: int
    size_bytes: int
    """Of what is stored of it."""
    created_at: float


def add(connection: Connection, upload: Upload, *, space_bytes: float = math.inf, since: float = 0.0) -> None:
    """Inserts an upload if it fits beside the tenant's uploads since a time; those of one tenant wait for one another here.

    Raises:
        QuotaExceeded: it does not fit now.
        TooLarge: it would not even alone.
        TenantClosed: the tenant was deleted.
    """
    if upload.size_bytes > space_bytes:
        raise TooLarge
    owner = select(tenants.c.id).where(tenants.c.id == upload.tenant_id).with_for_update(key_share=True)
    if connection.execute(owner).first() is None:
        raise TenantClosed
    check_space(connection, upload.tenant_id, space_bytes=space_bytes, since=since, more_bytes=upload.size_bytes)
    connection.execute(insert(uploads).values({name: getattr(upload, name) for name in upload.__struct_fields__}))


def find(connection: Connection, upload_id: str, *, tenant_id: str, since: float) -> Upload | None:
    """Finds a tenant's upload, made since a time; None: there is none."""
    query = select(uploads).where(uploads.c.id == upload_id, uploads.c.tenant_id == tenant_id)
    row = connection.execute(query.where(uploads.c.created_at >= since)).mappings().first()
    return None if row is None else Upload(**row)


def delete(connection: Connection, upload_id: str) -> None:
    """Deletes an upload."""
    connection.execute(sql_delete(uploads).where(uploads.c.id == upload_id))


def check_space(
    connection: Connection, tenant_id: str, *, space_bytes: float, since: float, more_bytes: int = 1
) -> None:
    """Checks whether more bytes fit beside a tenant's uploads since a time.

    Raises:
        QuotaExceeded: they do not, until the oldest upload has been kept as long as that.
    """
    size_bytes, oldest = stored_since(connection, tenant_id, since=since)
    if size_bytes + more_bytes > space_bytes:
        raise QuotaExceeded(retry_after_s=math.ceil(oldest - since) + 1)


def stored_since(connection: Connection, tenant_id: str, *, since: float) -> tuple[int, float]:
    """Returns the bytes of a tenant's uploads since a time, and the time of the oldest of them; 0: there is none."""
    query = select(func.coalesce(func.sum(uploads.c.size_bytes), 0), func.coalesce(func.min(uploads.c.created_at), 0.0))
    own = query.where(uploads.c.tenant_id == tenant_id, uploads.c.created_at >= since)
    size_bytes, oldest = connection.execute(own).one()
    return int(size_bytes), float(oldest)


def delete_before(connection: Connection, before: float, *, limit: int) -> int:
    """Deletes uploads made before a time, at most so many. Returns their number."""
    old = select(uploads.c.id).where(uploads.c.created_at < before).order_by(uploads.c.created_at).limit(limit)
    ids = connection.execute(old).scalars().all()
    found = connection.execute(locked_in_order(uploads.c.id, uploads.c.id.in_(ids))).scalars().all()
    connection.execute(sql_delete(uploads).where(uploads.c.id.in_(found)))
    return len(found)


def add_inputs(connection: Connection, job: Job) -> None:
    """Inserts the keys of a new job's inputs."""
    keys = sorted({given.key for given in job.recipe.diffusion.inputs})
    if keys:
        connection.execute(insert(job_inputs), [{"job_id": job.id, "key": key} for key in keys])


def delete_inputs(connection: Connection, job_ids: Iterable[str]) -> None:
    """Deletes the keys of the inputs of deleted jobs."""
    connection.execute(sql_delete(job_inputs).where(job_inputs.c.job_id.in_(list(job_ids))))


def needed(connection: Connection, keys: Collection[str], *, since: float) -> set[str]:
    """Returns the keys that an upload made since a time has, or a job that is open, or began or ended since."""
    is_recent = or_(jobs.c.ended_at.is_(None), jobs.c.ended_at >= since, jobs.c.created_at >= since)
    by_jobs = (
        select(job_inputs.c.key)
        .join(jobs, jobs.c.id == job_inputs.c.job_id)
        .where(job_inputs.c.key.in_(keys), is_recent)
        .distinct()
    )
    by_uploads = select(uploads.c.key).where(uploads.c.key.in_(keys), uploads.c.created_at >= since).distinct()
    return {*connection.execute(by_jobs).scalars(), *connection.execute(by_uploads).scalars()}


def is_used(connection: Connection, key: str) -> bool:
    """Returns whether any upload or any job has the key."""
    queries = (table.c.key == key for table in (job_inputs, uploads))
    return any(connection.execute(select(1).where(query).limit(1)).first() is not None for query in queries)
