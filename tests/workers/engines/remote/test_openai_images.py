"""Kind `openai`: pictures of a server elsewhere, its refusals and outages, and answers that are none."""

import io
import json

import numpy as np
import openai
import pytest
from PIL import Image
from servers.faulty_http import answer, cut, reset
from servers.image_engine import KEY, at_url, pictures, png, refusal, start_image_engine

from imgen.domain.errors import ModelError, RefusedByProvider, RemoteEngineAway, RemoteEngineFailed, RemoteKeyRefused
from imgen.domain.recipe import Diffusion, Input
from workers.engines import Shot


@pytest.fixture(scope="module")
def running():
    with start_image_engine() as server:
        yield server


@pytest.fixture
def server(running):
    """The server, which has been asked nothing."""
    running.forget()
    return running


@pytest.fixture
def load(server, load_from):
    """Loads a model of the server."""

    def make(key=KEY, batch=None, **entry):
        remote = {"kind": "openai", "base_url": f"{server.url}/v1", "timeout_s": 20}
        return load_from(remote, key, {"model": "gpt-image-2"} | entry, **({"batch": batch} if batch else {}))

    return make


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


def render(engine, *shots):
    return engine.render(shots or [Shot(diffusion=diffusion())], lambda *_: None)


def jpeg(size):
    file = io.BytesIO()
    Image.new("RGB", size, (200, 40, 40)).save(file, "JPEG")
    return file.getvalue()


def test_only_parameters_that_the_engine_takes_are_sent(load, server):
    """Those of OpenAI's own always; the others, and what they changed, by the entry."""
    (plain,) = render(load())
    (full,) = render(load(takes=["seed", "steps", "guidance", "negative"], options={"response_format": "b64_json"}))
    bodies = [json.loads(one.body) for one in server.requests]
    own = {"model": "gpt-image-2", "prompt": "a red coat", "n": 1, "size": "320x256"}
    further = {"seed": 7, "num_inference_steps": 4, "guidance_scale": 3.5, "negative_prompt": "hat"}
    assert bodies == [own, own | further | {"response_format": "b64_json"}]
    assert (set(plain.idle), full.idle) == ({"negative", "guidance", "seed", "steps"}, ())
    assert full.pixels.shape == (256, 320, 3)
    assert (full.elsewhere.width, full.elsewhere.height) == (320, 256)
    assert full.png == b""


def test_a_picture_to_which_nothing_is_done_stays_the_engines_file(load, server):
    """A whole PNG of the size asked for takes the place of pixels; another size, a mask or another format does not."""
    sent = [png((320, 256)), png((1024, 1024)), jpeg((320, 256))]
    server.script.extend(pictures(file) for file in sent)
    same, other, lossy = render(load(), *[Shot(diffusion=diffusion(), is_final=True)] * 3)
    assert (same.pixels.size, other.png, lossy.png) == (0, b"", b"")
    assert other.pixels.shape == lossy.pixels.shape == (256, 320, 3)
    with Image.open(io.BytesIO(same.png)) as kept, Image.open(io.BytesIO(sent[0])) as drawn:
        assert np.array_equal(np.asarray(kept), np.asarray(drawn))


@pytest.mark.parametrize("before_end", [20, 40, 60])
def test_a_broken_file_to_which_nothing_is_done_is_an_engines_failure(load, server, before_end):
    """It is found before it is stored, not by whoever reads it."""
    file = bytearray(png((320, 256)))
    file[-before_end] ^= 255
    server.script.append(pictures(bytes(file)))
    with pytest.raises(RemoteEngineFailed, match="no picture"):
        render(load(), Shot(diffusion=diffusion(), is_final=True))


def test_another_size_is_scaled_and_cut_and_told(load, server):
    """The picture has the size asked for, whatever came."""
    server.script.append(pictures(png((1024, 1024))))
    (drawn,) = render(load())
    assert drawn.pixels.shape == (256, 320, 3)
    assert (drawn.elsewhere.width, drawn.elsewhere.height) == (1024, 1024)
    assert drawn.png == b""


