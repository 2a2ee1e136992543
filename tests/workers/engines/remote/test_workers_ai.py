"""Kind `workersai`: forms of each family of models, its refusals and outages, and answers that are none."""

import io
import threading

import cloudflare
import numpy as np
import pytest
from PIL import Image
from pydantic import SecretStr
from servers.comfyui_models import diffusion, edit, render, right_half
from servers.event_loop import run
from servers.faulty_http import answer, cut, reset
from servers.image_engine import png
from servers.workers_ai import (
    ACCOUNT,
    BASE,
    FLUX2,
    INPAINTING,
    KEY,
    KLEIN,
    LIGHTNING,
    LUCID,
    SCHNELL,
    enveloped,
    failure,
    in_base64,
    start_workers_ai,
)

from imgen.domain.errors import (
    ModelError,
    RefusedByProvider,
    RemoteEngineAway,
    RemoteEngineBusy,
    RemoteEngineFailed,
    RemoteKeyRefused,
)
from imgen.domain.remote_engine import parse_remote_engine
from workers.engines import Shot
from workers.engines.remote.workers_ai import WorkersAI

ALL = ["seed", "steps", "guidance", "negative"]


@pytest.fixture(scope="module")
def running():
    with start_workers_ai() as server:
        yield server


@pytest.fixture
def server(running):
    """The server, which has been asked nothing."""
    running.forget()
    running.paid.clear()
    return running


@pytest.fixture
def load(server, load_from):
    """Loads a model of the server."""

    def make(model=LIGHTNING, key=KEY, timeout_s=20, **entry):
        remote = {"kind": "workersai", "base_url": server.url + BASE, "timeout_s": timeout_s}
        return load_from(remote, key, {"model": model} | entry)

    return make


@pytest.mark.parametrize(
    ("model", "takes", "fields"),
    [
        (SCHNELL, ["steps"], {"prompt": "a red coat", "steps": 4}),
        (LUCID, ["seed", "guidance"], {"width": 320, "height": 256, "seed": 7, "guidance": 3.5}),
        (LIGHTNING, ALL, {"width": 320, "negative_prompt": "hat", "num_steps": 4, "guidance": 3.5, "seed": 7}),
        (FLUX2, ["seed", "steps", "guidance"], {"width": "320", "steps": "4", "guidance": "3.5", "seed": "7"}),
        (KLEIN, ["seed"], {"prompt": "a red coat", "width": "320", "height": "256", "seed": "7"}),
    ],
)
def test_each_family_gets_its_own_form(load, server, model, takes, fields):
    """The server checks them by the published schemas; FLUX.2 takes forms alone, Stable Diffusion answers with bare bytes."""
    (drawn,) = render(load(model, takes=takes))
    (asked,) = server.paid
    assert asked["model"] == model
    assert {name: asked.get(name) for name in fields} == fields
    assert drawn.pixels.shape == (256, 320, 3)
    assert tuple(drawn.pixels[100, 100]) == (200, 40, 40)


def test_only_parameters_that_the_entry_takes_are_sent_and_its_options_are(load, server):
    """Nothing is sent that was not named."""
    render(load(LUCID, options={"lora": "x"}))
    assert server.paid == [{"model": LUCID, "prompt": "a red coat", "width": 320, "height": 256, "lora": "x"}]


def test_a_source_and_its_mask_are_sent_white_where_it_is_redrawn(load, server):
    """The mask as a list of its file's bytes; the kept half is the source's to the pixel."""
    (drawn,) = render(load(INPAINTING, takes=["strength"], edits="mask"), edit(right_half()))
    (asked,) = server.paid
    mask = np.asarray(Image.open(io.BytesIO(bytes(asked["mask"]))))
    assert (mask[0, 0], mask[0, -1]) == (0, 255)
    assert asked["strength"] == 0.6
    assert asked["image_b64"].startswith("iVBOR")
    assert tuple(drawn.pixels[100, 10]) == (90, 90, 90)
    assert tuple(drawn.pixels[100, 310]) == (200, 40, 40)


