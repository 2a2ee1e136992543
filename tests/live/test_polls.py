"""What pollers read."""

import pytest

from imgen.domain.job import Outcome, State, View
from imgen.live import epochs, gate, polls
from imgen.live.executors import Plain

JOB = "run_" + "a" * 22


@pytest.fixture
def live(clean_redis):
    """A worker's executor over an empty Redis."""
    plain = Plain(clean_redis)
    yield plain
    plain.close()


def view(state, **more):
    return View(tenant_id="ten_1", state=state, model="eros", **more)


def test_nothing_is_known_of_an_unknown_job(live):
    """No view, no progress, no place."""
    assert live.run(polls.look(JOB)) == (None, None)
    assert live.run(polls.place(JOB)) is None


def test_an_end_is_final_for_pollers(live):
    """News of an earlier state that arrives after the end changes nothing that a poller sees."""
    ended = view(State.COMPLETED, outcome=Outcome(error=""))
    live.run(polls.show(JOB, view(State.RENDERING)))
    live.run(polls.show(JOB, ended))
    live.run(polls.show(JOB, view(State.RENDERING)))
    assert live.run(polls.look(JOB)).view == ended


def test_what_was_read_from_sql_never_covers_a_newer_view(live):
    """A view rebuilt from an older read loses against one that is there."""
    live.run(polls.show(JOB, view(State.RENDERING)))
    live.run(polls.remember(JOB, view(State.QUEUED)))
    assert live.run(polls.look(JOB)).view.state is State.RENDERING


def test_progress_tells_of_a_cancel(live):
    """A worker that reports progress learns that its job was cancelled."""
    assert live.run(polls.advance(JOB, 0.25)) is False
    live.run(polls.ask_to_stop(JOB))
    assert live.run(polls.advance(JOB, 0.5)) is True
    assert live.run(polls.look(JOB)).progress == 0.5


def test_places_follow_priority_then_time(live):
    """The more urgent job stands before the earlier one, and a job that left is not counted."""
    live.run(polls.enter("late", priority=3, created_at=2e9))
    live.run(polls.enter("early", priority=3, created_at=1e9))
    live.run(polls.enter("urgent", priority=0, created_at=3e9))
    assert [live.run(polls.place(job)) for job in ("urgent", "early", "late")] == [0, 1, 2]
    live.run(polls.leave("early"))
    assert live.run(polls.place("late")) == 1
    assert live.run(polls.waiting()) == 2


def test_the_window_slides(live):
    """Requests of the last minute count on into the next one, by the share of it that still lies within a minute."""
    start = 600.0
    for n in range(10):
        passage = live.run(gate.enter("key_1", start + 59))
        assert passage.requests == n + 1
        assert passage.is_first == (n == 0)
    halfway = live.run(gate.enter("key_1", start + 90))
    assert halfway.requests == 10 * 0.5 + 1
    assert live.run(gate.enter("key_2", start + 90)).requests == 1


def test_a_changed_key_changes_the_epoch(live):
    """Each change gives another token, so a counter that starts over cannot repeat one."""
    seen = {live.run(gate.enter("key_1", 0.0)).epoch}
    for _ in range(3):
        live.run(epochs.bump(epochs.KEYS))
        seen.add(live.run(gate.enter("key_1", 0.0)).epoch)
    assert len(seen) == 4
