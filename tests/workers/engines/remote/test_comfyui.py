"""Kind `comfyui`: pictures of a ComfyUI server, from words, sources and masks; its errors, cancellation, and answers that are none."""

import asyncio
import io
import json
import shutil
import time
import uuid
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import SecretStr
from servers.comfyui import start_comfyui
from servers.comfyui_nodes import RED
from servers.event_loop import until
from servers.faulty_http import answer, cut, reset
from servers.image_engine import png

from imgen.domain.catalog import parse_model
from imgen.domain.errors import (
    Cancelled,
    ModelError,
    RemoteEngineAway,
    RemoteEngineBusy,
    RemoteEngineFailed,
    RemoteJobLost,
    RemoteKeyRefused,
)
from imgen.domain.recipe import Diffusion, Input
from imgen.domain.remote_engine import parse_remote_engine
from workers import engines
from workers.engines import EngineContext, Shot
from workers.engines.remote.comfyui import ComfyUI
from workers.engines.remote.protocol import PictureRequest

SHIPPED = Path(__file__).parents[4] / "config" / "workflows"
TEXT = {
    "engine": "elsewhere",
    "workflow": "sdxl.json",
    "takes": ["seed", "steps", "guidance", "negative", "lora"],
    "nodes": {
        "prompt": "6.text",
        "negative": "7.text",
        "seed": "3.seed",
        "steps": "3.steps",
        "guidance": "3.cfg",
        "width": "5.width",
        "height": "5.height",
        "lora": "10.lora_name",
        "lora_scale": ["10.strength_model", "10.strength_clip"],
    },
}
EDIT = {
    "engine": "elsewhere",
    "workflow": "sdxl-inpaint.json",
    "takes": ["seed", "strength", "lora"],
    "edits": "mask",
    "nodes": {
        "prompt": "6.text",
        "seed": "3.seed",
        "strength": "3.denoise",
        "lora": "10.lora_name",
        "source": "11.image",
        "mask": "12.image",
    },
}


@pytest.fixture
def no_network():
    """Replaces the folder's ban: the server is on loopback."""


@pytest.fixture(scope="module")
def running():
    with start_comfyui() as started:
        yield started


@pytest.fixture
def comfy(running):
    """State of the server, which has been asked nothing."""
    running[1].reset()
    yield running[1]
    running[1].reset()


@pytest.fixture
def remote(running):
    """Makes the server's entry in engines.toml."""

    def make(**changes):
        return parse_remote_engine(
            "elsewhere", {"kind": "comfyui", "base_url": running[0].url, "timeout_s": 20} | changes
        )

    return make


@pytest.fixture
def load(comfy, remote):
    """Loads a model of these entries, both of the server."""
    loaded = []

    def make(*entries, folders=(SHIPPED,), key="", **changes):
        table = {
            "label": "Remote",
            "backend": "remote",
            "engines": list(entries or (TEXT, EDIT)),
            "steps": {"default": 4},
            "guidance": {"default": 3.5},
            "default_style": "plain",
            "styles": {"plain": {"label": "Plain"}},
        }
        context = EngineContext(
            remote_engines={"elsewhere": remote(api_key_env="REMOTE_KEY" if key else "", **changes)},
            workflow_folders=folders,
            key_in=lambda _: SecretStr(key),
        )
        model = parse_model("remote", table)
        engines.check(model, context)
        loaded.append(engines.load(model, context))
        return loaded[-1]

    yield make
    for engine in loaded:
        engine.unload()


@pytest.fixture
def client(comfy, remote):
    """Runs a coroutine that is made with a client and a request for a picture from words."""

    def run(work, outage_s=0.6, choice=TEXT, shot=None, **changes):
        async def main():
            made = ComfyUI(remote(**changes), SecretStr(""), (SHIPPED,), outage_s=outage_s)
            chosen = parse_model("remote", MODEL | {"engines": [choice]}).engine.engines[0]
            request = PictureRequest(call_id=str(uuid.uuid4()), choice=chosen, shot=shot or Shot(diffusion=diffusion()))
            try:
                return await work(made, request)
            finally:
                await made.close()

        return asyncio.run(main())

    return run


