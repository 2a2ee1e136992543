"""Records of published pictures in SQL: they outlive their jobs, and a deletion on request leaves a tombstone."""

import msgspec
from alembic import command
from factories import make_job
from msgspec import structs
from records.test_stored_json import BLOCKED, COMPLETED

from imgen.domain.job import State
from imgen.domain.outcome import Outcome
from imgen.records import jobs, picture_records, retention, schema
from imgen.records.tables.picture_records import picture_records as rows

BEFORE = "0029"
OUTCOME = msgspec.json.decode(COMPLETED, type=Outcome)
META = OUTCOME.meta


def recorded(connection, **changes):
    """Stores a completed job with the record of its picture."""
    job = structs.replace(make_job(state=State.COMPLETED, outcome=OUTCOME, ended_at=100.0), **changes)
    jobs.add(connection, job)
    picture_records.add(connection, job, manifest_key=f"manifests/ten_1/{job.gen_id}/1/a.c2pa")
    return job


def test_a_picture_is_found_by_watermark_manifest_and_digest(database):
    """Of another tenant only where nobody in particular asks."""
    with database.write() as connection:
        job = recorded(connection)
        found = picture_records.find_by_watermark(connection, job.watermark_id)
        assert found == picture_records.PictureRecord(
            gen_id=job.gen_id,
            tenant_id="ten_1",
            job_id=job.id,
            watermark_id=job.watermark_id,
            fingerprint=META.fingerprint,
            width=META.width,
            height=META.height,
            sha256=META.sha256,
            manifest_id=META.manifest_id,
            manifest_key=f"manifests/ten_1/{job.gen_id}/1/a.c2pa",
            model=META.model,
            published_at=100.0,
        )
        for tenants, expected in ((None, found), ({"ten_1", "ten_2"}, found), ({"ten_2"}, None), (set(), None)):
            scope = None if tenants is None else frozenset(tenants)
            assert picture_records.find_by_watermark(connection, job.watermark_id, scope=scope) == expected
            assert picture_records.find_by_manifest(connection, META.manifest_id, scope=scope) == expected
            assert picture_records.find_by_digest(connection, META.sha256, scope=scope) == expected
        assert picture_records.find_by_watermark(connection, "0" * 12) is None


def test_sizes_are_listed_with_those_of_most_pictures_first(database):
    """Of all tenants; a tombstone has none."""
    with database.write() as connection:
        for width in (640, 640, 800, 900):
            meta = structs.replace(META, width=width, height=512)
            recorded(connection, outcome=structs.replace(OUTCOME, meta=meta))
        picture_records.remove(connection, recorded(connection).gen_id)
        assert picture_records.sizes(connection, limit=9) == [(640, 512), (800, 512), (900, 512)]
        assert picture_records.sizes(connection, limit=1) == [(640, 512)]


def test_a_record_outlives_its_job(database):
    """The row of the job goes at its time, the record stays."""
    with database.write() as connection:
        job = recorded(connection)
        retention.delete_jobs(connection, [job.id])
        assert picture_records.find_by_watermark(connection, job.watermark_id).gen_id == job.gen_id


def test_what_is_withheld_or_failed_has_no_record(database):
    """It was never published."""
    with database.write() as connection:
        recorded(connection, state=State.BLOCKED, outcome=msgspec.json.decode(BLOCKED, type=Outcome))
        recorded(connection, state=State.FAILED, outcome=Outcome(error="Generation failed"))
        assert connection.execute(rows.select()).all() == []


def test_a_deletion_on_request_leaves_digest_watermark_and_dates(database):
    """All else is gone; a second deletion changes nothing."""
    with database.write() as connection:
        job = recorded(connection)
        picture_records.remove(connection, job.gen_id, now=300.0)
        picture_records.remove(connection, job.gen_id, now=400.0)
        left = picture_records.find_by_watermark(connection, job.watermark_id)
        assert (left.sha256, left.published_at, left.removed_at) == (META.sha256, 100.0, 300.0)
        assert (left.fingerprint, left.manifest_id, left.manifest_key, left.model, left.width) == ("", "", "", "", 0)
        assert picture_records.find_by_manifest(connection, META.manifest_id) is None
        assert picture_records.find_by_manifest(connection, "") is None


def test_old_records_are_found_page_by_page_and_forgotten(database):
    """In the order of their times."""
    with database.write() as connection:
        made = [recorded(connection, ended_at=float(at)) for at in (30, 10, 20, 90)]
        first = picture_records.expired(connection, published_before=50, limit=2)
        after = first[-1].published_at, first[-1].gen_id
        rest = picture_records.expired(connection, published_before=50, after=after, limit=2)
        assert [one.gen_id for one in [*first, *rest]] == [made[1].gen_id, made[2].gen_id, made[0].gen_id]
        picture_records.forget(connection, [one.gen_id for one in first])
        assert picture_records.recorded_among(connection, [job.gen_id for job in made]) == {
            made[0].gen_id,
            made[3].gen_id,
        }


def test_an_upgrade_finds_the_pictures_that_are_there(database):
    """Their manifest stores lie beside them; an outcome that nobody can read has no record."""
    with database.write() as connection:
        kept = recorded(connection)
        broken = recorded(connection, outcome=Outcome(error="none"))
    with database.write() as connection:
        command.downgrade(schema._config(connection), BEFORE)
    schema.upgrade(database)
    with database.read() as connection:
        found = picture_records.find_by_watermark(connection, kept.watermark_id)
        assert found.manifest_key == "pictures/ten_1/g/g_d8_00001.c2pa"
        assert (found.fingerprint, found.published_at) == (META.fingerprint, 100.0)
        assert picture_records.find_by_watermark(connection, broken.watermark_id) is None
