"""Facts of a stack: its own database on its jobs, rows put there without a message, and its processes."""

import contextlib
import hashlib
import os
import signal
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from factories import PLAN, make_job, make_recipe
from servers.stack import INSTANT_MODELS, Stack
from sqlalchemy import select

from imgen.domain.job import ENDED, FINISH_QUEUE, OPEN, Job, State, render_queue
from imgen.domain.recipe import Diffusion
from imgen.live.queue import Publisher
from imgen.records import api_keys, books, job_transitions, jobs, ledger
from imgen.records.database import Database
from imgen.records.tables.jobs import jobs as job_rows
from imgen.records.tables.ledger import ledger as entries
from imgen.settings import socket_path

FAST = """
default_plan = "unlimited"

[jobs]
lease_s = 4
reconcile_s = 0.5
"""
"""Settings that find a dead worker within seconds."""

SLOW_MODEL = """
[slow]
label = "Slow"
source = "none"
backend = "instant"
steps = { default = 4, min = 1, max = 500 }
guidance = { default = 3.5, min = 1.0, max = 12.0 }
time_limit_s = 60
default_style = "professional"
call = { step_s = 0.25, crash_on = "poison" }
styles = { professional = { label = "Professional" } }
"""
BATCHED_MODEL = SLOW_MODEL.replace("[slow]", "[batched]") + "batch = { max = 4 }\n"
DEAR_MODEL = (
    SLOW_MODEL.replace("[slow]", "[dear]").replace("step_s = 0.25", 'step_s = 0.05, fail_on = "brittle"')
    + "credits = 3\n"
)
MODELS = INSTANT_MODELS + SLOW_MODEL + BATCHED_MODEL + DEAR_MODEL
"""`eros` draws at once; `slow` takes a quarter of a second for each step, and `poison` kills its worker; `batched` is like `slow`,
and draws up to four pictures in one call; `dear` costs three credits, and `brittle` fails with it."""


@dataclass(frozen=True)
class Truth:
    """The database of a running or stopped stack."""

    database: Database
    data: Path
    tenant_id: str
    key_id: str

    def add(self, number: int = 1, *, model: str = "eros", words: str = "red coat", steps: int = 4) -> list[str]:
        """Inserts small jobs as a submitter does that dies before it publishes. Returns their ids."""
        made = []
        for seed in range(number):
            diffusion = Diffusion(
                positive=words,
                negative="",
                width=256,
                height=256,
                seed=seed,
                num_inference_steps=steps,
                guidance_scale=3.5,
            )
            recipe = make_recipe(model=model, diffusion=diffusion)
            queue = render_queue(model)
            made.append(make_job(tenant_id=self.tenant_id, counted_as=self.key_id, queue=queue, recipe=recipe))
        with self.database.write() as connection:
            for job in made:
                jobs.add(connection, job)
                ledger.hold(connection, job, PLAN)
        return [job.id for job in made]

    def submit(self, number: int = 1, **fields: object) -> list[str]:
        """Inserts small jobs and publishes them, without the API."""
        ids = self.add(number, **fields)
        with publisher(self.data) as sender:
            for job in self.jobs(ids):
                sender.publish(job.queue, job.id, job.priority)
                self.database.attempt(job_transitions.note_published, job.id, job.queue)
        return ids

    def jobs(self, ids: Collection[str]) -> list[Job]:
        """The jobs, in the order of their ids' list."""
        with self.database.read() as connection:
            rows = connection.execute(select(job_rows).where(job_rows.c.id.in_(ids))).mappings()
            found = {row["id"]: jobs.from_row(row) for row in rows}
        return [found[job_id] for job_id in ids]

    def ended(self, ids: Collection[str]) -> int:
        """Number of them that have ended."""
        return sum(job.state in ENDED for job in self.jobs(ids))

    def await_state(self, job_id: str, *states: State, within_s: float = 120) -> Job:
        """Waits until the job is in one of the states."""
        deadline = time.monotonic() + within_s
        while (job := self.jobs([job_id])[0]).state not in states:
            assert time.monotonic() < deadline, f"{job.state} after {within_s} s"
            assert job.state in OPEN, f"ended as {job.state}"
            time.sleep(0.005)
        return job

    def await_ended(self, ids: Collection[str], within_s: float = 180) -> float:
        """Waits until all have ended; seconds it took."""
        started = time.monotonic()
        while (ended := self.ended(ids)) < len(ids):
            assert time.monotonic() - started < within_s, f"{ended} of {len(ids)} ended within {within_s} s"
            time.sleep(0.05)
        return time.monotonic() - started

    def check_once(self, ids: Collection[str]) -> None:
        """Each job completed, was charged once, and its one outcome names whole files of the attempt that committed."""
        for job in self.jobs(ids):
            assert job.state is State.COMPLETED, f"{job.id}: {job.state} {job.outcome}"
            self.check_pictures(job)
        self.check_books(ids)

    def check_pictures(self, job: Job) -> None:
        """The outcome's files lie in the folder of the fence that committed, the signed one byte for byte."""
        folder = f"pictures/{job.tenant_id}/{job.gen_id}/{job.fence}"
        assert {image.key.rpartition("/")[0] for image in job.outcome.images} == {folder}
        bodies = {image.type: (self.data / "objects" / image.key).read_bytes() for image in job.outcome.images}
        assert hashlib.sha256(bodies["signed"]).hexdigest() == job.outcome.meta.sha256
        assert bodies["thumbnail"]

    def check_books(self, ids: Collection[str]) -> None:
        """One hold and one charge or release for each of these jobs; all sums equal jobs and ledger."""
        with self.database.snapshot() as connection:
            assert books.differences(connection) == []
            kinds: dict[str, list[str]] = {}
            for job_id, kind in connection.execute(select(entries.c.job_id, entries.c.kind)):
                kinds.setdefault(job_id, []).append(kind)
        for job in self.jobs(ids):
            settled = "charge" if job.state is State.COMPLETED else "release"
            assert sorted(kinds[job.id]) == sorted(["hold", settled]), job.id


