"""Views, progress and positions of jobs, as pollers read them."""

from imgen.domain.job import State, View
from imgen.domain.outcome import Outcome
from imgen.live import job_views

JOB = "run_" + "a" * 22


def view(state, **more):
    return View(tenant_id="ten_1", state=state, model="eros", **more)


def test_nothing_is_known_of_an_unknown_job(live):
    """No view, no progress, no place."""
    assert live.run(job_views.get_view(JOB)) == (None, None)
    assert live.run(job_views.position(JOB)) is None


def test_an_end_is_final_for_pollers(live):
    """News of an earlier state that arrives after the end changes nothing that a poller sees."""
    ended = view(State.COMPLETED, outcome=Outcome(error=""))
    live.run(job_views.set_view(JOB, view(State.RENDERING)))
    live.run(job_views.set_view(JOB, ended))
    live.run(job_views.set_view(JOB, view(State.RENDERING)))
    assert live.run(job_views.get_view(JOB)).view == ended


def test_what_was_read_from_sql_never_covers_a_newer_view(live):
    """A view rebuilt from an older read loses against one that is there."""
    live.run(job_views.set_view(JOB, view(State.RENDERING)))
    live.run(job_views.set_view_if_absent(JOB, view(State.QUEUED)))
    assert live.run(job_views.get_view(JOB)).view.state is State.RENDERING


def test_progress_tells_of_a_cancel(live):
    """A worker that reports progress learns that its job was cancelled."""
    assert live.run(job_views.set_progress(JOB, 0.25)) is False
    live.run(job_views.request_cancel(JOB))
    assert live.run(job_views.set_progress(JOB, 0.5)) is True
    assert live.run(job_views.get_view(JOB)).progress == 0.5


def test_places_follow_priority_then_time(live):
    """The more urgent job stands before the earlier one, and a job that left is not counted."""
    live.run(job_views.enqueue("late", priority=3, created_at=2e9))
    live.run(job_views.enqueue("early", priority=3, created_at=1e9))
    live.run(job_views.enqueue("urgent", priority=0, created_at=3e9))
    assert [live.run(job_views.position(job)) for job in ("urgent", "early", "late")] == [0, 1, 2]
    live.run(job_views.dequeue("early"))
    assert live.run(job_views.position("late")) == 1
    assert live.run(job_views.count_waiting()) == 2
