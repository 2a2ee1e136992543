"""Edits and variations over OpenAI's dialect: forms and JSON, masks by their transparency, references."""

import base64
import gc
import io
import secrets

import pytest
from PIL import Image
from surfaces.openai.answered import failure, opened
from surfaces.openai.conftest import PROMPT

from imgen.surfaces.openai.asked import Asked
from imgen.surfaces.openai.wire import OpenAIJsonEdit

EDITS, VARIATIONS = "/v1/images/edits", "/v1/images/variations"
LEFT_HALF = (0, 0, 512, 1024)


def png(color="teal", size=(1024, 1024), *, mode="RGB", clear=None):
    """A plain PNG; the box `clear` of it is transparent."""
    image = Image.new(mode, size, color)
    if clear is not None:
        image.paste((0, 0, 0, 0), clear)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def edited(openai, files, *, path=EDITS, **fields):
    """The answer to a form, whose pictures are drawn."""
    data = fields if path == VARIATIONS else {"prompt": PROMPT} | fields
    return openai.drawn(openai.post(path, files=files, data=data))


def pixels(answer):
    return opened(answer.json()["data"][0]).convert("RGB")


@pytest.mark.parametrize("name", ["image", "image[]", "image[0]"])
def test_a_picture_is_changed(openai, name):
    """The file may have any of the names, and any declared type; strength 0 keeps it, and the usage counts its patches."""
    files = {name: ("a.bin", png(), "application/octet-stream")}
    answer = edited(openai, files, strength="0", n="1", stream="false", user="")
    assert answer.status_code == 200, answer.text
    assert pixels(answer).resize((1, 1)).getpixel((0, 0)) == pytest.approx((0, 128, 128), abs=12)
    assert answer.json()["usage"]["input_tokens_details"] == {"text_tokens": 6, "image_tokens": 1024}
    assert answer.json()["size"] == "1024x1024"


def test_transparent_pixels_of_the_mask_are_redrawn(openai):
    """The opaque half is kept; a mask of another size is scaled, and that is told."""
    for size, clear in (((1024, 1024), LEFT_HALF), ((512, 512), (0, 0, 256, 512))):
        mask = png("white", size, mode="RGBA", clear=clear)
        answer = edited(openai, {"image": ("a.png", png()), "mask": ("m.png", mask)})
        assert answer.status_code == 200, answer.text
        right = pixels(answer).crop((600, 0, 1024, 1024)).resize((1, 1))
        left = pixels(answer).crop((0, 0, 450, 1024)).resize((1, 1))
        assert right.getpixel((0, 0)) == pytest.approx((0, 128, 128), abs=12)
        assert left.getpixel((0, 0)) != pytest.approx((0, 128, 128), abs=12)
        assert ("mask is scaled" in answer.headers.get("x-imgen-warnings", "")) is (size == (512, 512))


def test_further_images_are_looked_at_and_told(openai):
    """They change nothing here, which the answer's head says; they pass the same gate."""
    images = [("image[]", ("a.png", png())), ("image[]", ("b.png", png("red")))]
    answer = edited(openai, images, strength="0")
    assert pixels(answer).resize((1, 1)).getpixel((0, 0)) == pytest.approx((0, 128, 128), abs=12)
    assert "only the first image is used" in answer.headers["x-imgen-warnings"]
    broken = [*images, ("image[]", ("c.png", b"\x89PNG\r\n\x1a\n"))]
    assert failure(edited(openai, broken)) == (400, "invalid_value", "image")


def test_json_edits_hold_data_uris(openai):
    """Their pictures come as data URIs; an address is not fetched."""
    uri = "data:image/png;base64," + base64.b64encode(png()).decode()
    sent = {"prompt": PROMPT, "images": [{"image_url": uri}], "strength": 0}
    answer = openai.drawn(openai.post(EDITS, json=sent))
    assert pixels(answer).resize((1, 1)).getpixel((0, 0)) == pytest.approx((0, 128, 128), abs=12)
    for images in ([{"image_url": "https://example.com/a.png"}], [{"image_url": "data:,"}], []):
        answer = openai.call("POST", EDITS, json=sent | {"images": images})
        assert failure(answer)[:2] == (400, "invalid_value")


@pytest.mark.parametrize("is_json", [True, False], ids=["json", "form"])
def test_a_request_that_waits_holds_no_picture(openai, is_json):
    """Its pictures are stored with its job: in memory they would add up over minutes."""
    prompt = f"a barn, {secrets.token_hex(4)}"
    if is_json:
        uri = {"image_url": "data:image/png;base64," + base64.b64encode(png()).decode()}
        answer = openai.post(EDITS, json={"prompt": prompt, "images": [uri, uri]})
    else:
        answer = openai.post(EDITS, files={"image": ("a.png", png())}, data={"prompt": prompt})
    openai.until(openai.open_jobs)
    openai.until(lambda: [one.pictures.source for one in held(Asked, prompt)] == [None])
    openai.until(lambda: not any(one.images for one in held(OpenAIJsonEdit, prompt)))
    assert openai.drawn(answer).json()["usage"]["input_tokens_details"]["image_tokens"] == 1024 * (1 + is_json)


def held(kind, prompt):
    """All objects of a class in this process, the server's, with a prompt."""
    return [one for one in gc.get_objects() if type(one) is kind and one.prompt == prompt]


def test_variations_need_no_prompt(openai):
    """They are drawn from the picture alone."""
    answer = edited(openai, {"image": ("a.png", png())}, path=VARIATIONS, n="2", strength="0")
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["data"]) == 2
    assert pixels(answer).resize((1, 1)).getpixel((0, 0)) == pytest.approx((0, 128, 128), abs=12)
    assert answer.json()["usage"]["input_tokens_details"]["text_tokens"] == 0


@pytest.mark.parametrize(
    ("files", "fields", "param"),
    [
        ({}, {}, None),
        ({"picture": ("a.png", png())}, {}, "image"),
        ({"image": ("a.txt", b"no picture")}, {}, "image"),
        ({"image": ("a.png", png(size=(16, 16)))}, {}, "image"),
        ({"image": ("a.png", png()), "mask": ("m.png", png())}, {}, "mask"),
        ({"image": ("a.png", png())}, {"n": "many"}, "n"),
        ({"image": ("a.png", png())}, {"prompt": ""}, "prompt"),
        ({"image": ("a.png", png())}, {"strength": "2"}, "strength"),
    ],
)
def test_wrong_forms_are_refused_by_name(openai, files, fields, param):
    """400 with the field; no job is made."""
    before = len(openai.rows())
    answer = openai.call("POST", EDITS, files=files, data={"prompt": PROMPT} | fields)
    assert failure(answer) == (400, "invalid_value", param)
    assert len(openai.rows()) == before
