"""Settings, and a finished job with its asset, for the benchmarks of Forge."""

import hashlib
import secrets

from msgspec import structs

from bench.fixtures import Fixture
from bench.samples import outcome_of, queued_job
from imgen import composition, settings
from imgen.domain.job import Job, State, view_of
from imgen.live import job_views
from imgen.records import assets, jobs

PICTURE_BYTES = 800_000
"""Size of a PNG of the starter's."""
SETTINGS = 'default_plan = "unlimited"\n[jobs]\nmax_queued = 1000000\n'


def finished_job(fixture: Fixture) -> tuple[Job, str]:
    """Stores a completed job with its asset and its file; returns it, and the path of the file."""
    body = secrets.token_bytes(PICTURE_BYTES)
    waiting = queued_job(fixture.principal, queue="render.eros")
    outcome = outcome_of(waiting)
    meta = structs.replace(outcome.meta, sha256=hashlib.sha256(body).hexdigest(), format="png")
    job = structs.replace(
        waiting,
        state=State.COMPLETED,
        outcome=structs.replace(outcome, meta=meta),
        ended_at=waiting.created_at + 7,
    )
    store = composition.open_objects(settings.load(fixture.data), fixture.database)
    key = next(image.key for image in job.outcome.images if image.type == "signed")
    store.put(key, body, "image/png")
    with fixture.database.write() as connection:
        jobs.add(connection, job)
        assets.add(connection, job, size_bytes=len(body))
    fixture.live.run(job_views.set_view(job.id, view_of(job), fixture.live.run_id))
    path, _ = store.file_of(key)
    return job, str(path)
