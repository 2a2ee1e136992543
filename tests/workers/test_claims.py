"""Claims: the job that a message is used for."""

import threading

import pytest
from factories import PLAN, make_job
from msgspec import structs
from redis import Redis

from imgen.domain.job import FINISH_QUEUE, State, render_queue
from imgen.live import waiting
from imgen.records import job_transitions, jobs, ledger
from workers import claims

EROS = render_queue("eros")


@pytest.fixture
def submit(resources):
    """Makes waiting jobs."""

    def add(tenant="a", **changes):
        job = make_job(tenant_id=tenant, **changes)
        with resources.database.write() as connection:
            jobs.add(connection, job)
            ledger.hold(connection, job, PLAN)
        resources.live.run(waiting.add(job))
        return job

    return add


def claim(resources, message_of, queue=EROS, state=State.QUEUED):
    job = claims.claim_for_message(resources, message_of.id, queue=queue, state=state)
    return None if job is None else job.id


def read(resources, job):
    with resources.database.read() as connection:
        return jobs.find(connection, job.id)


def test_a_message_is_used_for_the_job_that_is_next(resources, submit):
    """The flood's message serves the newcomer, whose own message serves the flood: each job is claimed once."""
    flood = [submit() for _ in range(3)]
    assert claim(resources, flood[0]) == flood[0].id
    lone = submit("b")
    assert claim(resources, flood[1]) == lone.id
    assert read(resources, flood[1]).state is State.QUEUED
    assert [claim(resources, one) for one in (flood[2], lone, lone)] == [flood[1].id, flood[2].id, None]
    assert resources.live.run(waiting.count([EROS])) == 0


def test_a_message_that_is_left_over_does_the_next_work_earlier(resources, submit):
    """That of a cancelled job serves the job that is next, and claims nothing where none waits."""
    cancelled, other = submit(), submit("b")
    with resources.database.write() as connection:
        job_transitions.cancel(connection, cancelled.id, cancelled.tenant_id)
    resources.live.run(waiting.remove(EROS, [cancelled.id]))
    assert [claim(resources, cancelled), claim(resources, other)] == [other.id, None]


def test_jobs_that_wait_no_more_are_passed_over(resources, submit):
    """Those that a dead worker left in the order, or a Redis that lost its last second brought back."""
    for job in (make_job(id="run_gone", created_at=1.0), submit(state=State.RENDERING, created_at=2.0)):
        resources.live.run(waiting.add(job))
    pausing = submit(created_at=3.0, attempts=1, available_at=4e9)
    due = submit()
    assert claim(resources, due) == due.id
    assert read(resources, pausing).state is State.QUEUED
    assert resources.live.run(waiting.count([EROS])) == 0


def test_a_job_without_attempts_left_fails_on_its_turn(resources, submit):
    """It ends as failed, and the message serves the next one."""
    poison, good = submit(created_at=1.0, attempts=3), submit()
    assert claim(resources, good) == good.id
    assert read(resources, poison).state is State.FAILED


def test_a_job_of_a_newer_version_keeps_waiting(resources, submit):
    """It is left in the order for a worker that can read it; this one serves the others."""
    newer = submit(recipe=structs.replace(make_job().recipe, version=99), created_at=1.0)
    other = submit("b")
    assert [claim(resources, newer), claim(resources, newer)] == [other.id, None]
    assert read(resources, newer).state is State.QUEUED
    assert resources.live.run(waiting.position(EROS, newer.id)) == 0


@pytest.mark.parametrize("broken", [("DEL",), ("SET", "x")], ids=["lost", "of another type"])
def test_without_the_order_a_message_serves_its_own_job(resources, submit, clean_redis, broken):
    """Redis lost it, or holds something else there: no job is lost, and none is claimed twice."""
    made = [submit() for _ in range(3)]
    with Redis.from_url(clean_redis) as client:
        client.execute_command(broken[0], f"imgen:waiting:{EROS}:order", *broken[1:])
    assert [claim(resources, one) for one in (made[2], made[2], made[0], made[1])] == [
        made[2].id,
        None,
        made[0].id,
        made[1].id,
    ]


def test_a_flood_of_finishes_delays_another_tenant_by_one_job(resources, submit):
    """Cache hits come to the finish queue without having been rendered; jobs that wait to be rendered are none of its business."""
    rendering = submit(created_at=1.0)
    flood = [submit(state=State.RENDERED, queue=FINISH_QUEUE, created_at=2.0 + number) for number in range(5)]
    assert claim(resources, flood[0], queue=FINISH_QUEUE, state=State.RENDERED) == flood[0].id
    lone = submit("b", state=State.RENDERED, queue=FINISH_QUEUE)
    order = [
        claim(resources, message, queue=FINISH_QUEUE, state=State.RENDERED) for message in (*flood[1:], lone, lone)
    ]
    assert order == [lone.id, *(job.id for job in flood[1:]), None]
    assert read(resources, rendering).state is State.QUEUED
    assert resources.live.run(waiting.count([FINISH_QUEUE])) == 0


def test_workers_that_claim_at_once_share_the_jobs(resources, submit):
    """Forty messages come to four workers at the same time: each job is claimed once, and tenants alternate."""
    made = [submit(tenant) for tenant in "ab" for _ in range(20)]
    claimed, lock = [], threading.Lock()

    def work(messages):
        for message in messages:
            job = claims.claim_for_message(resources, message.id, queue=EROS, state=State.QUEUED)
            with lock:
                claimed.append(job)

    threads = [threading.Thread(target=work, args=(made[number::4],)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(job.id for job in claimed) == sorted(job.id for job in made)
    assert abs([job.tenant_id for job in claimed[:20]].count("a") - 10) <= 4  # as many as are under way at once