def test_a_large_source_is_made_small_enough_for_flux_2(load, server):
    """The server refuses 512 pixels and more."""
    shot = edit()
    large = Shot(diffusion=shot.diffusion, source=np.full((1024, 1280, 3), 90, np.uint8))
    render(load(FLUX2, edits="image"), large)
    assert Image.open(io.BytesIO(server.paid[0]["input_image_0"])).size == (504, 403)


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"model": ""}, "no name of Workers AI"),
        ({"model": "../../user"}, "no name of Workers AI"),
        ({"model": "@cf/x?y"}, "no name of Workers AI"),
        ({"model": SCHNELL, "takes": ["seed"]}, "takes no seed; it takes steps"),
        ({"model": KLEIN, "takes": ["steps"]}, "takes no steps"),
        ({"model": LIGHTNING, "takes": ["lora"]}, "takes no lora"),
        ({"model": FLUX2, "edits": "mask"}, "at most 'image'"),
        ({"model": SCHNELL, "edits": "image"}, "can be nothing"),
    ],
)
def test_an_entry_that_the_model_cannot_serve_is_refused(load, server, entry, problem):
    """Before anything is asked."""
    with pytest.raises(ModelError, match=problem):
        load(**entry)
    assert not server.requests


@pytest.mark.parametrize(
    "refusal",
    [
        failure(
            400, 3030, "AiError: Your output has been flagged. Please choose another prompt / input image combination"
        ),
        failure(400, 8007, "AiError: Input prompt contains NSFW content."),
        failure(200, 3030, "AiError: Your output has been flagged."),
    ],
)
def test_a_flagged_picture_is_refused_by_the_provider(load, server, refusal):
    """By its words, whatever the status; the next picture is drawn."""
    server.script.append(refusal)
    refused, drawn = render(load(), *[Shot(diffusion=diffusion())] * 2)
    assert isinstance(refused, RefusedByProvider)
    assert drawn.pixels.shape == (256, 320, 3)


def test_a_code_alone_is_no_refusal_by_policy(load, server):
    """Code 3030 stands for other failures of a model, too."""
    server.script.append(failure(400, 3030, "AiError: Bad input"))
    with pytest.raises(ModelError, match="Bad input"):
        render(load())


def test_a_prompt_with_such_a_word_is_no_refusal_by_policy(load, server):
    """The prompt is taken out of an error that repeats it, before its words are looked at."""
    server.script.append(failure(400, 5006, "Error: a flagged coat is too long"))
    with pytest.raises(ModelError, match="too long"):
        render(load(), Shot(diffusion=diffusion(positive="a flagged coat")))


@pytest.mark.parametrize(
    ("fault", "error", "pause_s"),
    [
        (failure(429, 3040, "No more data centers", **{"Retry-After": "17"}), RemoteEngineBusy, 17),
        (failure(429, 3036, "You have used up your daily free allocation"), RemoteEngineBusy, 3600),
        (failure(503, 0, "upstream"), RemoteEngineAway, None),
        (failure(403, 3023, "Service unavailable for account"), RemoteKeyRefused, None),
        (failure(400, 6003, "Invalid request headers"), RemoteKeyRefused, None),
    ],
)
def test_an_engine_that_cannot_draw_now_is_waited_for(load, server, fault, error, pause_s):
    """Asked once, as long as it asks for."""
    server.script.append(fault)
    with pytest.raises(error) as raised:
        render(load())
    if pause_s:
        assert raised.value.retry_after_s == pause_s
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (failure(403, 5016, "User has not agreed to the model's terms"), "refuses the model: 5016"),
        (failure(413, 3006, "Request is too large"), "too large"),
    ],
)
def test_a_model_or_request_that_is_refused_fails_the_job(load, server, fault, words):
    """A model that the account may not use is no matter of the key, though it comes with 403."""
    server.script.append(fault)
    with pytest.raises(ModelError, match=words):
        render(load())


