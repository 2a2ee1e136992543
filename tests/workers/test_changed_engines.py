"""`engines.toml` that changes while a worker process runs: caps, keys, engines that come and go, and files that are wrong."""

import json

import pytest
import structlog
from drawn_elsewhere import MODEL, attempted, submitted
from servers.image_engine import KEY, start_image_engine

from imgen import configuration
from imgen.domain.job import State
from imgen.live import epochs

BOTH = MODEL.replace(" }]", ' }, { engine = "second", model = "flux-dev" }]', 1)
LOCAL = """
[here]
label = "Here"
source = "none"
backend = "instant"
steps = { default = 4 }
guidance = { default = 3.5 }
default_style = "plain"
styles = { plain = { label = "Plain" } }
"""


@pytest.fixture
def server():
    with start_image_engine() as started:
        yield started


@pytest.fixture
def change(tmp_path, server, monkeypatch, clean_redis):
    """Writes engines of the server into the file, and has the processes read it again."""
    monkeypatch.setenv("ELSEWHERE_KEY", KEY)
    monkeypatch.setenv("FORMER_KEY", "sk-former-0123456789")

    def write(text="", /, resources=None, **engines):
        usual = {"kind": '"openai"', "base_url": f'"{server.url}/v1"', "api_key_env": '"ELSEWHERE_KEY"', "price": "1"}
        for key, table in engines.items():
            text += f"[{key}]\n" + "".join(f"{name} = {value}\n" for name, value in (usual | table).items())
        (tmp_path / "var" / "engines.toml").write_text(text)
        if resources is not None:
            resources.live.run(epochs.bump(epochs.CONFIGURATION))
            resources.refresh_if_changed()  # as a process does before each job

    return write


@pytest.fixture
def resources(make_resources, change, tmp_path):
    """Resources of a worker process whose model two engines may draw, of which one is there."""
    (tmp_path / "var" / "models.toml").write_text(BOTH + LOCAL)
    change(elsewhere={})
    return make_resources()


def test_a_changed_cap_counts_from_the_next_job_on(resources, change):
    """A lower one stops the spending, a higher one lets the waiting job through."""
    assert attempted(resources).state is State.RENDERED
    change(elsewhere={"monthly_cap": "1"}, resources=resources)
    waiting = attempted(resources)
    assert (waiting.state, waiting.attempts, waiting.error_code) == (State.QUEUED, 0, "spending_cap_reached")
    change(elsewhere={"monthly_cap": "2"}, resources=resources)
    assert attempted(resources, waiting).state is State.RENDERED


def test_a_turned_key_is_used_at_once(resources, change, server):
    """The pause that the former one brought is that of the former entry."""
    change(elsewhere={"api_key_env": '"FORMER_KEY"', "pause_s": "600"}, resources=resources)
    waiting = attempted(resources)
    assert (waiting.state, waiting.error_code) == (State.QUEUED, "remote_key_refused")
    change(elsewhere={"pause_s": "600"}, resources=resources)
    assert attempted(resources, waiting).state is State.RENDERED
    assert [one.headers["Authorization"] for one in server.requests] == ["Bearer sk-former-0123456789", f"Bearer {KEY}"]


def test_engines_come_and_go(resources, change, server):
    """The job is drawn by the one that is there; a job waits while none is, and no attempt is counted."""
    change(second={}, resources=resources)
    assert attempted(resources).state is State.RENDERED
    change("", resources=resources)
    waiting = attempted(resources)
    assert (waiting.state, waiting.attempts) == (State.QUEUED, 0)
    change(elsewhere={}, resources=resources)
    assert attempted(resources, waiting).state is State.RENDERED
    assert [json.loads(one.body)["model"] for one in server.requests] == ["flux-dev", "gpt-image-2"]


@pytest.mark.parametrize("text", ["[elsewhere\n", '[elsewhere]\nkind = "opnai"\n', "[elsewhere]\nprice = inf\n"])
def test_a_broken_file_changes_nothing_and_is_told(resources, change, text):
    """The last good one counts, and the log names the file."""
    with structlog.testing.capture_logs() as logs:
        change(text, resources=resources)
        assert attempted(resources).state is State.RENDERED
    (told,) = [one["reason"] for one in logs if one["event"].startswith("configuration not read again")]
    assert "engines.toml" in told


def test_models_without_any_engine_keep_nothing_from_starting(make_resources, change, tmp_path):
    """A worker opens, and its other models draw; the API reads the same files."""
    (tmp_path / "var" / "models.toml").write_text(LOCAL + BOTH)
    change("")
    resources = make_resources()
    assert set(configuration.load(resources.settings).catalog.models) >= {"here", "eros"}
    waiting = submitted(resources)
    assert attempted(resources, waiting).state is State.QUEUED
