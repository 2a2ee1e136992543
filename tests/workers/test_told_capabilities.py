"""Capabilities in a worker's heartbeats: those of the files as they are, also when they change while no job comes."""

import time

import pytest

from imgen.domain.capabilities import Capabilities
from imgen.live import epochs, workers
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
