"""Workers killed, stopped and crashed, messages lost and doubled, Redis emptied and killed: every job ends once."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from faults.storms import await_settled
from faults.truth import (
    FAST,
    MODELS,
    Truth,
    child_of,
    kill_group,
    main_of,
    pids,
    publisher,
)
from redis import Redis
from servers.stack import Stack, stop_between_writes

from imgen.domain.job import FINISH_QUEUE, State, render_queue
from imgen.settings import socket_path

PATIENT = FAST.replace("lease_s = 4", "lease_s = 20")
"""For fifty processes on few cores, which are not to lose their jobs before they are stopped."""


@pytest.mark.faults
def test_a_job_that_kills_its_worker_is_given_up(stack: Stack, truth: Truth):
    """A poison job gets three attempts and is failed; jobs before, beside and after it complete."""
    before = truth.submit(2)
    (poison,) = truth.submit(1, model="slow", words="poison")
    after = truth.submit(2, model="slow", steps=1) + truth.submit(2)
    seconds = truth.await_ended([*before, poison, *after])
    (job,) = truth.jobs([poison])
    assert (job.state, job.outcome.error, job.attempts) == (State.FAILED, "Generation failed", 3)
    assert stack.status({"id": poison}) == {
        "status": "FAILED",
        "error": "Generation failed",
        "code": "worker_lost",
    }
    truth.check_once(before + after)
    truth.check_books([poison])
    print(f"poison job given up after {seconds:.1f} s")


@pytest.mark.parametrize("process_of", [child_of, pytest.param(main_of, marks=pytest.mark.faults)])
def test_a_killed_worker_process_costs_no_job(stack: Stack, truth: Truth, process_of):
    """SIGKILL of a worker's child or main process amid a real job of either half: the job completes after all, once."""
    rendering = stack.generate(model="slow", steps=8)["id"]
    truth.await_state(rendering, State.RENDERING)
    process_of(stack, "render").kill()
    finishing = stack.generate(format="avif")["id"]
    truth.await_state(finishing, State.FINISHING)
    process_of(stack, "finish").kill()
    seconds = truth.await_ended([rendering, finishing])
    truth.check_once([rendering, finishing])
    assert all(job.fence >= 3 for job in truth.jobs([rendering, finishing])), "nothing was interrupted"
    print(f"{process_of.__name__}: both after {seconds:.1f} s")


@pytest.mark.parametrize("model", ["slow", "batched"])
def test_a_worker_killed_amid_siblings_costs_no_picture(stack: Stack, truth: Truth, model: str):
    """SIGKILL while four siblings are drawn one by one, or in one call: all complete, each once, with the seeds asked for."""
    ids = stack.generate(model=model, steps=4, n=4, seed=40)["ids"]
    truth.await_state(ids[1], State.RENDERING)
    child_of(stack, "render").kill()
    seconds = truth.await_ended(ids)
    truth.check_once(ids)
    siblings = truth.jobs(ids)
    assert [job.outcome.meta.seed for job in siblings] == [40, 41, 42, 43]
    assert {job.batch_id for job in siblings} == {ids[0]}
    assert any(job.fence >= 3 for job in siblings), "nothing was interrupted"
    print(f"{model}, killed amid siblings: all four after {seconds:.1f} s")


@pytest.mark.faults
def test_messages_that_die_with_their_worker_are_found(stack: Stack, truth: Truth):
    """Workers stopped in their pop, then killed with the message in hand: twenty of twenty jobs are recovered in 20 s."""
    lost, killed_at = [], {}
    with publisher(stack.data) as sender, Redis(unix_socket_path=str(socket_path(stack.data, "redis"))) as client:
        while len(lost) < 20:
            await_blocked_pops(stack, client)
            finish, render = main_of(stack, "finish"), main_of(stack, "render")
            finish.suspend()
            rendered = truth.submit(1)[0]
            await_true(lambda job_id=rendered: is_published(truth, job_id, State.RENDERED))
            render.suspend()
            queued = truth.submit(1)[0]
            time.sleep(0.1)
            if sender.depth(FINISH_QUEUE) or sender.depth(
                render_queue("eros")
            ):  # a pop had run out before the message came
                finish.resume()
                render.resume()
                truth.await_ended([rendered, queued])
                continue
            kill_group(finish)
            kill_group(render)
            lost += [rendered, queued]
            killed_at |= dict.fromkeys((rendered, queued), time.time())
    truth.await_ended(lost)
    truth.check_once(lost)
    seconds = [job.ended_at - killed_at[job.id] for job in truth.jobs(lost)]
    print(f"20 lost messages: jobs ended within {max(seconds):.1f} s of the kill")
    assert max(seconds) < 20


@pytest.mark.faults
def test_rows_without_a_message_are_done(truth: Truth):
    """Jobs of a submitter that died between record and publish: each ends all the same."""
    ids = truth.add(20)
    seconds = truth.await_ended(ids)
    truth.check_once(ids)
    print(f"20 unpublished after {seconds:.1f} s")