def test_a_model_that_is_not_there_fails_the_job(load):
    """With the server's words."""
    with pytest.raises(ModelError, match="No such model"):
        render(load("@cf/nobody/nothing"))


def test_a_wrong_key_is_told_without_the_key(load):
    """The variable's name is told, never its value, which the server's own words repeat."""
    with pytest.raises(RemoteKeyRefused, match="REMOTE_KEY") as raised:
        render(load(key="cf-wrong-9876543210"))
    assert "cf-wrong" not in str(raised.value)


GARBAGE = {
    "html": answer(200, b"<h1>Sign in</h1>", {"Content-Type": "text/html"}),
    "no result": enveloped(None),
    "no picture in the result": enveloped({}),
    "another type": enveloped({"image": 5}),
    "no success": answer(200, b'{"success": false, "result": {"image": "aaaa"}}'),
    "no base64": enveloped({"image": "%%%"}),
    "no picture": in_base64(b"GIF89a"),
    "bytes that are no picture": answer(200, b"nothing", {"Content-Type": "image/png"}),
    "too many pixels": answer(200, png((5000, 4000)), {"Content-Type": "image/png"}),
    "nested without end": answer(200, b"[" * 100_000),
    "a redirect to loopback": answer(302, b"", {"Location": "http://127.0.0.1:1/"}),
    "a URL on loopback": enveloped({"image": "https://127.0.0.1:1/picture.png"}),
    "errors of another type": answer(400 + 8, b'{"errors": 5}'),
    "408": failure(408, 3007, "Request timeout"),
    "500": answer(500),
    "errors with 200": failure(200, 3030, "AiError: failed"),
    "a cut answer": cut,
    "a reset": reset,
}


@pytest.mark.parametrize("name", sorted(GARBAGE))
def test_an_answer_without_a_usable_picture_counts_as_an_attempt(load, server, name):
    """The call may have been paid: it is repeated by the job's attempts alone."""
    server.script.append(GARBAGE[name])
    with pytest.raises(RemoteEngineFailed):
        render(load())
    assert len(server.requests) == 1


def test_the_probe_lists_models_and_draws_nothing(server):
    """A key that is refused is told as such."""
    remote = parse_remote_engine(
        "elsewhere", {"kind": "workersai", "base_url": server.url + BASE, "api_key_env": "REMOTE_KEY"}
    )

    async def probe(key):
        client = WorkersAI(remote, SecretStr(key))
        try:
            return await client.probe()
        finally:
            await client.close()

    assert FLUX2 in run(probe(KEY))
    assert server.paid == []
    with pytest.raises(RemoteKeyRefused, match="REMOTE_KEY"):
        run(probe("another-key-0123456789"))


def test_many_calls_run_at_once_and_each_is_paid_once(load, server):
    """Eight pictures by eight threads: eight calls."""
    engine = load()
    threads = [threading.Thread(target=render, args=(engine,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.paid) == 8


def test_the_server_of_these_tests_speaks_to_the_vendors_client(server):
    """So it is no mirror of our own."""
    with cloudflare.Cloudflare(api_token=KEY, base_url=f"{server.url}/client/v4", max_retries=0) as client:
        made = client.ai.run(SCHNELL, account_id=ACCOUNT, prompt="a red coat")
        assert made["image"].startswith("iVBOR")
        raw = client.ai.with_raw_response.run(LIGHTNING, account_id=ACCOUNT, prompt="a red coat", width=320, height=256)
        assert Image.open(io.BytesIO(raw.read())).size == (320, 256)
        assert {model["name"] for model in client.ai.models.list(account_id=ACCOUNT)} >= {FLUX2, SCHNELL}
        server.script.append(failure(400, 3030, "AiError: Your output has been flagged"))
        with pytest.raises(cloudflare.BadRequestError) as raised:
            client.ai.run(SCHNELL, account_id=ACCOUNT, prompt="a red coat")
        assert raised.value.errors[0].code == 3030
