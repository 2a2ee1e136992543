"""Kind `comfyui`: refusals, failures, and answers that make no sense."""

import json
import logging

import pytest
from servers.comfyui_models import SHIPPED, TEXT, diffusion, draw, render
from servers.faulty_http import answer, cut, endless, reset
from servers.image_engine import png

from imgen.domain.errors import (
    ModelError,
    RemoteEngineBusy,
    RemoteEngineFailed,
    RemoteKeyRefused,
)
from workers.engines import Shot


@pytest.mark.parametrize(
    ("fault", "error", "pause_s"),
    [
        (answer(401), RemoteKeyRefused, None),
        (answer(403), RemoteKeyRefused, None),
        (answer(429, b"", {"Retry-After": "17"}), RemoteEngineBusy, 17),
    ],
)
def test_a_proxy_before_it_may_refuse_work(client, comfy, fault, error, pause_s):
    """ComfyUI itself has neither keys nor limits."""
    comfy.faults["POST /prompt"].append(fault)
    with pytest.raises(error) as raised:
        client(draw)
    assert raised.value.retry_after_s == pause_s


def test_a_key_is_sent_to_the_proxy_and_not_logged(load, running, caplog):
    """As a bearer token, over HTTP and to the socket."""
    caplog.set_level(logging.DEBUG)
    running[0].requests.clear()
    render(load(key="proxy-key-0123456789"))
    ours = [one.getMessage() for one in caplog.records if one.name != "websockets.server"]  # that is the test's
    assert not [text for text in ours if "proxy-key" in text]
    assert {one.headers.get("Authorization") for one in running[0].requests} == {"Bearer proxy-key-0123456789"}


def test_a_workflow_that_the_server_refuses_fails_the_job_with_its_words(load, comfy):
    """A file that is not there is named with its node; the prompt is not repeated."""
    nodes = TEXT["nodes"] | {"lora_scale": "10.strength_model", "prompt": ["6.text", "3.sampler_name"]}
    with pytest.raises(ModelError, match=r"node 3 \(KSampler\): Value not in list: sampler_name") as raised:
        render(load(TEXT | {"nodes": nodes}))
    assert "red coat" not in str(raised.value)
    with pytest.raises(ModelError, match=r"node 10 \(LoraLoader\).*gone.safetensors"):
        render(load(), Shot(diffusion=diffusion(lora="gone.safetensors")))
    assert comfy.drawn == []


def test_a_node_that_fails_counts_as_an_attempt_and_is_named(load, comfy, tmp_path):
    """With the error's words, without the inputs."""
    workflow = json.loads((SHIPPED / "sdxl.json").read_text())
    workflow["9"]["class_type"] = "Explode"
    (tmp_path / "sdxl.json").write_text(json.dumps(workflow))
    with pytest.raises(RemoteEngineFailed, match="Explode.*CUDA out of memory") as raised:
        render(load(folders=(tmp_path, SHIPPED)))
    assert "red coat" not in str(raised.value)


def test_a_class_that_the_server_lacks_fails_the_job(load, comfy, tmp_path):
    """The operator has to install it."""
    workflow = json.loads((SHIPPED / "sdxl.json").read_text())
    workflow["9"]["class_type"] = "CustomSave"
    (tmp_path / "sdxl.json").write_text(json.dumps(workflow))
    with pytest.raises(ModelError, match="CustomSave.*not found"):
        render(load(folders=(tmp_path, SHIPPED)))


def test_a_server_that_gives_ids_of_its_own_is_too_old(load, comfy):
    """Its work is cancelled: it could not be found again."""
    comfy.has_own_ids = True
    comfy.gate.clear()
    with pytest.raises(ModelError, match="too old"):
        render(load())
    assert comfy.interrupted or not comfy.pending


def job(**fields):
    return answer(200, json.dumps({"id": "x", "status": "completed"} | fields).encode())


NONSENSE = {
    "html": answer(200, b"<h1>Sign in</h1>"),
    "nested without end": answer(200, b"[" * 100_000),
    "an unknown status": job(status="dreaming"),
    "outputs of another type": job(outputs=[1]),
    "no outputs": job(outputs={}),
    "no pictures": job(outputs={"9": {"images": [None, 5, {"filename": 5}, {"filename": ""}], "text": ["x"]}, "8": 4}),
    "no such picture": job(outputs={"9": {"images": [{"filename": "../../etc/passwd", "type": "input"}]}}),
    "a redirect to loopback": answer(302, b"", {"Location": "http://127.0.0.1:1/"}),
    "a request of another form": answer(422, b'{"error": "no", "prompt": "a red coat"}'),
}


@pytest.mark.parametrize("name", sorted(NONSENSE))
def test_an_answer_about_work_that_makes_no_sense_counts_as_an_attempt(load, comfy, name):
    """The work may have been paid."""
    comfy.faults["GET /api/jobs/*"].append(NONSENSE[name])
    with pytest.raises(RemoteEngineFailed) as raised:
        render(load())
    assert "red coat" not in str(raised.value)


FILES = {
    "html": answer(200, b"<h1>Sign in</h1>"),
    "nothing": answer(200),
    "not found": answer(404),
    "too many pixels": answer(200, png((5000, 4000))),
    "a redirect to loopback": answer(302, b"", {"Location": "http://127.0.0.1:1/"}),
}


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_file_that_is_no_picture_counts_as_an_attempt(load, comfy, name):
    """Wherever it is found out."""
    comfy.faults["GET /view"].append(FILES[name])
    with pytest.raises(RemoteEngineFailed):
        render(load())


@pytest.mark.parametrize("path", ["GET /api/jobs/*", "GET /view", "POST /prompt"])
def test_an_answer_without_end_is_not_read_to_it(load, comfy, path):
    """Sixteen megabytes of JSON, and 48 of a picture."""
    comfy.faults[path].append(endless)
    with pytest.raises(RemoteEngineFailed, match="more than"):
        render(load())


def test_a_server_answers_a_probe(client, comfy):
    """It lists no models; a page that answers everything is none."""

    async def probe(client, _):
        return await client.probe()

    assert client(probe) == ()
    for fault, error in ((answer(200, b"<html>"), RemoteEngineFailed), (answer(401), RemoteKeyRefused)):
        comfy.faults["GET /system_stats"].append(fault)
        with pytest.raises(error):
            client(probe)


@pytest.mark.parametrize("fault", [answer(404), answer(302, b"", {"Location": "http://127.0.0.1:1/"}), cut, reset])
def test_without_a_socket_the_picture_is_found_by_looking(client, comfy, fault):
    """Whatever the socket's route does."""
    comfy.faults["GET /ws"].append(fault)
    assert client(draw).file.startswith(b"\x89PNG")
