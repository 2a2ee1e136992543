"""`imgen models add --engine`: from an engine of engines.toml to a model that requests can name."""

import json
import tomllib

import pytest
from drawn_elsewhere import attempted, submitted
from PIL import Image
from servers.comfyui import start_comfyui
from servers.comfyui_nodes import RED
from servers.command import run_command
from servers.image_engine import KEY, refusal, start_image_engine

from imgen import configuration, settings
from imgen.cli.models.trial import TrialSize
from imgen.domain.job import State

NODES = {
    "prompt": "6.text",
    "width": "5.width",
    "height": "5.height",
    "seed": "3.seed",
    "steps": "3.steps",
    "lora": "10.lora_name",
    "lora_scale": "10.strength_model,10.strength_clip",
}
"""Inputs of the shipped workflow for SDXL."""


@pytest.fixture
def server():
    with start_image_engine() as started:
        yield started


@pytest.fixture
def data(tmp_path, server, monkeypatch):
    """A data folder whose engine `cluster` is the server."""
    monkeypatch.setenv("CLUSTER_KEY", KEY)
    folder = tmp_path / "var"
    folder.mkdir()
    entry = f'[cluster]\nkind = "openai"\nbase_url = "{server.url}/v1"\napi_key_env = "CLUSTER_KEY"\n'
    (folder / "engines.toml").write_text(entry + entry.replace("cluster", "second"))
    return folder


@pytest.fixture
def add(data):
    """Runs `imgen models add far`, with a small picture for a trial."""

    def run(*arguments):
        command = ("models", "add", "far", *arguments, "--data", str(data))
        return run_command(*command, obj=TrialSize(256, 256))

    return run


def drawn(server):
    """Bodies of the pictures that were asked for."""
    return [json.loads(one.body) for one in server.requests if one.method == "POST"]


def test_a_model_of_an_engine_is_tried_and_written(add, server, data):
    """The entry is that of docs/engines.md, with what was asked for; the trial sends what it takes."""
    more = ("--takes", "seed,steps", "--edits", "mask", "--option", "quality=high", "--steps", "9", "--default")
    done = add("--engine", "cluster", "--engine", "second", "--model", "flux-dev", *more, "--yes")
    assert done.returncode == 0, done.stderr
    (sent, _) = drawn(server)
    assert (sent["model"], sent["quality"], sent["seed"], sent["num_inference_steps"]) == ("flux-dev", "high", 1, 9)
    for engine in ("cluster", "second"):
        with Image.open(data / "models" / f"far.{engine}.trial.png") as picture:
            assert picture.size == (256, 256)
    (first, second) = tomllib.loads((data / "models.toml").read_text())["far"]["engines"]
    asked = {"model": "flux-dev", "takes": ["seed", "steps"], "edits": "mask", "options": {"quality": "high"}}
    assert (first, second) == ({"engine": "cluster"} | asked, {"engine": "second"} | asked)
    model = next(iter(configuration.load_catalog(settings.load(data, environ={})).models.values()))
    assert (model.key, model.is_remote, model.negative_prompt, model.steps.default) == ("far", True, False, 9)
    assert "by cluster, second" in run_command("models", "list", "--data", str(data)).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--engine", "clutser"], "no engine 'clutser'; did you mean 'cluster'?"),
        (["--engine", "cluster", "--model", "flux-def"], "has no model 'flux-def'; the nearest are flux-dev"),
        (["--engine", "cluster"], "several models, name one with --model: gpt-image-2, flux-dev"),
        (["--engine", "cluster", "--model", "flux-dev", "--takes", "sede"], "--takes sede: it is none of seed, steps"),
        (["--engine", "cluster", "--model", "flux-dev", "--edits", "all"], "edits"),
        (["--engine", "cluster", "--engine", "second", *["--model", "flux-dev"] * 3], "3 times for 2 engines"),
        (["--model", "flux-dev"], "is no key"),
    ],
)
def test_a_wrong_option_is_told_before_anything_is_paid(add, server, data, arguments, words):
    """In one line, and nothing is written."""
    done = add(*arguments, "--yes")
    assert (done.returncode, words in done.stderr, "Traceback" in done.stderr) == (1, True, False), done.stderr
    assert drawn(server) == []
    assert not (data / "models.toml").exists()


def test_a_trial_is_agreed_to_or_left_out(add, server, data):
    """Without an answer nothing is drawn; `--no-trial` writes the entry without a picture."""
    given = ("--engine", "cluster", "--model", "flux-dev")
    refused = add(*given)
    assert (refused.returncode, "may charge" in refused.stdout + refused.stderr) == (1, True)
    assert (drawn(server), (data / "models.toml").exists()) == ([], False)
    assert add(*given, "--no-trial").returncode == 0
    assert (drawn(server), (data / "models.toml").exists()) == ([], True)


def test_a_refused_parameter_is_named(add, server, data):
    """The server's words tell it by the name of the wire; nothing is written."""
    server.script += [server.standing]  # the list of models
    server.script.append(refusal(400, "unknown_parameter", "Unknown parameter: 'num_inference_steps'."))
    done = add("--engine", "cluster", "--model", "flux-dev", "--takes", "seed,steps", "--yes")
    assert (done.returncode, "It takes no steps: leave that out of --takes" in done.stderr) == (1, True), done.stderr
    assert not (data / "models.toml").exists()


def test_a_key_that_is_not_set_is_told(add, monkeypatch):
    """By the variable's name."""
    monkeypatch.delenv("CLUSTER_KEY")
    done = add("--engine", "cluster", "--model", "flux-dev", "--yes")
    assert (done.returncode, "the environment has no CLUSTER_KEY" in done.stderr) == (1, True)


def test_comfyui_from_nothing_to_the_first_picture(make_resources, tmp_path):
    """An engine, a workflow and one command: then a request that names the model is drawn by it."""
    data = tmp_path / "var"
    (data / "models.toml").unlink()
    with start_comfyui() as (server, comfy):
        (data / "engines.toml").write_text(f'[comfy]\nkind = "comfyui"\nbase_url = "{server.url}"\n')
        nodes = [f"{name}={target}" for name, target in NODES.items()]
        done = run_command(
            *("models", "add", "far", "--engine", "comfy", "--workflow", "sdxl.json", "--takes", "seed,steps,lora"),
            *(word for node in nodes for word in ("--node", node)),
            *("--default", "--yes", "--data", str(data)),
            obj=TrialSize(256, 256),
        )
        assert done.returncode == 0, done.stderr
        with Image.open(data / "models" / "far.trial.png") as picture:
            assert (picture.size, picture.getpixel((9, 9))) == ((256, 256), RED)
        resources = make_resources()
        job = attempted(resources, submitted(resources, "far"))
        assert job.state is State.RENDERED, job
        assert [(one["positive"], one["steps"]) for one in comfy.drawn[1:]] == [
            ("red coat", job.recipe.diffusion.num_inference_steps)
        ]
