"""Jobs of a model whose engine is elsewhere: drawn, refused, waiting; and the file that names the engine."""

import io
import time

import pytest
import structlog
from drawn_elsewhere import MODEL, attempted, configure, found, submitted
from PIL import Image
from servers.faulty_http import answer
from servers.image_engine import KEY, at_url, pictures, refusal, start_image_engine

from imgen import configuration
from imgen.cli import doctor
from imgen.domain.errors import ConfigurationError
from imgen.domain.job import State
from imgen.domain.recipe import Frame
from imgen.records import audit
from workers import tasks


@pytest.fixture
def server():
    with start_image_engine() as started:
        yield started


@pytest.fixture
def resources(make_resources, server, tmp_path, monkeypatch):
    """Resources of a worker process whose model is drawn by the server."""
    monkeypatch.setenv("ELSEWHERE_KEY", KEY)
    configure(tmp_path / "var", server.url)
    return make_resources()


def test_a_picture_from_elsewhere_is_finished_and_its_seed_is_unknown(resources):
    """The engine takes no seed and no steps, so `meta` has none."""
    job = attempted(resources)
    assert job.state is State.RENDERED
    tasks.run_phase(resources, tasks.FINISH, job.id)
    meta = found(resources, job).outcome.meta
    assert (meta.width, meta.height) == (256, 256)
    assert (meta.seed, meta.steps, meta.guidance) == (None, None, None)
    assert (meta.engine, meta.drawn_width, meta.drawn_height) == ("elsewhere", 256, 256)


@pytest.mark.parametrize(
    ("changes", "size"),
    [({}, (256, 256)), ({"frame": Frame(width=120, height=200)}, (120, 200)), ({"upscale": 2}, (512, 512))],
    ids=["as drawn", "framed", "enlarged"],
)
def test_the_master_has_the_size_of_the_recipe(resources, changes, size):
    """Only a picture to which nothing is done is stored as it came."""
    job = attempted(resources, submitted(resources, **changes))
    with Image.open(io.BytesIO(resources.objects.get(job.master_key))) as image:
        assert image.size == size
    assert job.master_key.endswith(".png") == (not changes)


def test_a_providers_refusal_blocks_under_its_own_rule(resources, server):
    """Whoever asked gets the reason, and no picture."""
    server.script.append(refusal(400, "content_policy_violation"))
    job = attempted(resources)
    assert job.state is State.BLOCKED
    assert job.outcome.blocked.categories == ("provider_policy",)


def test_a_providers_refusal_tells_operators_its_words_and_callers_none(resources, server):
    """The panel's reason names the engine, and never the prompt, which the provider repeats; nothing is stored."""
    words = 'Your request "red coat" was rejected by the safety system: violence'
    server.script.append(refusal(403, "moderation_blocked", words))
    job = attempted(resources)
    with resources.database.read() as connection:
        reason = audit.reasons(connection, [job.id])[job.id]
    assert reason.startswith("provider_policy: engine elsewhere: ")
    assert "rejected by the safety system: violence" in reason
    assert "coat" not in reason
    assert (job.outcome.blocked.names, job.outcome.blocked.unsafe_key) == (("Refused by the provider",), "")
    assert not list(resources.objects.list(""))


@pytest.mark.parametrize(
    "reply",
    [
        answer(200, b"<h1>Sign in</h1>", {"Content-Type": "text/html"}),
        pictures(b"GIF89a"),
        at_url("https://169.254.169.254/latest/meta-data/"),
        refusal(500, "server_error", "cannot draw: red coat"),
    ],
    ids=["page", "no picture", "metadata", "error"],
)
def test_a_hostile_answer_is_an_attempt_and_publishes_nothing(resources, server, reply):
    """The job waits for its next attempt; no object is stored, and neither its reason nor the log repeats the prompt."""
    server.script.append(reply)
    with structlog.testing.capture_logs() as logs:
        job = attempted(resources)
    assert (job.state, job.attempts, job.error_code) == (State.QUEUED, 1, "remote_engine_failed")
    assert not list(resources.objects.list(""))
    assert job.error_reason
    assert "coat" not in job.error_reason + str(logs)


