"""Models of a server on loopback, for the kinds without a conftest of their own, and a process that asks hostile engines."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr
from servers.comfyui_models import MODEL
from servers.faulty_http import answer, start_faulty_http

from imgen.domain.catalog import parse_model
from imgen.domain.remote_engine import parse_remote_engine
from workers import engines
from workers.engines import EngineContext


@pytest.fixture
def no_network():
    """Replaces the folder's ban: the servers are on loopback."""


@pytest.fixture
def load_from():
    """Loads a model that one entry of engines.toml draws."""
    loaded = []

    def make(remote, key, entry):
        context = EngineContext(
            remote_engines={"elsewhere": parse_remote_engine("elsewhere", {"api_key_env": "REMOTE_KEY"} | remote)},
            key_in={"REMOTE_KEY": SecretStr(key)}.__getitem__,
        )
        model = parse_model("remote", MODEL | {"engines": [{"engine": "elsewhere"} | entry]})
        engines.check(model, context)
        loaded.append(engines.load(model, context))
        return loaded[-1]

    yield make
    for engine in loaded:
        engine.unload()


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