MODEL = {
    "label": "Remote",
    "backend": "remote",
    "steps": {"default": 4},
    "guidance": {"default": 3.5},
    "default_style": "plain",
    "styles": {"plain": {"label": "Plain"}},
}


def diffusion(**changes):
    values = {
        "positive": "a red coat",
        "negative": "hat",
        "width": 320,
        "height": 256,
        "seed": 7,
        "num_inference_steps": 4,
        "guidance_scale": 3.5,
    }
    return Diffusion(**(values | changes))


def edit(mask=None, strength=0.6):
    """A shot with a grey source, and a mask that is white from column 160 on unless told otherwise."""
    roles = ("source",) if mask is None else ("source", "mask")
    inputs = tuple(Input(role=role, key=role, sha256="0", strength=strength) for role in roles)
    source = np.full((256, 320, 3), 90, np.uint8)
    return Shot(diffusion=diffusion(inputs=inputs), source=source, mask=mask)


def right_half():
    mask = np.zeros((256, 320), np.uint8)
    mask[:, 160:] = 255
    return mask


def render(engine, *shots, on_step=lambda *_: None):
    return engine.render(shots or [Shot(diffusion=diffusion())], on_step)


async def draw(client, request, progress=lambda *_: None):
    return await client.wait(await client.submit(request), request, progress)


def test_a_picture_from_words_has_all_that_the_entry_takes(load, comfy):
    """A character's LoRA is in its loader; without one the loader is taken out, since its file need not be there."""
    plain, with_lora = render(
        load(),
        Shot(diffusion=diffusion()),
        Shot(diffusion=diffusion(lora="emma.safetensors", lora_scale=0.8)),
    )
    told = {"positive": "a red coat", "negative": "hat", "seed": 7, "steps": 4, "cfg": 3.5, "denoise": 1.0}
    told["ckpt"] = "sd_xl_base_1.0.safetensors"
    assert comfy.drawn == [told | {"loras": []}, told | {"loras": [("emma.safetensors", 0.8, 0.8)]}]
    assert plain.pixels.shape == (256, 320, 3)
    assert tuple(plain.pixels[0, 0]) == RED
    assert (with_lora.idle, with_lora.elsewhere.engine) == ((), "elsewhere")


def test_an_option_is_an_input_of_the_workflow(load, comfy):
    """So one file serves several models; what the entry does not take stays as the file has it."""
    entry = TEXT | {
        "takes": [],
        "nodes": {"prompt": "6.text"},
        "options": {"4.ckpt_name": "other.safetensors", "3.steps": 2},
    }
    with pytest.raises(ModelError, match="character"):  # nothing takes its loader out
        render(load(entry | {"options": entry["options"] | {"10.lora_name": "character"}}))
    (drawn,) = render(load(entry))
    assert (comfy.drawn[0]["ckpt"], comfy.drawn[0]["steps"], comfy.drawn[0]["seed"]) == ("other.safetensors", 2, 0)
    assert (drawn.elsewhere.width, drawn.elsewhere.height) == (1024, 1024)
    assert drawn.pixels.shape == (256, 320, 3)
    assert set(drawn.idle) == {"negative", "guidance", "seed"}


def test_a_masked_source_is_redrawn_where_the_mask_is_white(load, comfy):
    """The second entry of the same engine draws it, with the strength asked for; what the mask keeps is the source's."""
    (drawn,) = render(load(), edit(right_half()))
    assert (tuple(drawn.pixels[128, 10]), tuple(drawn.pixels[128, 310])) == ((90, 90, 90), RED)
    assert comfy.drawn[0]["denoise"] == 0.6
    assert {kind for kind, _ in comfy.files} == {"temp"}  # which ComfyUI empties when it starts


@pytest.mark.parametrize(
    ("channel", "nodes"),
    [("alpha", EDIT["nodes"]), ("blue", EDIT["nodes"]), ("", {k: v for k, v in EDIT["nodes"].items() if k != "mask"})],
)
def test_each_loader_of_comfyui_reads_the_same_mask(load, comfy, tmp_path, channel, nodes):
    """`LoadImageMask` by any channel, and `LoadImage` of the source where the entry names no mask."""
    workflow = json.loads((SHIPPED / EDIT["workflow"]).read_text())
    if channel:
        workflow["12"]["inputs"]["channel"] = channel
    else:
        del workflow["12"]
        workflow["14"]["inputs"]["mask"] = ["11", 1]
    (tmp_path / "other.json").write_text(json.dumps(workflow))
    render(load(EDIT | {"workflow": "other.json", "nodes": nodes}, folders=(tmp_path,)), edit(right_half()))
    (file,) = [file for (kind, name), file in comfy.files.items() if name.startswith("ComfyUI_")]
    assert file == png_of(np.where(right_half()[..., None] == 255, RED, 90).astype(np.uint8))


