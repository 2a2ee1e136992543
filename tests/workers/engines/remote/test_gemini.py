"""Kind `gemini`: pictures by ratio, sources, refusals by finish reason, outages, and answers that are none."""

import base64
import io
import json

import numpy as np
import pytest
from google import genai
from google.genai import errors, types
from PIL import Image
from pydantic import SecretStr
from servers.comfyui_models import diffusion, edit, render
from servers.event_loop import run
from servers.faulty_http import answer, cut, reset
from servers.gemini import (
    KEY,
    MODELS,
    blocked,
    candidate,
    error_info,
    failure,
    finished,
    picture,
    retry_info,
    start_gemini,
)
from servers.image_engine import png

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
from workers.engines.remote.gemini import Gemini

GREEN = (20, 200, 40)


@pytest.fixture(scope="module")
def running():
    with start_gemini() as server:
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

    def make(model=MODELS[0], key=KEY, timeout_s=20, **entry):
        remote = {"kind": "gemini", "base_url": server.url, "timeout_s": timeout_s}
        return load_from(remote, key, {"model": model} | entry)

    return make


@pytest.mark.parametrize(
    ("width", "height", "ratio"),
    [
        (1024, 1024, "1:1"),
        (1344, 768, "16:9"),
        (768, 1344, "9:16"),
        (1024, 768, "4:3"),
        (832, 1216, "2:3"),
        (1152, 928, "5:4"),
    ],
)
def test_a_size_is_asked_for_by_its_nearest_ratio(load, server, width, height, ratio):
    """Gemini takes no pixels: the picture is scaled and cut, and what it drew is told."""
    (drawn,) = render(load(), Shot(diffusion=diffusion(width=width, height=height)))
    (asked,) = server.paid
    assert asked["generationConfig"] == {"responseModalities": ["IMAGE"], "imageConfig": {"aspectRatio": ratio}}
    assert asked["contents"] == [{"role": "user", "parts": [{"text": "a red coat"}]}]
    assert drawn.pixels.shape == (height, width, 3)


def test_options_and_the_seed_are_sent(load, server):
    """`imageSize` goes into `imageConfig`; a seed of 32 bits is made one of 31, as the field takes it."""
    render(
        load(takes=["seed"], options={"imageSize": "2K", "temperature": 0.5}), Shot(diffusion=diffusion(seed=2**31 + 7))
    )
    config = server.paid[0]["generationConfig"]
    assert config["imageConfig"] == {"aspectRatio": "5:4", "imageSize": "2K"}
    assert (config["seed"], config["temperature"]) == (7, 0.5)


def test_a_source_is_sent_beside_the_words(load, server):
    """As a PNG, to the pixel."""
    render(load(edits="image"), edit())
    text, file = server.paid[0]["contents"][0]["parts"]
    assert text == {"text": "a red coat"}
    sent = Image.open(io.BytesIO(base64.b64decode(file["inlineData"]["data"])))
    assert np.array_equal(np.asarray(sent), np.full((256, 320, 3), 90, np.uint8))


def test_drafts_of_a_model_that_thinks_are_not_the_picture(load, server):
    """Parts with `thought` are passed over, and so is its text."""
    draft, drawn = picture(png((64, 64)), thought=True), picture(png((1024, 1024), GREEN), thoughtSignature="c2ln")
    server.script.append(candidate({"text": "Let me think.", "thought": True}, draft, {"text": "Here it is."}, drawn))
    (found,) = render(load())
    assert tuple(found.pixels[100, 100]) == GREEN
    assert (found.elsewhere.width, found.elsewhere.height) == (1024, 1024)


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"edits": "mask"}, "takes no masks"),
        ({"takes": ["seed", "steps"]}, "takes no steps; it takes seed"),
        ({"model": ""}, "no name of a Gemini model"),
        ({"model": "../files"}, "no name of a Gemini model"),
    ],
)
def test_an_entry_that_gemini_cannot_serve_is_refused(load, server, entry, problem):
    """Before anything is asked."""
    with pytest.raises(ModelError, match=problem):
        load(**entry)
    assert not server.requests


@pytest.mark.parametrize(
    "reason",
    [
        "SAFETY",
        "RECITATION",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
    ],
)
def test_a_finish_reason_of_policy_is_a_refusal(load, server, reason):
    """With the reason and the message; the prompt is not repeated, and the next picture is drawn."""
    server.script.append(finished(reason, "Unable to show a red coat."))
    refused, drawn = render(load(), *[Shot(diffusion=diffusion())] * 2)
    assert isinstance(refused, RefusedByProvider)
    assert reason in str(refused)
    assert "red coat" not in str(refused)
    assert drawn.pixels.shape == (256, 320, 3)


@pytest.mark.parametrize("reason", ["SAFETY", "OTHER", "PROHIBITED_CONTENT", "IMAGE_SAFETY"])
def test_a_blocked_prompt_is_a_refusal(load, server, reason):
    """It has no candidates at all."""
    server.script.append(blocked(reason))
    (refused,) = render(load())
    assert isinstance(refused, RefusedByProvider)
    assert reason in str(refused)


