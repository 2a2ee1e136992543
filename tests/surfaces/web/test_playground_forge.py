"""The playground's request in the words of Forge, without a browser."""

import re

import pytest
from servers.panel import open_panel

from imgen.surfaces.web.playground import Playground
from imgen.surfaces.web.playground_forge import forge_request
from imgen.surfaces.web.snippets import File

PLAIN = {"prompt": "a red coat", "model": "eros", "width": 1024, "height": 768, "format": "png"}
JOB_ID = "run_Wf3gq0v8RyGdbC11CaL7ZA"


def said(core, **fields):
    """The body and what it leaves out, for these fields beside those of a plain request."""
    found = []

    async def work(opened):
        found.append(await forge_request(opened, PLAIN | fields))

    core(work)
    [(body, unsaid)] = found
    return dict(body), unsaid


@pytest.mark.parametrize(
    ("fields", "body", "unsaid"),
    [
        ({}, {"prompt": "a red coat"}, ()),
        ({"style": "professional", "seed": 7}, {"prompt": "a red coat", "seed": 7}, ()),
        ({"width": 1344, "height": 768}, {"prompt": "a red coat", "aspect_ratio": "16:9"}, ()),
        ({"width": 1000, "height": 77}, {"prompt": "a red coat"}, ("size",)),
        ({"seed": 2**32}, {"prompt": "a red coat"}, ("seed",)),
        ({"seed": "seven"}, {"prompt": "a red coat"}, ("seed",)),
        ({"model": "gone"}, {"prompt": "a red coat"}, ("model and size",)),
        (
            {"prompt": "@aya red coat, -hat, t-shirt, \\@home", "negative": "rain"},
            {"prompt": "red coat, t-shirt, @home", "negative_prompt": "hat, rain"},
            ("character @aya",),
        ),
        ({"prompt": "a coat,  in (rain, fog)"}, {"prompt": "a coat,  in (rain, fog)"}, ()),
        ({"prompt": "@nobody a coat"}, {"prompt": "@nobody a coat"}, ()),
        ({"prompt": " " + "x" * 2001}, {"prompt": "x" * 2000}, ("all beyond 2,000 characters of a prompt",)),
        (
            {"image": JOB_ID, "image_strength": 0.4, "mask": File(name="mask.png"), "width": 832, "height": 1216},
            {
                "prompt": "a red coat",
                "aspect_ratio": "2:3",
                "input_job_id": "59fde0ab-4bfc-4721-9d6c-2d7509a2fb64",
                "input_strength": 0.4,
                "mask_image": File(name="mask.png"),
            },
            (),
        ),
        (
            {"image": File(name="a.png"), "mask": File(name="mask.png"), "image_strength": 0.4},
            {"prompt": "a red coat", "aspect_ratio": "4:3"},
            ("source from a file (Forge starts from pictures of jobs)",),
        ),
        (
            {"format": "jpeg", "style": "cinematic", "n": 2, "steps": 9, "wm_image": File(name="x"), "wm_scale": 5},
            {"prompt": "a red coat"},
            ("style", "format (its pictures are PNG)", "steps", "number of pictures", "logo"),
        ),
    ],
    ids=lambda value: None if isinstance(value, tuple) else ",".join(value),
)
def test_a_request_is_said_as_far_as_it_goes(core, fields, body, unsaid):
    """Every field in Forge's own name and form, the rest told in words; nothing is changed in silence."""
    assert said(core, **fields) == (body, unsaid)


def test_the_page_has_the_code_of_every_api(core):
    """Each in every language, with its own address, and with what it leaves out; `action` is of the Action API alone."""

    async def work(opened):
        async with open_panel(opened, [Playground]) as browser:
            await browser.get("/")
            page = (await browser.post("/play/code", prompt="@aya a coat", model="eros", format="png", n="2")).text
        assert page.count("<code ") == 12
        action, forge, openai = re.split('data-api="(?:forge|openai)"', page)
        assert "/api/v2" in action
        assert "action" in action.partition("<code")[2]
        assert "/v2/generate" in forge
        assert "/v1/images/generations" in openai
        assert "action" not in forge + openai
        assert "Left out, because Forge cannot say it: character @aya, number of pictures." in forge
        assert "Left out, because OpenAI images cannot say it: character @aya." in openai

    core(work)
