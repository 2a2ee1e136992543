"""Waiting jobs: a place in the queue of one's own model."""

from imgen.live import waiting

EROS, OTHER = "render.eros", "render.other"


def test_places_follow_priority_then_time(live):
    """The more urgent job stands before the earlier one, and a job that left is not counted."""
    for job_id, priority, created_at in (("late", 3, 2e9), ("early", 3, 1e9), ("urgent", 0, 3e9)):
        live.run(waiting.add(EROS, job_id, priority=priority, created_at=created_at))
    assert [live.run(waiting.position(EROS, job_id)) for job_id in ("urgent", "early", "late")] == [0, 1, 2]
    live.run(waiting.remove(EROS, ["early"]))
    assert live.run(waiting.position(EROS, "late")) == 1
    assert live.run(waiting.count([EROS])) == 2


def test_jobs_of_another_model_are_no_part_of_the_place(live):
    """A flood of one model leaves the first job of another one at its first place; all are counted together."""
    for number in range(5):
        live.run(waiting.add(EROS, f"run_{number}", priority=0, created_at=1e9))
    live.run(waiting.add(OTHER, "lone", priority=9, created_at=2e9))
    assert live.run(waiting.position(OTHER, "lone")) == 0
    assert live.run(waiting.position(EROS, "lone")) is None
    assert live.run(waiting.count([EROS, OTHER])) == 6
    assert live.run(waiting.are_waiting([(OTHER, "lone"), (EROS, "lone")])) == [True, False]
