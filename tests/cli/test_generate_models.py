"""`imgen generate` for a model that is not there, or that no worker serves."""

import pytest
from servers.action_stub import Reply, start_stub
from servers.command import run_command

WARNING = {"X-Imgen-Warnings": "no worker serves the queue render.luna"}
MODELS = {"characters": [], "models": {name: {"label": name, "styles": {}} for name in ("eros", "luna")}}


@pytest.fixture
def stub():
    with start_stub() as running:
        running.plan["models"] = [Reply(body=MODELS)]
        yield running


@pytest.fixture
def generate(stub, tmp_path):
    """Runs the command with a folder of its own."""

    def run(*arguments):
        around = {"IMGEN_URL": stub.url, "IMGEN_KEY": stub.key}
        return run_command("generate", "red coat", "--out", str(tmp_path), *arguments, environ=around)

    return run


def test_a_model_that_the_server_does_not_know_is_refused(stub, generate):
    """With the names of those that it knows; nothing is drawn with another one."""
    done = generate("--model", "lunna")
    assert done.returncode == 1
    assert "no model 'lunna'; it has eros, luna" in done.stderr
    assert stub.asked("generate") == []
    assert generate("--model", "luna").returncode == 0
    assert stub.asked("generate")[0].body["model"] == "luna"


def test_a_model_without_a_worker_is_told_while_its_picture_waits(stub, generate):
    """Once, however often it is asked; a picture that is drawn in the end is saved."""
    accepted, completed = stub.accepted(), stub.completed()
    stub.plan["generate"] = [Reply(body=accepted.body, headers=WARNING)]
    stub.plan["status"] = [Reply(body={"status": "IN_QUEUE"}, headers=WARNING)] * 2 + [completed]
    done = generate("--model", "luna")
    assert done.returncode == 0, done.stderr
    assert " ".join(done.stderr.split()).count("no worker serves the queue render.luna") == 1
