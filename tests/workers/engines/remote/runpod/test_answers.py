"""Kind `runpod`: outputs and errors of handlers, and answers that make no sense."""

import base64
import json

import pytest
from servers.comfyui_models import SHIPPED, diffusion, draw, render
from servers.comfyui_nodes import RED
from servers.faulty_http import answer, endless
from servers.image_engine import png
from servers.runpod import PLAIN, WORKFLOW

from imgen.domain.errors import (
    ModelError,
    RefusedByProvider,
    RemoteEngineFailed,
)
from workers.engines import Shot

OUTPUTS = {
    "base64": lambda text: text,
    "a data URI": lambda text: f"data:image/png;base64,{text}",
    "image": lambda text: {"image": text, "status": "ok"},
    "image_base64": lambda text: {"image_base64": text},
    "images": lambda text: {"images": [f"data:image/png;base64,{text}"] * 2, "image_url": "https://example.com/x.png"},
    "a list": lambda text: [{"image": text, "seed": 4}],
    "result": lambda text: {"cost": 0.02, "result": text},
    "worker-comfyui before 5": lambda text: {"message": text, "status": "success"},
    "worker-comfyui": lambda text: {"images": [{"filename": "x.png", "type": "base64", "data": text}], "errors": ["x"]},
}


@pytest.mark.parametrize("name", sorted(OUTPUTS))
def test_outputs_of_many_forms_are_understood(load, pod, name):
    """There is no one form: each handler has its own."""
    pod.output = OUTPUTS[name]
    (drawn,) = render(load())
    assert tuple(drawn.pixels[0, 0]) == RED


@pytest.mark.parametrize(
    "form", [{"image_url": "URL"}, {"images": [{"type": "s3_url", "data": "URL"}]}, {"message": "URL"}]
)
def test_a_url_is_only_told(client, pod, form):
    """Whoever asked fetches it, from public addresses alone."""
    pod.output = lambda _: json.loads(json.dumps(form).replace("URL", "https://image.example.com/1.png"))
    assert client(draw).file == "https://image.example.com/1.png"


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x.png", "https://127.0.0.1:1/x.png", "https://[::1]/x.png"])
def test_a_url_of_a_private_address_is_not_fetched(load, pod, url):
    """The work counts as an attempt."""
    pod.output = lambda _: {"image_url": url}
    with pytest.raises(RemoteEngineFailed, match="cannot be fetched"):
        render(load())


@pytest.mark.parametrize(
    ("entry", "prompt", "error", "words"),
    [
        (PLAIN, "forbidden fruit", RefusedByProvider, "NSFW content detected"),
        (PLAIN, "a mine will explode", RemoteEngineFailed, "RuntimeError.*CUDA out of memory"),
        (PLAIN | {"options": {"sheduler": "DDIM"}}, "x", ModelError, "sheduler is not a valid input option"),
        (PLAIN | {"options": {"seed": "7"}}, "x", ModelError, "seed should be"),
        (
            WORKFLOW | {"options": {"4.ckpt_name": "gone.safetensors"}},
            "x",
            ModelError,
            "Workflow validation failed.*gone",
        ),
    ],
)
def test_errors_of_handlers_are_told_in_their_words(client, entry, prompt, error, words):
    """Refusals by a policy and of malformed inputs are told apart by those; tracebacks and prompts are left out."""
    shot = Shot(diffusion=diffusion(positive=prompt))
    with pytest.raises(error, match=f"(?s){words}") as raised:
        client(draw, choice=entry, shot=shot)
    assert prompt == "x" or prompt not in str(raised.value)
    assert "traceback" not in str(raised.value)


def test_a_node_that_fails_counts_as_an_attempt_and_is_named(load, tmp_path):
    """With the words of worker-comfyui's details."""
    workflow = json.loads((SHIPPED / "sdxl.json").read_text())
    workflow["9"]["class_type"] = "Explode"
    (tmp_path / "sdxl.json").write_text(json.dumps(workflow))
    with pytest.raises(RemoteEngineFailed, match="Job processing failed.*Explode.*CUDA out of memory"):
        render(load(WORKFLOW, folders=(tmp_path,)))


def test_a_prompt_that_speaks_of_policies_is_no_refusal(client):
    """An error that repeats it is read without it."""
    shot = Shot(diffusion=diffusion(positive="explode the nsfw content policy"))
    with pytest.raises(RemoteEngineFailed, match="CUDA"):
        client(draw, shot=shot)


def ended(status="COMPLETED", **facts):
    return answer(200, json.dumps({"id": "x", "status": status} | facts).encode())


NONSENSE = {
    "html": answer(200, b"<h1>Sign in</h1>"),
    "nested without end": answer(200, b"[" * 100_000),
    "an output nested without end": answer(200, b'{"status": "COMPLETED", "output": ' + b"[" * 100_000),
    "a deep output": answer(200, b'{"status": "COMPLETED", "output": ' + b"[" * 200 + b'"x"' + b"]" * 200 + b"}"),
    "a deep error": answer(200, b'{"status": "FAILED", "error": ' + b"[" * 200 + b'"x"' + b"]" * 200 + b"}"),
    "an unknown status": ended("DREAMING"),
    "a status of another type": answer(200, b'{"status": 5}'),
    "no output": ended(),
    "no picture": ended(output={"status": "success_no_images", "images": []}),
    "outputs of other types": ended(output={"images": [None, 5, {"data": 5}, {"filename": "x"}], "image": {}}),
    "no base64": ended(output={"image": "https:/example"}),
    "half a base64": ended(output="iVBORw0KGgo"),
    "no picture's base64": ended(output=base64.b64encode(b"GIF89a" + b"\0" * 99).decode()),
    "too many pixels": ended(output=base64.b64encode(png((5000, 4000))).decode()),
    "errors without pictures": ended(output={"errors": ["nothing was saved"]}),
    "an error of another type": ended("FAILED", error={"code": 5}),
    "time that ran out": ended("TIMED_OUT"),
    "a redirect to loopback": answer(302, b"", {"Location": "http://127.0.0.1:1/"}),
    "a request of another form": answer(422, b'{"error": "no"}'),
}


@pytest.mark.parametrize("name", sorted(NONSENSE))
def test_an_answer_about_work_that_makes_no_sense_counts_as_an_attempt(load, pod, name):
    """The work may have been paid."""
    pod.faults["GET /v2/plain/status/*"].append(NONSENSE[name])
    with pytest.raises(RemoteEngineFailed):
        render(load())


@pytest.mark.parametrize("work_id", ["", "../../purge-queue", "a/b", "x?ttl=1", "x" * 5000, 5])
def test_an_id_that_is_none_is_not_used(load, pod, work_id):
    """It would be a part of the next request's path."""
    pod.faults["POST /v2/plain/run"].append(answer(200, json.dumps({"id": work_id, "status": "IN_QUEUE"}).encode()))
    with pytest.raises(RemoteEngineFailed):
        render(load())
    assert pod.asked == ["POST /v2/plain/run"]


@pytest.mark.parametrize("path", ["GET /v2/plain/status/*", "POST /v2/plain/run"])
def test_an_answer_without_end_is_not_read_to_it(load, pod, path):
    """One megabyte where no picture is told, 32 where one is."""
    pod.faults[path].append(endless)
    with pytest.raises(RemoteEngineFailed, match="more than"):
        render(load())
