"""Studio's form as an order's arguments and as a request to the API, and the plans that it names; without a browser."""

import pytest
from msgspec import structs
from servers.panel import open_panel
from starlette.datastructures import FormData

from imgen.domain.errors import ImgenError, Invalid, InvalidField, PromptRequired
from imgen.surfaces.web import studio_form, studio_plan
from imgen.surfaces.web.snippets import File
from imgen.surfaces.web.studio import Studio

JOB_ID = "run_Wf3gq0v8RyGdbC11CaL7ZA"
UPLOAD = "up_" + "x" * 22


@pytest.fixture
def studio(core):
    """Configured modes and presets."""
    found = []

    async def work(opened):
        found.append(opened.studio)

    core(work)
    return found[0]


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"prompt": "a barn"}, Invalid),
        ({"image": UPLOAD, "prompt": " "}, PromptRequired),
        ({"image": UPLOAD, "mode": "product"}, PromptRequired),
        ({"image": UPLOAD, "prompt": "a barn", "seed": "-1"}, InvalidField),
        ({"image": UPLOAD, "prompt": "a barn", "seed": "1" * 11}, InvalidField),
        ({"image": UPLOAD, "mode": "avatar", "count": "two"}, InvalidField),
    ],
)
def test_what_cannot_be_sent_is_refused(studio, form, error):
    """By the error of what is missing or wrong."""
    with pytest.raises(error):
        studio_form.arguments_of(FormData(form), studio)


def test_fields_of_another_mode_do_not_count(studio):
    """The form keeps them while they are hidden: a look, words, a strength and a number of pictures of the mode before."""
    form = {"image": UPLOAD, "prompt": "a barn", "preset": "anime", "strength": "11", "count": "5", "seed": "7"}
    enhanced = studio_form.arguments_of(FormData({"mode": "enhance", **form}), studio)
    assert (enhanced["prompt"], enhanced["preset"], enhanced["strength"], enhanced["seed"]) == ("", "", None, 7)
    assert enhanced["count"] == 1
    styled = studio_form.arguments_of(FormData(form), studio)
    assert (styled["mode"], styled["preset"], styled["strength"], styled["count"]) == ("style", "", 0.11, 5)


def test_a_usual_strength_is_left_to_the_mode_or_the_look(studio):
    """So that a file that is changed later counts for code that was copied before."""
    for mode, preset, usual in (
        ("style", "", studio.modes["style"].strength),
        ("avatar", "oil-paint", studio.presets["oil-paint"].strength),
    ):
        form = {"mode": mode, "preset": preset, "image": UPLOAD, "prompt": "a barn"}
        sent = FormData(form | {"strength": str(round(100 * usual))})
        assert studio_form.arguments_of(sent, studio)["strength"] is None


@pytest.mark.parametrize(
    ("form", "body"),
    [
        (
            {"image": JOB_ID, "prompt": " a barn\r\nat dusk ", "strength": "60", "count": "1", "export": "base"},
            {"mode": "style", "sourceGenerationId": "59fde0ab-4bfc-4721-9d6c-2d7509a2fb64", "prompt": "a barn\nat dusk"},
        ),
        (
            {"image": UPLOAD, "image_name": "me.png", "mode": "avatar", "preset": "anime", "strength": "20", "count": "3",
             "export": "2k", "aspect": "3:4", "seed": "0"},
            {"mode": "avatar", "imageBase64": File(name="me.png"), "preset": "anime", "strength": 0.2, "exportSize": "2k",
             "outputAspect": "3:4", "count": 3, "seed": 0},
        ),
        ({"mode": "enhance", "prompt": "x", "count": "5"}, {"mode": "enhance", "imageBase64": File(name="picture.jpg")}),
    ],
)  # fmt: skip
def test_the_request_is_said_in_the_words_of_the_api(studio, form, body):
    """Without what is usual."""
    assert studio_form.fields_of(FormData(form), studio) == body


@pytest.mark.parametrize(
    "error", [InvalidField("count"), InvalidField("seed"), InvalidField("image"), PromptRequired()]
)
def test_errors_are_sentences_with_advice(error: ImgenError):
    """Not the names of fields."""
    text = studio_form.sentence(error)
    assert text.endswith(".")
    assert len(text) > 40


def test_plans_name_what_they_lack(core):
    """The first configured plan that has the surface, and the size on it; a plan with neither limit lacks nothing."""

    async def work(opened):
        plans = opened.configured.plans
        needs = {key: studio_plan.needed_plan(opened, plans[key]) for key in ("free", "starter", "pro", "unlimited")}
        assert needs == {"free": "Pro", "starter": "Pro", "pro": "", "unlimited": ""}
        lacking = {key: [one.needs for one in studio_plan.sizes(opened, plans[key])] for key in ("free", "pro", "team")}
        assert lacking == {"free": ["", "Pro", "Business"], "pro": ["", "", "Business"], "team": ["", "", ""]}
        nobody = structs.replace(plans["free"], max_export_px=1)
        assert [one.needs for one in studio_plan.sizes(opened, nobody)] == ["", "Pro", "Business"]

    core(work)


def test_a_page_of_a_person_without_a_tenant_says_so(core):
    """As the playground does; a plan that cannot be told leaves the page as it is."""

    async def work(opened):
        async with open_panel(opened, [Studio], role="member") as browser:
            assert "No tenant yet" in (await browser.get("/studio")).text
            assert (await browser.get("/studio/plan?tenant=nothing")).status_code == 204
            refused = await browser.post("/studio", image=UPLOAD, prompt="a barn")
            assert refused.status_code in (400, 403)
            assert "problem" in refused.text

    core(work)
