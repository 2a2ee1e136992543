"""Capabilities in a worker's heartbeats: those of the files as they are, also when they change while no job comes."""

import time

import msgspec
import pytest

from imgen.domain.capabilities import Capabilities
from imgen.domain.errors import RemoteEngineAway, RemoteKeyRefused
from imgen.domain.remote_engine import EngineState, parse_remote_engine
from imgen.live import epochs, workers
from imgen.live.workers import WorkerHeartbeat
from workers.engines.remote.opened import OpenedEngine
from workers.heartbeat import Heartbeat
from workers.told_capabilities import ToldCapabilities


@pytest.fixture
def models_file(resources):
    """The operator's models."""
    return resources.settings.data_dir / "models.toml"


@pytest.fixture
def told(resources):
    """Tells the capabilities of a worker that consumes the queue of `eros`."""
    capabilities = ToldCapabilities(resources.settings, ("render.eros", "finish"))
    return lambda: capabilities.now(resources.live)


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_reload_is_seen_without_a_job(resources, models_file, told):
    """A changed batch is told once the configuration is read again, not before; only models of its queues are told."""
    assert told() == {"eros": Capabilities(negative_above=None, batch=1)}
    change(models_file, "time_limit_s = 30", "time_limit_s = 30\nbatch = { max = 3 }\nnegative_prompt = false")
    assert told()["eros"].batch == 1
    resources.live.run(epochs.bump(epochs.CONFIGURATION))
    assert told() == {"eros": Capabilities(negative=False, negative_above=None, batch=3)}


def test_a_batch_that_memory_did_not_suffice_for_is_told_lower(resources, models_file):
    """From the render on that ran out of memory; a limit above the model's own changes nothing."""
    limits = {}
    capabilities = ToldCapabilities(resources.settings, ("render.eros",), batch_limits=limits)
    change(models_file, "time_limit_s = 30", "time_limit_s = 30\nbatch = { max = 3 }")
    told = []
    for limit in (8, 2, 1):
        limits["eros"] = limit
        told.append(capabilities.now(resources.live)["eros"].batch)
    assert told == [3, 2, 1]


def test_a_wrong_file_changes_nothing(resources, models_file, told):
    """The jobs tell of it; what was told before stays, and a mended file counts from its reload on."""
    before = told()
    change(models_file, "[eros]", "[eros")
    resources.live.run(epochs.bump(epochs.CONFIGURATION))
    assert told() == before
    change(models_file, "[eros", "[eros]")
    change(models_file, "step_s = 0.0", "distilled = true")
    resources.live.run(epochs.bump(epochs.CONFIGURATION))
    assert told() == {"eros": Capabilities(negative=False, negative_above=None, guidance=False)}


def test_heartbeats_carry_them(resources, models_file, monkeypatch):
    """The next heartbeat after a reload has the new ones, though the process waits for a job."""
    monkeypatch.setattr(workers, "INTERVAL_S", 0.05)
    capabilities = ToldCapabilities(resources.settings, ("render.eros",))
    heartbeat = Heartbeat(resources.settings.redis_url, name="w", queues=("render.eros",), capabilities=capabilities)

    def await_batch(expected):
        deadline = time.monotonic() + 30
        while [beat.capabilities["eros"].batch for beat in resources.live.run(workers.list_workers())] != [expected]:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    try:
        await_batch(1)
        change(models_file, "time_limit_s = 30", "time_limit_s = 30\nbatch = { max = 3 }")
        resources.live.run(epochs.bump(epochs.CONFIGURATION))
        await_batch(3)
    finally:
        heartbeat.close()


ENGINES = '[cloud]\nkind = "openai"\napi_key_env = "CLOUD_KEY"\n[free]\nkind = "openai"\n[unused]\nkind = "openai"\n'
REMOTE = """
[far]
label = "Far"
backend = "remote"
steps = { default = 4 }
guidance = { default = 3.5 }
default_style = "plain"
styles = { plain = { label = "Plain" } }
engines = [{ engine = "cloud", model = "m" }, { engine = "free", model = "m" }, { engine = "gone", model = "m" }]
"""


@pytest.fixture
def far(resources, models_file):
    """A model `far` of two engines, one of which wants a key, and one that is not configured."""
    (models_file.parent / "engines.toml").write_text(ENGINES)
    models_file.write_text(models_file.read_text() + REMOTE)
    states = {}
    capabilities = ToldCapabilities(resources.settings, ("render.far",), engine_states=lambda: states)

    def told():
        capabilities.now(resources.live)
        return capabilities.engines()

    return told, states


def test_the_states_of_the_models_engines_are_told(far, monkeypatch):
    """A key that the process lacks, before any job; what its drawing tells; nothing of engines that no model names."""
    told, states = far
    refused = EngineState(reason="The environment of its workers has no CLOUD_KEY", code="remote_key_refused")
    assert told() == {"cloud": refused, "free": EngineState()}
    monkeypatch.setenv("CLOUD_KEY", "a secret")
    states["cloud"] = EngineState(reason="cloud does not answer", code="remote_engine_away", since=1.0, until=2.0)
    states["unused"] = EngineState(reason="not asked for")
    assert told() == {"cloud": states["cloud"], "free": EngineState()}


def test_a_worker_of_other_models_tells_of_no_engine(resources, far):
    """Nor one that finishes alone."""
    for queues in (("render.eros",), ("finish",)):
        capabilities = ToldCapabilities(resources.settings, queues)
        assert capabilities.engines() == {}
        capabilities.now(resources.live)
        assert capabilities.engines() == {}


def test_an_engine_that_pauses_tells_why_since_when_and_until_when(resources):
    """Its first failure dates the trouble, the last one the pause; an answer ends both."""
    remote = parse_remote_engine("cloud", {"kind": "openai", "pause_s": 40})
    opened = OpenedEngine(remote, client=None)
    assert opened.state == EngineState()
    began = time.time()
    opened.is_away(RemoteKeyRefused("cloud refuses the key"))
    first = opened.state
    opened.is_away(RemoteEngineAway("cloud does not answer", retry_after_s=90))
    second = opened.state
    assert (first.reason, first.code) == ("cloud refuses the key", "remote_key_refused")
    assert (second.reason, second.code, second.since) == ("cloud does not answer", "remote_engine_away", first.since)
    assert 39 < first.until - began < 60
    assert 89 < second.until - began < 110
    opened.succeeded()
    assert opened.state == EngineState()


def test_heartbeats_with_and_without_engines_are_read(resources):
    """Of a worker of before, which tells of none; a process of before passes over what it does not know."""
    beat = WorkerHeartbeat(
        name="w", queues=(), pid=1, memory_bytes=1, engines={"cloud": EngineState(reason="no")}, since=1, at=2
    )
    told = msgspec.json.decode(msgspec.json.encode(beat))
    assert told.pop("engines") == {"cloud": {"reason": "no", "code": "", "since": None, "until": None}}
    assert msgspec.convert(told, WorkerHeartbeat) == msgspec.structs.replace(beat, engines={})
    assert msgspec.convert(told | {"later": 1}, WorkerHeartbeat).pid == 1