def test_a_busy_engine_is_asked_again_when_it_said(resources, server):
    """The wait costs no attempt."""
    server.script.append(refusal(429, "rate_limit_exceeded", **{"Retry-After": "90"}))
    asked_at = time.time()
    job = attempted(resources)
    assert (job.state, job.attempts, job.error_code) == (State.QUEUED, 0, "remote_engine_away")
    assert job.available_at - asked_at >= 89.9


def test_the_doctor_tells_a_key_that_is_refused_or_missing(resources, server, monkeypatch):
    """By the variable or the server's words, never by the key."""
    monkeypatch.setenv("ELSEWHERE_KEY", "sk-wrong-9876543210")
    state, text = doctor.check("engines", resources.settings)
    assert (state, "refuses the key" in text, "sk-wrong" in text) == (doctor.WRONG, True, False)
    monkeypatch.delenv("ELSEWHERE_KEY")
    state, text = doctor.check("engines", resources.settings)
    assert (state, "ELSEWHERE_KEY" in text) == (doctor.WRONG, True)
    assert len(server.requests) == 1


def test_the_doctor_names_the_engine_that_was_meant(resources, tmp_path):
    """A warning while another engine draws the model, an error where none does."""
    wrong = MODEL.replace('{ engine = "elsewhere"', '{ engine = "elsewere"')
    (tmp_path / "var" / "models.toml").write_text(wrong)
    state, text = doctor.check("engines", resources.settings)
    told = "eros: engines.toml has no engine elsewere; did you mean 'elsewhere'?"
    assert (state, told in text) == (doctor.WRONG, True)
    (tmp_path / "var" / "models.toml").write_text(wrong.replace(" }]", ' }, { engine = "elsewhere" }]', 1))
    state, text = doctor.check("engines", resources.settings)
    assert (state, told in text, "answers" in text) == (doctor.WARNING, True, True)


@pytest.mark.parametrize(("takes", "state"), [('["lora"]', doctor.OK), ("[]", doctor.WARNING)])
def test_the_doctor_looks_for_no_lora_of_an_engine_elsewhere(resources, tmp_path, takes, state):
    """It is the engine's file; where no engine takes one, the model's characters lack this one, and that is told."""
    (tmp_path / "var" / "models.toml").write_text(MODEL.replace(" }]", f", takes = {takes} }}]", 1))
    table = '[zoe]\ntrigger = "zoe"\nloras = { eros = "of-the-engine.safetensors" }\n'
    (tmp_path / "var" / "characters.toml").write_text(table)
    found, text = doctor.check("characters", resources.settings)
    assert (found, "left out" in text) == (state, state == doctor.WARNING), text


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ('kind = "comfy"\nbase_url = "http://a/v1"', "kind"),
        ('kind = "openai"\nbase_url = "ftp://a/v1"', "no http or https URL"),
        ('kind = "openai"\nbase_url = "https://user:secret@a/v1"', "api_key_env"),
        ('kind = "openai"\nbase_url = "http://a/v1"\napi_key_env = "IMGEN_KEY"', "another name"),
        ('kind = "openai"\nbase_url = "http://a/v1"\ntimout_s = 5', "did you mean 'timeout_s'"),
        ('kind = "openai"\nbase_url = "http://a/v1"\ntimeout_s = 0', "timeout_s"),
    ],
)
def test_a_wrong_entry_is_refused_with_its_file(resources, tmp_path, entry, problem):
    """The message names the file and the key."""
    (tmp_path / "var" / "engines.toml").write_text(f"[elsewhere]\n{entry}\n")
    with pytest.raises(ConfigurationError, match=problem) as raised:
        configuration.load_engines(resources.settings)
    assert "engines.toml: [elsewhere]" in str(raised.value)
    assert "secret" not in str(raised.value)
