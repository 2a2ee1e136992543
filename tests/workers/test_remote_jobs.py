"""Jobs of one process at engines elsewhere: as many as the engines take, and none lost at the worker's end."""

import threading
import time

import pytest
import structlog
from factories import make_job

from imgen.domain.catalog import Catalog, parse_model
from imgen.domain.remote_engine import parse_remote_engine
from workers.remote_jobs import MOST, RemoteJobs, is_for_engines_elsewhere, room

BASE = {
    "label": "x",
    "steps": {"default": 4},
    "guidance": {"default": 3.5},
    "default_style": "plain",
    "styles": {"plain": {"label": "Plain"}},
}


def catalog(**engines):
    """A model for each key, drawn by these engines; none: it is drawn here."""
    models = {}
    for key, names in engines.items():
        own = {"backend": "remote", "engines": [{"engine": name} for name in names]} if names else {"source": "here"}
        models[key] = parse_model(key, BASE | own)
    return Catalog(models=models, characters={})


def engines(**calls):
    return {key: parse_remote_engine(key, {"kind": "openai", "calls": number}) for key, number in calls.items()}


@pytest.mark.parametrize(
    ("queues", "expected"),
    [
        (["render.a"], 24),
        (["render.b"], 64),
        (["render.a", "render.b"], 88),
        (["render.c"], 1),
        (["finish"], 1),
        (["render.a", "render.b", "render.d"], MOST),
    ],
)
def test_there_is_room_for_the_calls_of_all_engines_of_the_queues(queues, expected):
    """Twice, so that no engine waits; each counts once, and one that nobody configured not at all."""
    known = engines(first=12, second=32, many=256)
    assert room(catalog(a=["first"], b=["second", "gone"], c=[], d=["many", "second"]), known, queues) == expected


class Work:
    """Job that is claimed and run once a test says so."""

    def __init__(self, job_id, error=None):
        self._job_id = job_id
        self._error = error
        self.may_claim, self.may_end, self.runs = threading.Event(), threading.Event(), threading.Event()

    def claim(self):
        self.may_claim.wait(5)
        return make_job(id=self._job_id) if self._job_id else None

    def run(self, job):
        assert job.id == self._job_id
        self.runs.set()
        self.may_end.wait(5)
        if self._error is not None:
            raise self._error

    def begun(self, held):
        """Itself, started and claimed."""
        held.start(self.claim, self.run)
        self.may_claim.set()
        assert self.runs.wait(5)
        return self


def test_a_claim_is_not_waited_for_and_counts():
    """The next message is read meanwhile; a claim that finds no job leaves its place."""
    held, found, nothing = RemoteJobs(), Work("run_0"), Work("")
    held.start(found.claim, found.run)
    held.start(nothing.claim, nothing.run)
    assert (held.ids, held.are_any) == ((), True)
    waiter = awaiting_room(held, 2)
    nothing.may_claim.set()
    waiter.join(5)
    assert not waiter.is_alive()
    found.may_claim.set()
    assert found.runs.wait(5)
    assert (held.ids, nothing.runs.is_set()) == (("run_0",), False)
    found.may_end.set()
    held.await_all(timeout_s=5)
    assert not held.are_any


def test_the_next_job_begins_as_soon_as_one_has_ended():
    """And not before."""
    held = RemoteJobs()
    first, second = Work("run_0").begun(held), Work("run_1").begun(held)
    held.await_room(3, timeout_s=0)
    assert held.ids == ("run_0", "run_1")
    waiter = awaiting_room(held, 2)
    second.may_end.set()
    waiter.join(5)
    assert not waiter.is_alive()
    assert held.ids == ("run_0",)
    first.may_end.set()


def awaiting_room(held, most):
    """A thread that waits for it, and does so still."""
    waiter = threading.Thread(target=held.await_room, args=(most,), kwargs={"timeout_s": 10})
    waiter.start()
    waiter.join(0.05)
    assert waiter.is_alive()
    return waiter


def test_nobody_waits_for_ever():
    """A task of Celery has to end; a job's unforeseen error is logged and takes no other along."""
    held = RemoteJobs()
    hanging = Work("run_hangs").begun(held)
    began = time.monotonic()
    held.await_room(1, timeout_s=0.05)
    held.await_all(timeout_s=0.05)
    assert time.monotonic() - began < 2
    with structlog.testing.capture_logs() as logs:
        Work("run_fails", ValueError("broken")).begun(held).may_end.set()
        held.await_room(2, timeout_s=5)
    assert [(line["event"], line["job"]) for line in logs] == [("a job was left to the reconciler", "run_fails")]
    assert held.ids == ("run_hangs",)
    hanging.may_end.set()
    held.await_all(timeout_s=5)
    assert held.ids == ()


def test_queues_of_models_that_are_drawn_elsewhere():
    """By the models' keys; a queue of finished renders is none."""
    known = catalog(a=["first"], c=[])
    assert [is_for_engines_elsewhere(known, queue) for queue in ("render.a", "render.c", "finish")] == [
        True,
        False,
        False,
    ]
