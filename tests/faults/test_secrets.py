"""Canary keys and words go through a whole stack and its faults; none comes out in a log, on the broker or where it is kept raw."""

import json

import pytest
from faults.evidence import (
    BROKEN,
    ENHANCER_KEY,
    REDIS_PASSWORD,
    WORDS,
    Evidence,
    found,
    gather,
    secrets_of,
    settings_of,
)
from servers.api import start_api
from servers.chat import start_chat
from servers.redis_server import start_redis


@pytest.fixture(scope="module")
def evidence(tmp_path_factory) -> Evidence:
    """Evidence that one run of a stack left behind."""
    return gather(tmp_path_factory.mktemp("secrets"))


@pytest.mark.faults
def test_no_log_tells_a_secret(evidence):
    """No log file and nothing on the terminal holds a key, a password or a secret; keys that are shown once are shown once."""
    assert {"api.log", "render-worker.log", "finish-worker.log", "stdout", "stderr", "doctor"} <= set(evidence.logs)
    for name, text in evidence.logs.items():
        assert found(secrets_of(evidence).values(), text) == [], name


@pytest.mark.faults
def test_no_log_tells_a_prompt(evidence):
    """None of a caller's words is in any log, whatever went wrong with them; that something went wrong is."""
    for name, text in evidence.logs.items():
        assert found([*WORDS.values(), BROKEN], text) == [], name
    logs = "\n".join(evidence.logs.values())
    for expected in ("job submitted", "job blocked", "asked to fail", "WorkerLostError", "failed unexpectedly",
                     "enhancement_failed", "job ended", *evidence.jobs.values()):  # fmt: skip
        assert expected in logs


@pytest.mark.faults
def test_the_broker_carries_ids_alone(evidence):
    """Of all that was sent to Redis only poll views of ended jobs tell a caller's words; no secret is in any of it."""
    views = [command for command in evidence.commands if command.startswith("SET imgen:ended:")]
    others = "\n".join(command for command in evidence.commands if command not in set(views))
    assert found([*WORDS.values(), BROKEN], others) == []
    assert found(secrets_of(evidence).values(), "\n".join(evidence.commands)) == []
    assert found([WORDS["cs_author"]], "\n".join(views)) != []
    messages = "\n".join(command for command in evidence.commands if command.startswith("LPUSH imgen:broker:"))
    ids = set(evidence.jobs.values())
    assert set(found(ids, messages)) == ids  # Celery writes arguments in base64, and it is looked into


@pytest.mark.faults
def test_what_lies_in_redis(evidence):
    """At the end words lie in the poll views of pictures that may be seen, and nowhere else; no key lies there raw."""
    views = {name: value for name, value in evidence.kept.items() if name.startswith("imgen:ended:")}
    others = {name: value for name, value in evidence.kept.items() if name not in views}
    assert found([WORDS["prompt"]], json.dumps(views)) != []
    assert found([*WORDS.values(), BROKEN], json.dumps(others)) == []
    assert found(secrets_of(evidence).values(), json.dumps(evidence.kept)) == []


@pytest.mark.faults
def test_the_database_keeps_no_key(evidence):
    """Keys and passwords lie hashed in SQL: its files hold neither them nor what was configured; the job's words they hold."""
    secrets = {name: word for name, word in secrets_of(evidence).items() if "signing" not in name}
    text = evidence.database.decode("latin-1")
    assert found(secrets.values(), text) == []
    assert found([WORDS["prompt"]], text) != []


@pytest.mark.faults
def test_no_refusal_repeats_what_was_sent(evidence):
    """Answers to bad and blocked requests, and of failed jobs, tell neither words nor secrets."""
    assert len(evidence.told) > 15
    for text in evidence.told:
        assert found([*WORDS.values(), BROKEN, *secrets_of(evidence).values()], text) == []


@pytest.mark.parametrize("prompts", [False, True])
def test_prompts_are_logged_only_when_asked_for(tmp_path, prompts):
    """`[logs] prompts = true` writes the prompt of each job into the API's log; otherwise it is not there."""
    with start_chat() as chat, start_redis(tmp_path, REDIS_PASSWORD) as server:
        with start_api(tmp_path / "var", settings=settings_of(chat, server.url, prompts=prompts)) as api:
            assert api.post({"action": "generate", "prompt": f"red coat, {WORDS['prompt']}"}).status_code == 200
        log = api.log.read_text()
    assert "job submitted" in log
    assert (WORDS["prompt"] in log) is prompts
    assert found([REDIS_PASSWORD, ENHANCER_KEY, api.key], log) == []
