"""Models of servers on loopback, clients of them, jobs and their book, and a process that asks hostile engines."""

import asyncio
import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from factories import PLAN, make_job
from pydantic import SecretStr
from servers.comfyui_models import MODEL, diffusion
from servers.faulty_http import answer, start_faulty_http

from imgen.domain.catalog import parse_model
from imgen.domain.job import State
from imgen.domain.remote_engine import parse_remote_engine
from imgen.records import engine_calls, job_transitions, jobs, ledger
from workers import engines
from workers.engines import EngineContext, Shot
from workers.engines.remote.protocol import PictureRequest


@pytest.fixture
def no_network():
    """Replaces the folder's ban: the servers are on loopback."""


@pytest.fixture
def load_entries():
    """Loads a model of entries that one remote engine draws."""
    loaded = []

    def make(remote, key, entries, folders=(), **further):
        context = EngineContext(
            remote_engines={"elsewhere": remote}, workflow_folders=folders, key_in=lambda _: SecretStr(key)
        )
        model = parse_model("remote", MODEL | {"engines": list(entries)} | further)
        engines.check(model, context)
        loaded.append(engines.load(model, context))
        return loaded[-1]

    yield make
    for engine in loaded:
        engine.unload()


@pytest.fixture
def load_from(load_entries):
    """Loads a model that one entry of engines.toml draws."""

    def make(table, key, entry, **further):
        remote = parse_remote_engine("elsewhere", {"api_key_env": "REMOTE_KEY"} | table)
        return load_entries(remote, key, [{"engine": "elsewhere"} | entry], **further)

    return make


@pytest.fixture
def run_client():
    """Runs a coroutine that is made with a client, opened in its event loop, and a request for a picture."""

    def run(opened, work, choice, shot=None):
        async def main():
            client = opened()
            chosen = parse_model("remote", MODEL | {"engines": [choice]}).engine.engines[0]
            request = PictureRequest(call_id=str(uuid.uuid4()), choice=chosen, shot=shot or Shot(diffusion=diffusion()))
            try:
                return await work(client, request)
            finally:
                await client.close()

        return asyncio.run(main())

    return run


@pytest.fixture
def claim(database):
    """Makes a job that a worker has claimed."""

    def make():
        job = make_job()
        with database.write() as connection:
            jobs.add(connection, job)
            ledger.hold(connection, job, PLAN)
        return database.attempt(job_transitions.claim, job.id, waiting=State.QUEUED, lease_s=60, max_attempts=3)

    return make


@pytest.fixture
def spent(database):
    """Adds up what this month's calls of an engine cost."""

    def read(engine):
        with database.read() as connection:
            return engine_calls.spent_micros(connection, engine, time.strftime("%Y-%m", time.gmtime()))

    return read


@pytest.fixture(scope="module")
def hostile_server():
    with start_faulty_http(answer(500)) as started:
        yield started


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """Log of the process that asks."""
    return tmp_path_factory.mktemp("hostile") / "log"


@pytest.fixture(scope="module")
def child(log):
    """Process that asks; one for all, its peak is set back each time."""
    root = Path(__file__).parents[4]
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, root / "tests" / "hostile_answers.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            env={**os.environ, "PYTHONPATH": str(root), "MALLOC_ARENA_MAX": "2"},
            text=True,
        )
        yield process
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


@pytest.fixture
def ask(hostile_server, child):
    """Has the process ask an engine of a kind for a picture, which is answered so."""

    def one(behaviour, timeout_s=30, kind="openai"):
        hostile_server.script[:] = [behaviour]
        child.stdin.write(json.dumps({"kind": kind, "url": hostile_server.url, "timeout_s": timeout_s}) + "\n")
        child.stdin.flush()
        told = json.loads(child.stdout.readline())
        assert not hostile_server.script
        return told

    return one
