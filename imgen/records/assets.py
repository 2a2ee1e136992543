"""Assets in SQL: finished pictures that are found by the SHA-256 of their files, for as long as any job has them."""

from collections.abc import Iterable

from msgspec import Struct
from sqlalchemy import Connection, insert, select
from sqlalchemy import delete as sql_delete

from imgen.domain.job import Job, State
from imgen.records.tables.assets import assets


class Asset(Struct, frozen=True, kw_only=True):
    """Finished picture of a job; its fields are columns."""

    sha256: str
    """Of the signed file, in hex."""
    job_id: str
    tenant_id: str
    key: str
    """Object key of the file."""
    media_type: str
    size_bytes: int | None
    """None: of a version that did not note it."""
    created_at: float


def add(connection: Connection, job: Job, *, size_bytes: int) -> None:
    """Inserts the picture of a job that has just completed, of so many bytes."""
    outcome = job.outcome
    if job.state is not State.COMPLETED or outcome is None or outcome.meta is None:
        return
    for image in outcome.images:
        if image.type == "signed":
            asset = Asset(
                sha256=outcome.meta.sha256,
                job_id=job.id,
                tenant_id=job.tenant_id,
                key=image.key,
                media_type=f"image/{outcome.meta.format}",
                size_bytes=size_bytes,
                created_at=job.ended_at or job.created_at,
            )
            connection.execute(insert(assets).values({name: getattr(asset, name) for name in asset.__struct_fields__}))


def find(connection: Connection, sha256: str, *, tenant_id: str | None = None) -> Asset | None:
    """Finds the picture of a digest, of a tenant or of any; of several the oldest. None: no job has it (any more)."""
    query = select(assets).where(assets.c.sha256 == sha256)
    if tenant_id is not None:
        query = query.where(assets.c.tenant_id == tenant_id)
    row = connection.execute(query.order_by(assets.c.created_at, assets.c.job_id).limit(1)).mappings().first()
    return None if row is None else Asset(**row)


def delete_of_jobs(connection: Connection, job_ids: Iterable[str]) -> None:
    """Deletes the rows of jobs whose pictures are deleted, so that nobody finds these by them."""
    connection.execute(sql_delete(assets).where(assets.c.job_id.in_(list(job_ids))))
