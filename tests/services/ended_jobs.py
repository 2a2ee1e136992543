"""Jobs that ended long ago with a file each, and a store that keeps some files, for tests of retention."""

import time

from factories import PLAN, make_job

from imgen.domain.errors import Retryable
from imgen.domain.job import State
from imgen.domain.outcome import Outcome, StoredImage
from imgen.objects.disk import DiskStore
from imgen.records import job_transitions, jobs, ledger


def add(connection, job):
    jobs.add(connection, job)
    ledger.hold(connection, job, PLAN)


class StuckStore(DiskStore):
    """A store on a file system that keeps some files, as files marked immutable stay."""

    stuck: frozenset[str] = frozenset()

    def delete(self, key):
        if key in self.stuck:
            raise Retryable("Operation not permitted")
        super().delete(key)


def stick(core, *keys):
    core.objects = StuckStore(core.settings.data_dir / "objects", base_url="http://127.0.0.1:1", secret=bytes(32))
    core.objects.stuck = frozenset(keys)


def ended_long_ago(core, number=0, days=40):
    """A completed job with one file, ended that many days ago."""
    job = make_job(state=State.FINISHING)
    core.database.attempt(add, job)
    key = f"pictures/{job.tenant_id}/{job.gen_id}/1/a.jpg"
    core.objects.put(key, b"x", "image/jpeg")
    outcome = Outcome(images=(StoredImage(key=key, filename="a.jpg", type="signed"),))
    at = time.time() - days * 86400 + number
    return core.database.attempt(job_transitions.end, job, State.COMPLETED, outcome, now=at), key