@contextlib.contextmanager
def truth_of(data: Path) -> Iterator[Truth]:
    """The truth of the stack over a data folder, acting for the tenant its first run made."""
    database = Database(f"sqlite:///{data / 'imgen.db'}")
    try:
        with database.read() as connection:
            (principal, *_) = api_keys.all_keys(connection)
        yield Truth(database, data, principal.tenant.id, principal.key.id)
    finally:
        database.close()


@contextlib.contextmanager
def publisher(data: Path) -> Iterator[Publisher]:
    """A second publisher on the stack's broker."""
    opened = Publisher(f"unix://{socket_path(data, 'redis')}?db=0")
    try:
        yield opened
    finally:
        opened.close()


def main_of(stack: Stack, part: str) -> psutil.Process:
    """The main process of a part; it leads the part's process group."""
    return next(process for process in map(psutil.Process, pids(stack, part)) if os.getpgid(process.pid) == process.pid)


def child_of(stack: Stack, part: str) -> psutil.Process:
    """The process of a worker that runs its tasks."""
    main = main_of(stack, part)
    return next(process for process in map(psutil.Process, pids(stack, part)) if process.pid != main.pid)


def pids(stack: Stack, part: str, within_s: float = 90) -> list[int]:
    """Process ids of a part once it runs; a worker runs when it has forked a child."""
    deadline = time.monotonic() + within_s
    wanted = 2 if part in ("render", FINISH_QUEUE) else 1
    while len(found := stack.pids()[part]) < wanted:
        assert time.monotonic() < deadline, f"no {part} within {within_s} s"
        time.sleep(0.05)
    return found


def kill_group(main: psutil.Process) -> None:
    """SIGKILL for a part and all its children, at once."""
    os.killpg(main.pid, signal.SIGKILL)


def left_behind(data: Path) -> list[str]:
    """Command lines of running processes that name the data folder, or were told of it in their environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            told = process.environ().get("IMGEN_DATA") == str(data)
            line = process.cmdline()
            if process.pid != os.getpid() and (told or any(str(data) in word for word in line)):
                found.append(" ".join(line))
    return found


def await_gone(data: Path, within_s: float = 180) -> float:
    """Waits until no process of the stack is left; seconds it took."""
    started = time.monotonic()
    while left := left_behind(data):
        assert time.monotonic() - started < within_s, f"still running after {within_s} s: {left}"
        time.sleep(0.1)
    return time.monotonic() - started