def png_of(pixels):
    """The file that the server makes of pixels."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def test_a_source_without_a_mask_is_redrawn_wholly(load):
    """By the workflow with a mask, too."""
    (drawn,) = render(load(), edit())
    assert np.all(drawn.pixels == RED)


def test_a_workflow_that_loads_a_source_draws_from_no_words_alone(load, comfy):
    """The next entry does, and where there is none the job fails before anything is asked."""
    render(load(EDIT, TEXT))
    comfy.asked.clear()
    with pytest.raises(ModelError, match="none of its engines draws from these inputs"):
        render(load(EDIT))
    assert comfy.asked == []


def test_progress_and_previews_come_over_the_socket(client, comfy):
    """Each step is told while it is drawn."""
    told = []
    comfy.gate.clear()

    def progress(done, preview):
        told.append((done, preview[:2]))

    async def work(client, request):
        engine_job_id = await client.submit(request)
        waiting = asyncio.create_task(client.wait(engine_job_id, request, progress))
        await until(lambda: request.call_id in comfy.sockets)
        comfy.gate.set()
        return await waiting

    client(work)
    assert [done for done, preview in told if not preview] == [0.25, 0.5, 0.75, 1.0]
    assert [done for done, preview in told if preview] == [0.25, 0.5, 0.75, 1.0]
    assert {preview for _, preview in told} == {b"", b"\xff\xd8"}
    looks = [one for one in comfy.asked if one.startswith("GET /api/jobs/")]
    assert len(looks) <= 3  # at the beginning, once the socket is open, and when the end is told


@pytest.mark.parametrize("fault", [answer(404), answer(302, b"", {"Location": "http://127.0.0.1:1/"}), cut, reset])
def test_without_a_socket_the_picture_is_found_by_looking(client, comfy, fault):
    """Whatever the socket's route does."""
    comfy.faults["GET /ws"].append(fault)
    assert client(draw).file.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "message",
    [
        "{",
        "[" * 100_000,
        '{"type": "progress"}',
        '{"type": "progress", "data": []}',
        '{"type": "progress", "data": {"prompt_id": "ID", "node": "3", "value": 1e308, "max": 1e-308}}',
        '{"type": "progress", "data": {"prompt_id": "ID", "node": "3", "value": "1", "max": -4}}',
        '{"type": "progress", "data": {"prompt_id": "ID", "node": 3, "value": 1, "max": 4}}',
        '{"type": "progress_state", "data": {"prompt_id": "ID", "nodes": [1]}}',
        '{"type": "executing", "data": {"prompt_id": "another", "node": null}}',
        "x" * (2**22 + 1),
        b"",
        b"\0\0\0\1",
        b"\0\0\0\4\xff\xff\xff\xff{}",
        b"\0\0\0\1\0\0\0\1GIF89a",
    ],
    ids=lambda message: repr(message[:60]),
)
def test_an_event_that_is_none_is_left_out(load, comfy, message):
    """The picture is drawn all the same."""
    comfy.gate.clear()

    def on_step(*_):
        for client_id, socket in list(comfy.sockets.items()):
            socket.send(message.replace("ID", client_id) if isinstance(message, str) else message)
            comfy.gate.set()

    (drawn,) = render(load(), on_step=on_step)
    assert tuple(drawn.pixels[0, 0]) == RED


@pytest.mark.parametrize("is_old", [False, True])
def test_servers_without_jobs_are_asked_by_queue_and_history(client, comfy, is_old):
    """Work is found there while it waits, while it runs and when it has ended."""
    comfy.is_old = is_old

    async def work(client, request):
        assert await client.submit(request) == request.call_id
        answered = await client.wait(request.call_id, request, lambda *_: None)
        with pytest.raises(RemoteJobLost):
            await client.wait(str(uuid.uuid4()), request, lambda *_: None)
        return answered

    assert client(work).file.startswith(b"\x89PNG")
    assert ("GET /queue" in comfy.asked) is is_old