@pytest.mark.parametrize(
    ("fault", "error", "pause_s"),
    [
        (failure(429, "RESOURCE_EXHAUSTED", "quota", retry_info("16.2s")), RemoteEngineBusy, 17),
        (failure(429, "RESOURCE_EXHAUSTED", "quota", retry_info("90000s")), RemoteEngineBusy, 3600),
        (failure(429, "RESOURCE_EXHAUSTED", "quota", retry_info("soon")), RemoteEngineBusy, None),
        (failure(503, "UNAVAILABLE", "The model is overloaded."), RemoteEngineAway, None),
        (failure(403, "PERMISSION_DENIED", "no"), RemoteKeyRefused, None),
        (failure(400, "FAILED_PRECONDITION", "User location is not supported"), RemoteKeyRefused, None),
        (failure(400, "INVALID_ARGUMENT", "expired", error_info("API_KEY_INVALID")), RemoteKeyRefused, None),
    ],
)
def test_an_engine_that_cannot_draw_now_is_waited_for(load, server, fault, error, pause_s):
    """As long as its RetryInfo says, an hour at most; asked once."""
    server.script.append(fault)
    with pytest.raises(error) as raised:
        render(load())
    if pause_s is not None:
        assert raised.value.retry_after_s == pause_s
    assert len(server.requests) == 1


def test_a_wrong_key_is_told_without_the_key(load):
    """The variable's name is told; Gemini refuses a wrong key with status 400."""
    with pytest.raises(RemoteKeyRefused, match="REMOTE_KEY") as raised:
        render(load(key="AIza-wrong-9876543210"))
    assert "AIza-wrong" not in str(raised.value)


def test_the_key_stands_in_the_header_alone(load, server):
    """Never in a URL, which proxies log."""
    render(load())
    (asked,) = server.requests
    assert KEY not in asked.path
    assert asked.headers["x-goog-api-key"] == KEY


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [("gemini-nobody", {}, "not found"), (MODELS[0], {"colour": "red"}, "colour")],
)
def test_a_request_that_the_engine_refuses_fails_the_job(load, model, options, words):
    """With its words; another try would be refused as well."""
    with pytest.raises(ModelError, match=words):
        render(load(model, options=options))


def _body(value):
    return answer(200, json.dumps(value).encode())


GARBAGE = {
    "html": answer(200, b"<h1>Sign in</h1>"),
    "nothing": _body({}),
    "NO_IMAGE": finished("NO_IMAGE"),
    "IMAGE_OTHER": finished("IMAGE_OTHER"),
    "MAX_TOKENS": finished("MAX_TOKENS"),
    "words alone": candidate({"text": "I cannot draw."}),
    "drafts alone": candidate(picture(png((64, 64)), thought=True)),
    "another type": _body({"candidates": [{"content": {"parts": [{"inlineData": {"data": 5}}]}}]}),
    "candidates of another type": _body({"candidates": "none"}),
    "no base64": _body({"candidates": [{"content": {"parts": [{"inlineData": {"data": "%%%"}}]}}]}),
    "no picture": candidate(picture(b"GIF89a")),
    "too many pixels": candidate(picture(png((5000, 4000)))),
    "nested without end": answer(200, b"[" * 100_000),
    "a redirect to loopback": answer(302, b"", {"Location": "http://127.0.0.1:1/"}),
    "500": failure(500, "INTERNAL", "An internal error has occurred."),
    "504": failure(504, "DEADLINE_EXCEEDED", "deadline"),
    "an error of another type": answer(500, b'{"error": "no"}'),
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


def test_the_reason_of_an_answer_without_a_picture_is_told(load, server):
    """The operator reads it in the panel, without the prompt."""
    server.script.append(finished("NO_IMAGE", "No image of a red coat."))
    with pytest.raises(RemoteEngineFailed, match="NO_IMAGE No image") as raised:
        render(load())
    assert "red coat" not in str(raised.value)


def test_the_probe_lists_models_that_draw_and_has_nothing_drawn(server):
    """A key that is refused is told as such."""
    remote = parse_remote_engine("elsewhere", {"kind": "gemini", "base_url": server.url, "api_key_env": "REMOTE_KEY"})

    async def probe(key):
        client = Gemini(remote, SecretStr(key))
        try:
            return await client.probe()
        finally:
            await client.close()

    assert run(probe(KEY)) == MODELS
    assert server.paid == []
    with pytest.raises(RemoteKeyRefused, match="REMOTE_KEY"):
        run(probe("another-key-0123456789"))


def test_the_server_of_these_tests_speaks_to_the_vendors_client(server):
    """So it is no mirror of our own."""
    config = types.GenerateContentConfig(
        response_modalities=["IMAGE"], image_config=types.ImageConfig(aspect_ratio="16:9", image_size="1K"), seed=7
    )
    with genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=server.url, api_version="v1beta")) as client:
        made = client.models.generate_content(model=MODELS[0], contents="a red coat", config=config)
        assert Image.open(io.BytesIO(made.parts[0].inline_data.data)).size == (1376, 768)
        assert server.paid[0]["generationConfig"]["imageConfig"] == {"aspectRatio": "16:9", "imageSize": "1K"}
        server.script.append(finished("IMAGE_SAFETY", "no"))
        refused = client.models.generate_content(model=MODELS[0], contents="a red coat", config=config)
        assert refused.candidates[0].finish_reason == types.FinishReason.IMAGE_SAFETY
        server.script.append(blocked("PROHIBITED_CONTENT"))
        refused = client.models.generate_content(model=MODELS[0], contents="a red coat", config=config)
        assert refused.prompt_feedback.block_reason == types.BlockedReason.PROHIBITED_CONTENT
        server.script.append(failure(429, "RESOURCE_EXHAUSTED", "quota", retry_info("17s")))
        with pytest.raises(errors.ClientError) as raised:
            client.models.generate_content(model=MODELS[0], contents="a red coat", config=config)
        assert (raised.value.code, raised.value.status) == (429, "RESOURCE_EXHAUSTED")
