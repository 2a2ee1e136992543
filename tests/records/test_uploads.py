"""Uploads and inputs of jobs in SQL."""

import threading

import pytest
from factories import add_tenant, make_job
from msgspec import structs
from sqlalchemy import select, text

from imgen.domain.errors import QuotaExceeded
from imgen.domain.ids import new_upload_id
from imgen.domain.job import State
from imgen.domain.recipe import Input
from imgen.records import jobs, retention, tenants, uploads
from imgen.records.tables.uploads import job_inputs
from imgen.records.uploads import Upload

NOW, DAY_S = 1_800_000_000.0, 86400


@pytest.fixture(autouse=True)
def owners(database):
    """Tenants of the uploads."""
    with database.write() as connection:
        for tenant_id in ("ten_1", "ten_2"):
            add_tenant(connection, tenant_id)


def upload(key="inputs/a", *, tenant_id="ten_1", created_at=NOW, size_bytes=10):
    return Upload(
        id=new_upload_id(), tenant_id=tenant_id, key=key, original_key="", sha256="ab" * 32, width=96, height=64,
        size_bytes=size_bytes, created_at=created_at,
    )  # fmt: skip


def job_of(*keys, ended_at=None, created_at=NOW - 9 * DAY_S):
    recipe = make_job().recipe
    given = tuple(Input(role=role, key=key, sha256="") for role, key in zip(("source", "mask"), keys, strict=False))
    return make_job(
        recipe=structs.replace(recipe, diffusion=structs.replace(recipe.diffusion, inputs=given)),
        state=State.QUEUED if ended_at is None else State.COMPLETED,
        ended_at=ended_at,
        created_at=created_at,
    )


def test_an_upload_is_found_by_its_tenant_within_its_time(database):
    """By no other tenant, and no longer than asked for."""
    made = upload()
    with database.write() as connection:
        uploads.add(connection, made)
    with database.read() as connection:
        assert uploads.find(connection, made.id, tenant_id="ten_1", since=NOW) == made
        assert uploads.find(connection, made.id, tenant_id="ten_2", since=NOW) is None
        assert uploads.find(connection, made.id, tenant_id="ten_1", since=NOW + 1) is None
        assert uploads.find(connection, new_upload_id(), tenant_id="ten_1", since=NOW) is None


def test_space_is_counted_by_tenant(database):
    """Bytes since a time, and the oldest of them."""
    with database.write() as connection:
        for days, tenant_id in ((0, "ten_1"), (0.5, "ten_1"), (2, "ten_1"), (0, "ten_2")):
            uploads.add(connection, upload(tenant_id=tenant_id, created_at=NOW - days * DAY_S))
    with database.read() as connection:
        assert uploads.stored_since(connection, "ten_1", since=NOW - DAY_S) == (20, NOW - 0.5 * DAY_S)
        assert uploads.stored_since(connection, "ten_3", since=0) == (0, 0)


def test_an_upload_waits_for_a_parallel_one(database):
    """It counts the bytes that another transaction adds meanwhile, and is refused if they leave no space."""
    began = threading.Event()
    refused = []

    def add_another():
        began.set()
        try:
            database.attempt(uploads.add, upload(tenant_id=tenant.id), space_bytes=15, since=0)
        except QuotaExceeded as exc:
            refused.append(exc)

    with database.write() as connection:
        tenant = tenants.ensure_tenant(connection, "studio", "unlimited")
    other = threading.Thread(target=add_another)
    with database.write() as connection:
        uploads.add(connection, upload(tenant_id=tenant.id), space_bytes=15, since=0)
        other.start()
        began.wait()
        other.join(0.3)  # as long as this one is open, it waits
        assert other.is_alive()
    other.join()
    assert len(refused) == 1
    with database.read() as connection:
        assert uploads.stored_since(connection, tenant.id, since=0)[0] == 10


def test_old_uploads_go_in_batches(database):
    """The oldest first; newer ones stay."""
    with database.write() as connection:
        for days in (3, 2, 4, 0):
            uploads.add(connection, upload(f"inputs/{days}", created_at=NOW - days * DAY_S))
        assert [uploads.delete_before(connection, NOW - DAY_S, limit=2) for _ in range(3)] == [2, 1, 0]
        assert uploads.stored_since(connection, "ten_1", since=0) == (10, NOW)


def test_a_key_is_needed_by_an_open_or_a_recent_job_or_an_upload(database):
    """By a job that waits, however long, or began or ended within the time; by an upload of that time; others only use it."""
    keys = [f"inputs/{name}" for name in ("open", "mask", "began", "ended", "old", "sent", "sent long ago", "nobody's")]
    with database.write() as connection:
        jobs.add(connection, job_of(*keys[:2]))
        jobs.add_now(connection, job_of(keys[2], ended_at=NOW - 2 * DAY_S, created_at=NOW - 0.5 * DAY_S))
        jobs.add(connection, job_of(keys[3], ended_at=NOW - 0.5 * DAY_S))
        jobs.add(connection, job_of(keys[4], keys[4], ended_at=NOW - 2 * DAY_S))
        jobs.add(connection, job_of(ended_at=NOW))
        uploads.add(connection, upload(keys[5]))
        uploads.add(connection, upload(keys[6], created_at=NOW - 2 * DAY_S))
    with database.read() as connection:
        assert uploads.needed(connection, keys, since=NOW - DAY_S) == {*keys[:4], keys[5]}
        assert [uploads.is_used(connection, key) for key in keys] == [True] * 7 + [False]


def test_a_deleted_job_leaves_no_keys(database):
    """Its inputs are forgotten with it; those of an open one stay."""
    with database.write() as connection:
        ended, waiting = job_of("inputs/a", ended_at=NOW), job_of("inputs/b")
        for job in (ended, waiting):
            jobs.add(connection, job)
        retention.delete_jobs(connection, [ended.id, waiting.id])
        assert connection.execute(select(job_inputs.c.job_id)).scalars().all() == [waiting.id]


def test_the_indexes_are_used(database):
    """A sweep looks keys up, and a limit reads a tenant's own; neither reads history."""
    queries = {
        "ix_job_inputs_key": "SELECT job_id FROM job_inputs WHERE key IN ('a', 'b')",
        "ix_uploads_key": "SELECT id FROM uploads WHERE key IN ('a', 'b')",
        "ix_uploads_tenant_id": "SELECT sum(size_bytes) FROM uploads WHERE tenant_id = 'a' AND created_at >= 1",
    }
    with database.read() as connection:
        if not database.is_sqlite:
            connection.execute(text("SET LOCAL enable_seqscan = off"))  # which wins in a small table
        for index, query in queries.items():
            plan = connection.execute(text(f"EXPLAIN {'QUERY PLAN' if database.is_sqlite else ''} {query}")).all()
            assert index in str(plan)