@pytest.mark.parametrize("is_old", [False, True])
def test_a_cancellation_tells_whether_the_work_had_begun(client, comfy, is_old):
    """Work that waits is taken out and free, work that runs is stopped; no other work is touched by either."""
    comfy.is_old = is_old
    comfy.gate.clear()

    async def work(client, request):
        first, second, third = (replaced(request) for _ in range(3))
        for one in (first, second, third):
            await client.submit(one)
        await until(lambda: comfy.drawn)
        assert await client.cancel(second.call_id) is True
        assert (comfy.running["id"], comfy.interrupted) == (first.call_id, "")
        assert await client.cancel(first.call_id) is False
        comfy.gate.set()
        with pytest.raises(RemoteEngineFailed, match="interrupted"):
            await client.wait(first.call_id, first, lambda *_: None)
        assert (await client.wait(third.call_id, third, lambda *_: None)).file
        assert await client.cancel(third.call_id) is False
        assert await client.cancel(str(uuid.uuid4())) is False

    client(work)
    assert len(comfy.drawn) == 2


def replaced(request):
    return PictureRequest(call_id=str(uuid.uuid4()), choice=request.choice, shot=request.shot)


def test_a_stopped_job_stops_the_work(load, comfy):
    """Within a second, and it is told by id."""
    comfy.gate.clear()

    def stop(*_):
        if comfy.drawn:
            raise Cancelled

    began = time.monotonic()
    with pytest.raises(Cancelled):
        render(load(), on_step=stop)
    assert time.monotonic() - began < 2
    assert comfy.interrupted == comfy.running["id"]


def test_work_whose_acceptance_got_lost_is_not_handed_over_twice(client, comfy, running):
    """The server has it by our id."""
    comfy.faults["POST /prompt"].append(lambda exchange: (comfy.serve_unheard(exchange), reset(exchange)))
    assert client(draw).file
    assert len(comfy.drawn) == 1


@pytest.mark.parametrize("fault", [answer(500), answer(504), answer(200, b"<h1>Sign in</h1>"), cut, reset])
def test_work_that_was_not_accepted_counts_as_an_attempt(client, comfy, fault):
    """It is not handed over again by itself."""
    comfy.faults["POST /prompt"].append(fault)
    with pytest.raises(RemoteEngineFailed):
        client(draw)
    assert comfy.asked.count("POST /prompt") == 1
    assert comfy.drawn == []


def test_work_that_the_server_forgot_is_lost(client, comfy):
    """Such as after a restart of it."""
    comfy.gate.clear()

    async def work(client, request):
        engine_job_id = await client.submit(request)
        comfy.forget()
        comfy.gate.set()
        await client.wait(engine_job_id, request, lambda *_: None)

    with pytest.raises(RemoteJobLost):
        client(work)


def test_a_short_outage_is_waited_out(client, comfy):
    """A longer one is told as such: the work may go on."""
    comfy.faults["GET /api/jobs/*"] += [answer(503), reset]
    assert client(draw, outage_s=5).file
    comfy.faults["GET /api/jobs/*"] += [answer(503)] * 99
    with pytest.raises(RemoteEngineAway):
        client(draw)


def test_a_server_that_is_down_takes_nothing(client):
    """The next engine draws."""
    with pytest.raises(RemoteEngineAway, match="no connection"):
        client(draw, base_url="http://127.0.0.1:9")


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


def test_a_key_is_sent_to_the_proxy(load, running):
    """As a bearer token, over HTTP and to the socket."""
    running[0].requests.clear()
    render(load(key="proxy-key-0123456789"))
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
    "a request of another form": answer(422, b'{"error": "no"}'),
}


@pytest.mark.parametrize("name", sorted(NONSENSE))
def test_an_answer_about_work_that_makes_no_sense_counts_as_an_attempt(load, comfy, name):
    """The work may have been paid."""
    comfy.faults["GET /api/jobs/*"].append(NONSENSE[name])
    with pytest.raises(RemoteEngineFailed):
        render(load())


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


