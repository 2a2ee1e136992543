"""Jobs of one process at engines elsewhere: as many as the engines take, and none lost at the worker's end."""

import threading
import time
from concurrent.futures import Future

import pytest

from imgen.domain.catalog import Catalog, parse_model
from imgen.domain.remote_engine import parse_remote_engine
from workers.remote_jobs import MOST, RemoteJobs, room

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


def test_the_next_job_begins_as_soon_as_one_has_ended():
    """And not before."""
    held, commits = RemoteJobs(), [Future(), Future()]
    for number, commit in enumerate(commits):
        held.add(f"run_{number}", commit)
    held.await_room(3, timeout_s=0)
    assert held.ids == ("run_0", "run_1")
    waiter = threading.Thread(target=held.await_room, args=(2,), kwargs={"timeout_s": 10})
    waiter.start()
    waiter.join(0.05)
    assert waiter.is_alive()
    commits[1].set_result(None)
    waiter.join(5)
    assert not waiter.is_alive()
    assert held.ids == ("run_0",)


def test_nobody_waits_for_ever(caplog):
    """A task of Celery has to end; a job's unforeseen error is logged and takes no other along."""
    held, hanging, failed = RemoteJobs(), Future(), Future()
    held.add("run_hangs", hanging)
    began = time.monotonic()
    held.await_room(1, timeout_s=0.05)
    held.await_all(timeout_s=0.05)
    assert time.monotonic() - began < 2
    held.add("run_fails", failed)
    failed.set_exception(ValueError("broken"))
    assert held.ids == ("run_hangs",)
    hanging.set_result(None)
    held.await_all(timeout_s=5)
    assert held.ids == ()
