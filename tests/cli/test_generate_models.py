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


def test_sizes_are_those_of_the_model(stub, generate):
    """Of the chosen one, else of the first; another size is refused with the list, and nothing is drawn."""
    stub.plan["models"] = [
        Reply(body=MODELS | {"models": MODELS["models"] | {"luna": {"sizes": [[512, 768], [768, 512]]}}})
    ]
    for arguments in (("--size", "1344x768", "--model", "luna"), ("--size", "1000x1000", "--model", "luna")):
        done = generate(*arguments)
        assert done.returncode == 1
        assert "choose one of 512x768, 768x512" in done.stderr
    refused = generate("--size", "512x768")
    assert (refused.returncode, "choose one of 1344x768, 1024x1024" in refused.stderr) == (1, True)
    assert stub.asked("generate") == []
    assert generate("--size", "512x768", "--model", "luna").returncode == 0
    assert (stub.asked("generate")[0].body["width"], stub.asked("generate")[0].body["height"]) == (512, 768)


def test_a_model_without_a_worker_is_told_while_its_picture_waits(stub, generate):
    """Once, however often it is asked; a picture that is drawn in the end is saved."""
    accepted, completed = stub.accepted(), stub.completed()
    stub.plan["generate"] = [Reply(body=accepted.body, headers=WARNING)]
    stub.plan["status"] = [Reply(body={"status": "IN_QUEUE"}, headers=WARNING)] * 2 + [completed]
    done = generate("--model", "luna")
    assert done.returncode == 0, done.stderr
    assert " ".join(done.stderr.split()).count("no worker serves the queue render.luna") == 1