def test_a_masked_source_is_redrawn_where_the_mask_is_white(load, server):
    """It goes to /images/edits with an alpha of 0 where it is redrawn, and what the mask keeps is the source's to the pixel."""
    source, mask = np.full((256, 320, 3), 90, np.uint8), np.zeros((256, 320), np.uint8)
    mask[:, 160:] = 255
    inputs = tuple(Input(role=role, key=role, sha256="0") for role in ("source", "mask"))
    shot = Shot(diffusion=diffusion(inputs=inputs), source=source, mask=mask, is_final=True)
    (drawn,) = render(load(edits="mask"), shot)
    (asked,) = server.requests
    assert asked.path == "/v1/images/edits"
    files = [part for part in asked.body.split(b"\r\n\r\n") if part.startswith(b"\x89PNG")]
    assert len(files) == 2
    alphas = [np.asarray(Image.open(io.BytesIO(file)).convert("RGBA"))[..., 3] for file in files]
    assert [(alpha[0, 0], alpha[0, -1]) for alpha in sorted(alphas, key=np.min)] == [(255, 0), (255, 255)]
    assert np.array_equal(drawn.pixels[:, :100], source[:, :100])
    assert tuple(drawn.pixels[128, 300]) == (200, 40, 40)
    assert drawn.png == b""


@pytest.mark.parametrize(("status", "code"), [(400, "content_policy_violation"), (403, "moderation_blocked")])
def test_a_refusal_by_policy_is_the_shots_verdict(load, server, status, code):
    """It ends this picture alone; the next one of the call is drawn."""
    server.script.append(refusal(status, code))
    refused, drawn = render(load(), *[Shot(diffusion=diffusion())] * 2)
    assert isinstance(refused, RefusedByProvider)
    assert drawn.pixels.shape == (256, 320, 3)


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_engine_is_waited_for_as_long_as_it_asks(load, server, status):
    """Asked once, and the pause is in the error."""
    server.script.append(refusal(status, "busy", **{"Retry-After": "17"}))
    with pytest.raises(RemoteEngineAway) as raised:
        render(load())
    assert raised.value.retry_after_s == 17
    assert len(server.requests) == 1


def test_a_wrong_key_is_waited_for_and_told_without_the_key(load):
    """The variable's name is told, never its value, which the server's own words repeat."""
    with pytest.raises(RemoteKeyRefused, match="REMOTE_KEY") as raised:
        render(load(key="sk-wrong-9876543210"))
    assert "sk-wrong" not in str(raised.value)


def test_a_key_that_is_not_set_is_waited_for(load, server):
    """Nothing is asked."""
    with pytest.raises(RemoteKeyRefused, match="REMOTE_KEY"):
        render(load(key=""))
    assert not server.requests


GARBAGE = {
    "html": answer(200, b"<h1>Sign in</h1>"),
    "no pictures": answer(200, b'{"data": []}'),
    "another type": answer(200, b'{"data": [{"b64_json": 5}]}'),
    "no base64": answer(200, b'{"data": [{"b64_json": "%%%"}]}'),
    "no picture": pictures(b"GIF89a"),
    "too many pixels": pictures(png((5000, 4000))),
    "nested without end": answer(200, b"[" * 100_000),
    "a redirect to loopback": answer(302, b"", {"Location": "http://127.0.0.1:1/"}),
    "a URL on loopback": at_url("http://127.0.0.1:1/picture.png"),
    "a URL on loopback by https": at_url("https://127.0.0.1:1/picture.png"),
    "500": answer(500),
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


def test_a_request_that_the_engine_refuses_fails_the_job(load, server):
    """Another try would be refused as well."""
    server.script.append(refusal(400, "invalid_size", "320x256 is not supported"))
    with pytest.raises(ModelError, match="320x256 is not supported"):
        render(load())


@pytest.mark.parametrize(
    ("options", "problem"),
    [({"engine": "nowhere"}, "no engine nowhere"), ({"batch": {"max": 4}}, "batch.max")],
)
def test_an_entry_that_cannot_be_served_is_refused(load, options, problem):
    """Before anything is asked."""
    with pytest.raises(ModelError, match=problem):
        load(**options)


def test_the_server_of_these_tests_speaks_to_the_vendors_client(server):
    """So it is no mirror of our own."""
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0) as client:
        made = client.images.generate(model="gpt-image-2", prompt="a red coat", size="320x256")
        assert made.data[0].b64_json
        server.script.append(refusal(400, "content_policy_violation"))
        with pytest.raises(openai.BadRequestError) as raised:
            client.images.generate(model="gpt-image-2", prompt="a red coat")
        assert raised.value.code == "content_policy_violation"