def endless(exchange):
    """Sends up to 500 MB, as long as anybody reads."""
    exchange.send_response_only(200)
    exchange.end_headers()
    exchange.close_connection = True
    for _ in range(500):
        try:
            exchange.wfile.write(b" " * 2**20)
        except OSError:
            return


@pytest.mark.parametrize("path", ["GET /api/jobs/*", "GET /view", "POST /prompt"])
def test_an_answer_without_end_is_not_read_to_it(load, comfy, path):
    """Sixteen megabytes of JSON, and 48 of a picture."""
    comfy.faults[path].append(endless)
    with pytest.raises(RemoteEngineFailed, match="more than"):
        render(load())


def test_the_first_saved_picture_is_taken_and_else_the_first(load, comfy, tmp_path):
    """A node that only shows a picture may come before the one that saves it."""
    workflow = json.loads((SHIPPED / "sdxl.json").read_text())
    workflow = {"2": {"class_type": "SaveText", "inputs": {"text": "x"}}} | workflow
    workflow["99"] = {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": "x"}}
    (tmp_path / "sdxl.json").write_text(json.dumps(workflow))
    asked = []
    comfy.faults["GET /view"].append(lambda exchange: (asked.append(exchange.request_read.path), answer(500)(exchange)))
    render(load(folders=(tmp_path, SHIPPED)))
    assert "type=output" in asked[0]


def test_a_server_answers_a_probe(client, comfy):
    """It lists no models; a page that answers everything is none."""

    async def probe(client, _):
        return await client.probe()

    assert client(probe) == ()
    for fault, error in ((answer(200, b"<html>"), RemoteEngineFailed), (answer(401), RemoteKeyRefused)):
        comfy.faults["GET /system_stats"].append(fault)
        with pytest.raises(error):
            client(probe)


ENTRIES = {
    "names no workflow": TEXT | {"workflow": ""},
    "no workflow missing.json": TEXT | {"workflow": "missing.json"},
    "leaves the folders": TEXT | {"workflow": "../models.toml"},
    "Export": TEXT | {"workflow": "editor.json"},
    "no node 66": TEXT | {"nodes": TEXT["nodes"] | {"prompt": "66.text"}},
    "no input txt, but clip, text": TEXT | {"nodes": TEXT["nodes"] | {"prompt": ["6.text", "6.txt"]}},
    "such as 6.text": TEXT | {"nodes": TEXT["nodes"] | {"prompt": "text"}},
    "no prompt": TEXT | {"nodes": {k: v for k, v in TEXT["nodes"].items() if k != "prompt"}},
    "nodes has pormpt": TEXT | {"nodes": TEXT["nodes"] | {"pormpt": "6.text"}},
    "takes has seed": TEXT | {"nodes": {k: v for k, v in TEXT["nodes"].items() if k != "seed"}},
    "nodes has negative": TEXT | {"takes": ["seed", "steps", "guidance", "lora"]},
    "nodes has lora_scale": TEXT
    | {"takes": ["seed"], "nodes": {"prompt": "6.text", "seed": "3.seed", "lora_scale": "10.strength_clip"}},
    "no source": TEXT | {"edits": "image"},
    "edits is not set": EDIT | {"edits": "", "nodes": {k: v for k, v in EDIT["nodes"].items() if k != "mask"}},
    "edits is not mask": EDIT | {"edits": "image"},
    "has no link as its input model": TEXT | {"nodes": TEXT["nodes"] | {"lora": "4.ckpt_name"}},
    r"options.3.nope: node 3 \(KSampler\) has no input nope": TEXT | {"options": {"3.nope": 1}},
}


@pytest.mark.parametrize("problem", sorted(ENTRIES))
def test_an_entry_that_its_workflow_does_not_fit_is_refused_before_any_picture(load, comfy, tmp_path, problem):
    """With the name of what is wrong."""
    for file in SHIPPED.iterdir():
        shutil.copy(file, tmp_path)
    (tmp_path / "editor.json").write_text('{"last_node_id": 9, "nodes": [{"id": 9, "type": "SaveImage"}], "links": []}')
    with pytest.raises(ModelError, match=problem):
        load(ENTRIES[problem], folders=(tmp_path,))
    assert comfy.asked == []
