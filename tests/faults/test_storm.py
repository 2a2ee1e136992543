"""Storms of kills over HTTP: every part is among the victims, while clients submit and poll as they do every day."""

import random
import time

import pytest
from faults.pollers import Pollers, Submitter
from faults.storms import await_settled, kill
from faults.truth import Truth
from servers.stack import PARTS, Stack
from sqlalchemy import select

from imgen.records.tables.jobs import jobs as job_rows
from imgen.stack.supervisor import MAX_RESTARTS

OPEN_AT_ONCE = 40
"""Jobs that are open while the storm lasts: a storm, not a pile."""


@pytest.mark.timeout(1200)  # of which a busy machine may need many: each kill starts a process
@pytest.mark.parametrize(
    ("jobs", "kills"), [(10, 5), pytest.param(300, 50, marks=pytest.mark.faults)], ids=["sample", "storm"]
)
def test_a_storm_over_http(stack: Stack, truth: Truth, jobs: int, kills: int):
    """SIGKILL for worker, Redis, API and embedder in turn: each answered id completes once, the books agree, no poll goes backward."""
    if kills > MAX_RESTARTS:
        await_settled(stack)
    earlier = all_ids(truth)
    rng, killed = random.Random(11), list[str]()
    started = time.monotonic()
    with Pollers(stack, number=4) as pollers:
        submitter = Submitter(stack, jobs, pollers.add, open_at_once=OPEN_AT_ONCE)
        submitter.start()
        while len(killed) < kills:
            for part in rng.sample(list(PARTS), len(PARTS)):
                while len(submitter.ids) * kills < min(len(killed), kills) * jobs:  # from the first job to the last
                    submitter.ended = pollers.ended()
                    time.sleep(0.02)
                time.sleep(rng.uniform(0, 0.5))
                kill(stack, part)
                killed.append(part)
        last_kill = time.monotonic()
        while submitter.is_alive():
            submitter.ended = pollers.ended()
            submitter.join(0.05)
        seconds = truth.await_ended(submitter.ids, within_s=180)
        deadline = time.monotonic() + 30
        while pollers.ended() < jobs:
            assert time.monotonic() < deadline, f"{pollers.ended()} of {jobs} ends are told"
            time.sleep(0.05)
    assert pollers.faults == []
    assert len(set(submitter.ids)) == jobs
    truth.check_once(submitter.ids)
    unanswered = all_ids(truth) - earlier - set(submitter.ids)  # accepted, but the answer was lost with its process
    truth.await_ended(unanswered)
    truth.check_once(unanswered)
    print(
        f"{jobs} jobs and {len(unanswered)} whose answer was lost, {len(killed)} kills in {last_kill - started:.0f} s: "
        f"ended {seconds:.1f} s after the last submit, {time.monotonic() - last_kill:.1f} s after the last kill; "
        f"{pollers.polls} polls, {pollers.unanswered} unanswered, {submitter.refused} submits tried again; none backward"
    )


def all_ids(truth: Truth) -> set[str]:
    """Ids of all jobs that there are."""
    with truth.database.read() as connection:
        return set(connection.execute(select(job_rows.c.id)).scalars())