@pytest.mark.faults
def test_a_doubled_message_changes_nothing(stack: Stack, truth: Truth):
    """Five messages of each job for either half, at once: one commit, one set of files, one charge."""
    ids = truth.add(10)
    with publisher(stack.data) as sender:
        for job in truth.jobs(ids):
            for _ in range(5):
                sender.publish(job.queue, job.id, job.priority)
        for job_id in ids:
            for _ in range(5):
                sender.publish(FINISH_QUEUE, job_id, 3)
        truth.await_ended(ids)
        for job_id in ids:
            sender.publish(FINISH_QUEUE, job_id, 3)
            sender.publish(render_queue("eros"), job_id, 3)
        while sender.depth(FINISH_QUEUE) + sender.depth(render_queue("eros")):
            time.sleep(0.05)
    truth.check_once(ids)
    for job in truth.jobs(ids):
        assert job.fence == 2
        folder = stack.data / "objects" / "pictures" / job.tenant_id / job.gen_id
        assert sorted(path.suffix for path in folder.rglob("*.*")) == [".jpg", ".jpg"]
        kept = stack.data / "objects" / "manifests" / job.tenant_id / job.gen_id
        assert [path.suffix for path in kept.rglob("*.*")] == [".c2pa"]


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_workers_that_were_stopped_past_their_lease_change_nothing(stack: Stack, truth: Truth, tmp_path):
    """Fifty processes are stopped amid a job each and resumed after others did the jobs: no stale commit in fifty."""
    with slow_worker(stack, tmp_path, processes=50) as extra:
        render = main_of(stack, "render")
        stop_group(stack.data, render)  # who may take one message along, which is found again
        ids = truth.submit(51, steps=40)
        await_true(lambda: sum(job.state is State.RENDERING for job in truth.jobs(ids)) >= 50)
        stop_group(stack.data, psutil.Process(extra.process.pid))
        os.killpg(render.pid, signal.SIGCONT)
        truth.await_ended(ids)
        os.killpg(extra.process.pid, signal.SIGCONT)
        await_true(lambda: extra.log.read_text().count("no longer ours") >= 50)
        truth.check_once(ids)
        assert sum(job.fence >= 3 for job in truth.jobs(ids)) >= 50  # one for each process that was stopped


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_a_storm_of_kills(stack: Stack, truth: Truth):
    """300 jobs under 32 SIGKILLs of whole workers: all complete, each committed once, within 15 s of the last kill.

    On a busy machine, within three times as long as 40 jobs take without a kill.
    """
    await_settled(stack)
    undisturbed = truth.await_ended(truth.submit(40))
    rng = random.Random(7)
    ids: list[str] = []
    for number in range(32):
        ids += truth.submit(10 if number < 28 else 5)
        await_true(lambda: len(ids) - truth.ended(ids) < 40)  # a storm, not a pile
        main = main_of(stack, rng.choice(("render", "finish")))
        time.sleep(rng.uniform(0, 0.5))
        kill_group(main)
    seconds = truth.await_ended(ids)
    assert len(ids) == 300
    truth.check_once(ids)
    print(f"300 jobs, 32 kills: drained {seconds:.1f} s after the last; 40 undisturbed: {undisturbed:.1f} s")
    assert seconds < max(15, 3 * undisturbed)


@pytest.mark.faults
def test_an_emptied_redis_loses_no_job(stack: Stack, truth: Truth):
    """FLUSHALL with jobs in both queues: all of them end, once, and so does what is submitted afterwards."""
    ids = truth.submit(10) + truth.submit(1, model="slow", steps=4) + truth.submit(5)
    truth.await_state(ids[10], State.RENDERING)
    with Redis(unix_socket_path=str(socket_path(stack.data, "redis"))) as client:
        client.flushall()
    ids.append(stack.generate()["id"])
    seconds = truth.await_ended(ids)
    truth.check_once(ids)
    print(f"emptied Redis: all after {seconds:.1f} s")


@pytest.mark.faults
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


@dataclass(frozen=True)
class SlowWorker:
    """A worker beside the stack's own."""

    process: subprocess.Popen
    log: Path


@contextlib.contextmanager
def slow_worker(stack: Stack, folder: Path, *, processes: int) -> Iterator[SlowWorker]:
    """A render worker on another host, as it were: the stack's stores, but steps of `eros` take it so long that none ends."""
    data, ready = folder / "var", folder / "ready"
    data.mkdir()
    shared = f'[redis]\nurl = "unix://{socket_path(stack.data, "redis")}?db=0"\n[objects]\nfolder = "{stack.data / "objects"}"\n'
    (data / "imgen.toml").write_text(f'{PATIENT}{shared}[database]\nurl = "sqlite:///{stack.data / "imgen.db"}"\n')
    slow = MODELS.replace("step_s = 0.0", "step_s = 4.0").replace("time_limit_s = 60", "time_limit_s = 300")
    (data / "models.toml").write_text(slow)
    (data / "characters.toml").write_text((stack.data / "characters.toml").read_text())
    command = [sys.executable, "-m", "imgen.cli", "worker", "--queues", "render.eros", "--processes", str(processes)]
    command += ["--data", str(data), "--ready-file", str(ready)]
    with (folder / "log").open("wb") as told:
        process = subprocess.Popen(command, stderr=told, start_new_session=True)
    try:
        await_true(ready.exists)
        yield SlowWorker(process, folder / "log")
        process.terminate()
        assert process.wait(30) == 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def stop_group(data: Path, main: psutil.Process) -> None:
    """SIGSTOP for a part and all its children."""
    stop_between_writes(data, [main.pid, *(child.pid for child in main.children(recursive=True))])


def await_true(asked: Callable[[], bool], within_s: float = 150) -> None:
    """Asks until the answer is yes."""
    deadline = time.monotonic() + within_s
    while not asked():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.01)


def await_blocked_pops(stack: Stack, client: Redis) -> None:
    """Waits until both workers run and each is blocked in a pop."""
    for part in ("render", "finish"):
        pids(stack, part)
    await_true(lambda: sum("b" in consumer["flags"] for consumer in client.client_list()) >= 2)


def is_published(truth: Truth, job_id: str, state: State) -> bool:
    """Whether the job is in the state and its message has been sent."""
    (job,) = truth.jobs([job_id])
    return job.state is state and job.published_at is not None
