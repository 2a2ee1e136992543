"""Views, progress and positions of jobs, as pollers read them."""

import random

import pytest
from factories import make_job

from imgen.domain.errors import Unavailable
from imgen.domain.job import FINISH_QUEUE, State, View, rank_of
from imgen.domain.outcome import Outcome
from imgen.live import job_views, previews, waiting, workers
from imgen.live.command import Command, ignore
from imgen.live.job_views import CachedView
from imgen.live.workers import WorkerHeartbeat

JOB = "run_" + "a" * 22
GARBAGE = [b"", b"\xff\x00", b"{", b"[]", b"null", b"[" * 100_000, b'{"tenant_id":1}', b"nan 1", b"9e999 1"]


def view(state, fence=0, **more):
    return View(tenant_id="ten_1", state=state, model="eros", rank=rank_of(state, fence), **more)


def set_view(live, state, **more):
    live.run(job_views.set_view(JOB, view(state, **more), live.run_id))


def put(live, kind, value):
    """Puts something else where the job's view, progress or preview belongs."""
    live.run(Command(lambda run_id: (("SET", f"imgen:{kind}:{run_id}:{JOB}", value),), ignore))


def test_nothing_is_known_of_an_unknown_job(live):
    """No view, no progress, no place."""
    assert live.run(job_views.get_view(JOB)) == CachedView(None, None)
    assert live.run(waiting.position("render.eros", JOB)) is None


def test_an_end_is_final_for_pollers(live):
    """News of an earlier state that arrives after the end changes nothing that a poller sees."""
    ended = view(State.COMPLETED, outcome=Outcome(error=""))
    set_view(live, State.RENDERING)
    live.run(job_views.set_view(JOB, ended, live.run_id))
    set_view(live, State.RENDERING)
    assert live.run(job_views.get_view(JOB)).view == ended


def test_a_job_that_has_ended_waits_in_no_queue(live):
    """Neither to be rendered nor to be finished, as when it is cancelled between the two."""
    for queue in ("render.eros", FINISH_QUEUE):
        live.run(waiting.add(make_job(id=JOB, queue=queue)))
    set_view(live, State.CANCELLED)
    assert live.run(waiting.count(["render.eros", FINISH_QUEUE])) == 0


def test_a_late_view_never_covers_a_newer_one(live):
    """Views of an open job in any order of arrival: the latest in the order of its transitions stays."""
    history = [
        (State.QUEUED, 0),
        (State.RENDERING, 1),
        (State.QUEUED, 1),
        (State.RENDERING, 2),
        (State.RENDERED, 2),
        (State.FINISHING, 3),
        (State.RENDERED, 3),
        (State.FINISHING, 4),
    ]
    assert [rank_of(*one) for one in history] == sorted({rank_of(*one) for one in history})
    for seed in range(20):
        live.run(job_views.delete_view(JOB))
        for state, fence in random.Random(seed).sample(history, len(history)):
            set_view(live, state, fence=fence)
        assert live.run(job_views.get_view(JOB)).view == view(*history[-1])


def test_views_of_an_earlier_run_of_the_server_are_out_of_sight(live):
    """News read or committed before a restart of Redis, and arriving or coming back after it, is no view."""
    for state in (State.RENDERING, State.COMPLETED):
        live.run(job_views.set_view(JOB, view(state), "an_earlier_run"))
        assert live.run(job_views.get_view(JOB)) == CachedView(None, None)


def test_progress_tells_of_a_cancel(live):
    """A worker that reports progress learns that its job was cancelled."""
    set_view(live, State.RENDERING, fence=2)
    assert live.run(job_views.set_progress(JOB, 0.25, fence=2)) is False
    live.run(job_views.request_cancel(JOB))
    assert live.run(job_views.set_progress(JOB, 0.5, fence=2)) is True
    assert live.run(job_views.set_progress(JOB, None, fence=2)) is True
    assert live.run(job_views.get_view(JOB)).progress == 0.5


def test_progress_of_another_claim_is_unknown(live):
    """A worker that was stopped past its lease reports less than its successor did; pollers get neither."""
    set_view(live, State.RENDERING, fence=2)
    live.run(job_views.set_progress(JOB, 0.75, fence=2))
    live.run(job_views.set_progress(JOB, 0.25, fence=1))
    assert live.run(job_views.get_view(JOB)).progress is None


def test_the_first_claim_begins_at_nothing(live):
    """The first claim brings progress 0; a view of any attempt leaves the progress that there is."""
    set_view(live, State.RENDERING, fence=1)
    assert live.run(job_views.get_view(JOB)).progress is None
    live.run(job_views.start_progress(JOB, live.run_id))
    assert live.run(job_views.get_view(JOB)).progress == 0
    live.run(job_views.set_progress(JOB, 0.5, fence=1))
    set_view(live, State.RENDERING, fence=2)
    assert live.run(job_views.get_progress(JOB)) == 0.5


@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_damaged_view_is_a_miss(live, garbage):
    """Whatever lies where a view belongs is none, and replaced by a view of the row."""
    for kind, state in (("open", State.QUEUED), ("ended", State.COMPLETED)):
        put(live, kind, garbage)
        assert live.run(job_views.get_view(JOB)) == CachedView(None, None)
        live.run(job_views.set_view(JOB, view(state), live.run_id))
        assert live.run(job_views.get_view(JOB)).view == view(state)


@pytest.mark.parametrize("garbage", GARBAGE)
def test_damaged_progress_and_previews_are_none(live, garbage):
    """Whatever lies where progress or a preview belongs, the view is read, and both are unknown."""
    set_view(live, State.RENDERING, fence=1)
    put(live, "progress", garbage)
    assert live.run(job_views.get_view(JOB)) == CachedView(view(State.RENDERING, fence=1), None)
    assert live.run(job_views.get_progress(JOB)) is None
    live.run(previews.set_preview(JOB, garbage))
    assert live.run(previews.watch(JOB)) is None


@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_damaged_heartbeat_hides_no_other(live, garbage):
    """A worker of another version beside one of ours: ours is listed."""
    ours = WorkerHeartbeat(name="render@a #1", queues=("render.eros",), pid=1, memory_bytes=1, since=1.0, at=2.0)
    live.run(workers.publish(ours))
    live.run(Command((("HSET", "imgen:workers", "other", garbage),), ignore))
    assert live.run(workers.list_workers()) == [ours]


def test_a_key_of_another_type_fails_its_command(live):
    """A list where a set of jobs belongs is `Unavailable`, which every caller handles."""
    live.run(Command((("RPUSH", "imgen:waiting:render.eros:ids", "x"), ("RPUSH", "imgen:workers", "x")), ignore))
    for command in (waiting.count(["render.eros"]), waiting.position("render.eros", JOB), workers.list_workers()):
        with pytest.raises(Unavailable):
            live.run(command)
