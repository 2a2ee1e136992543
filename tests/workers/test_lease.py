"""Progress that a running job reports: no attempt reports less than the one before."""

import pytest
from factories import make_job

from imgen.domain.job import State, view_of
from imgen.live import job_views
from workers.lease import Lease


@pytest.fixture
def report(resources):
    """Claims a job in Redis alone with a fence, reports a step as done, and gives what pollers read."""

    def run(job, done):
        resources.live.run(job_views.set_view(job.id, view_of(job), resources.live.run_id))
        Lease(resources, job).report(done, 10)
        return resources.live.run(job_views.get_view(job.id)).progress

    return run


def test_a_new_attempt_reports_no_less(report):
    """A second worker that begins anew reports what the first had reached until it is further."""
    job = make_job(state=State.RENDERING, fence=1)
    assert report(job, 6) == 0.6
    second = make_job(id=job.id, state=State.RENDERING, fence=2)
    assert report(second, 1) == 0.6
    assert report(second, 8) == 0.8


def test_without_the_earlier_progress_none_is_reported(report):
    """If Redis lost it, a later attempt's progress stays unknown: it might be less."""
    assert report(make_job(state=State.RENDERING, fence=2), 4) is None
