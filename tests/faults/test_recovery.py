"""Workers killed, stopped and crashed, messages lost and doubled, Redis emptied and killed: every job ends once."""

import os
import signal
import time

import pytest
from faults.truth import (
    FAST,
    MODELS,
    Truth,
    child_of,
    kill_group,
    main_of,
    pids,
    publisher,
    truth_of,
)
from redis import Redis
from servers.stack import Stack, start_stack

from imgen.domain.job import FINISHER, State, render_queue
from imgen.settings import redis_socket


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """One stack for all tests of this file: each leaves it running."""
    with start_stack(tmp_path_factory.mktemp("faults") / "var", settings=FAST, models=MODELS) as running:
        yield running


@pytest.fixture
def truth(stack):
    """Its truth, once all its parts run."""
    for part in ("redis", "render", "finish", "api"):
        pids(stack, part)
    with truth_of(stack.data) as opened:
        yield opened


def test_a_job_that_kills_its_worker_is_given_up(stack: Stack, truth: Truth):
    """A poison job gets three attempts and is failed; jobs before, beside and after it complete."""
    before = truth.submit(2)
    (poison,) = truth.submit(1, model="slow", words="poison")
    after = truth.submit(2, model="slow", steps=1) + truth.submit(2)
    seconds = truth.await_ended([*before, poison, *after])
    (job,) = truth.jobs([poison])
    assert (job.state, job.outcome.error, job.attempts) == (State.FAILED, "Generation failed", 3)
    assert stack.status({"id": poison}) == {"status": "FAILED", "error": "Generation failed"}
    truth.check_once(before + after)
    truth.check_books([poison])
    print(f"poison job given up after {seconds:.1f} s")


@pytest.mark.parametrize("process_of", [child_of, main_of])
def test_a_killed_worker_process_costs_no_job(stack: Stack, truth: Truth, process_of):
    """SIGKILL of a worker's child or main process amid a real job of either half: the job completes after all, once."""
    rendering = stack.generate(model="slow", steps=8)["id"]
    truth.await_state(rendering, State.RENDERING)
    process_of(stack, "render").kill()
    finishing = truth.add(1)[0] if False else stack.generate(format="avif")["id"]
    truth.await_state(finishing, State.FINISHING)
    process_of(stack, "finish").kill()
    seconds = truth.await_ended([rendering, finishing])
    truth.check_once([rendering, finishing])
    assert all(job.fence >= 3 for job in truth.jobs([rendering, finishing])), "nothing was interrupted"
    print(f"{process_of.__name__}: both after {seconds:.1f} s")


def test_lost_messages_are_found(stack: Stack, truth: Truth):
    """Twenty messages that die with a worker which was stopped in its pop: all twenty jobs are recovered within 20 s."""


def test_rows_without_a_message_are_done(truth: Truth):
    """Jobs of a submitter that died between record and publish: each ends all the same."""
    ids = truth.add(20)
    seconds = truth.await_ended(ids)
    truth.check_once(ids)
    print(f"20 unpublished after {seconds:.1f} s")


def test_a_doubled_message_changes_nothing(stack: Stack, truth: Truth):
    """Five messages of each job for either half, at once: one commit, one set of files, one charge."""
    ids = truth.add(10)
    with publisher(stack.data) as sender:
        for job in truth.jobs(ids):
            for _ in range(5):
                sender.publish(job.queue, job.id, job.priority)
        for job_id in ids:
            for _ in range(5):
                sender.publish(FINISHER, job_id, 3)
        truth.await_ended(ids)
        for job_id in ids:
            sender.publish(FINISHER, job_id, 3)
            sender.publish(render_queue("eros"), job_id, 3)
        while sender.depth(FINISHER) + sender.depth(render_queue("eros")):
            time.sleep(0.05)
    truth.check_once(ids)
    for job in truth.jobs(ids):
        assert job.fence == 2
        folder = stack.data / "objects" / "pictures" / job.tenant_id / job.gen_id
        assert sorted(path.suffix for path in folder.rglob("*.*")) == [".c2pa", ".jpg", ".jpg"]


def test_an_emptied_redis_loses_no_job(stack: Stack, truth: Truth):
    """FLUSHALL with jobs in both queues: all of them end, once, and so does what is submitted afterwards."""
    ids = truth.submit(10) + truth.submit(1, model="slow", steps=4) + truth.submit(5)
    truth.await_state(ids[10], State.RENDERING)
    with Redis(unix_socket_path=str(redis_socket(stack.data))) as client:
        client.flushall()
    ids.append(stack.generate()["id"])
    seconds = truth.await_ended(ids)
    truth.check_once(ids)
    print(f"emptied Redis: all after {seconds:.1f} s")


def test_a_killed_redis_loses_no_job(stack: Stack, truth: Truth):
    """SIGKILL of Redis with jobs in both queues: it is started again, and all of them end, once."""
    ids = truth.submit(10) + truth.submit(1, model="slow", steps=4) + truth.submit(5)
    truth.await_state(ids[10], State.RENDERING)
    (redis,) = pids(stack, "redis")
    os.kill(redis, signal.SIGKILL)
    seconds = truth.await_ended(ids)
    truth.check_once(ids)
    after = stack.generate()["id"]
    truth.await_ended([after])
    truth.check_once([after])
    print(f"killed Redis: all after {seconds:.1f} s")
