"""Settings of OpenAI's dialect: an enhancer, names of models, plans without the surface, the wait, the size of uploads."""

import pytest
from servers.chat import ADDED, FAULTS, improve, start_chat
from surfaces.openai.answered import failure
from surfaces.openai.conftest import PROMPT, start_openai
from surfaces.openai.test_edits import EDITS, png

ACTION_ALONE = '[narrow]\nlabel = "Narrow"\npriority = 3\nsurfaces = ["action"]\n'
SECTION = '[openai]\naliases = ["Painter-?"]\nmax_prompt_chars = 60\nmax_upload_mib = 0.05\n'


@pytest.fixture(scope="module")
def chat():
    """An endpoint that does as it is told."""
    with start_chat() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def set_up(chat, tmp_path_factory, redis_url):
    """The dialect with other settings."""
    data = tmp_path_factory.mktemp("set") / "var"
    data.mkdir()
    (data / "plans.toml").write_text(ACTION_ALONE)
    enhancer = f'[enhancer]\nbase_url = "{chat.base_url}"\nmodel = "wordsmith"\n'
    with start_openai(data, redis_url, enhancer + SECTION) as running:
        yield running


def test_an_improved_prompt_is_told(set_up, chat):
    """As `revised_prompt`; where the enhancer fails the prompt is drawn as it was sent, and there is none."""
    chat.will(always=improve)
    (picture,) = set_up.images()["data"]
    assert picture["revised_prompt"] == f"{PROMPT}, {ADDED}, clean lines"
    chat.will(always=FAULTS["500"])
    (picture,) = set_up.images(prompt="a blue coat in the snow")["data"]
    assert "revised_prompt" not in picture


def test_other_names_mean_the_default_model(set_up, chat):
    """Those of the settings, in any case, and no others."""
    chat.will(always=improve)
    set_up.images(model="PAINTER-2")
    for name in ("painter-22", "gpt-image-1"):
        assert failure(set_up.generate(model=name).result()) == (404, "model_not_found", "model")


def test_limits_are_those_of_the_settings(set_up):
    """A prompt one character too long is refused, as is a form that is too large."""
    assert failure(set_up.generate(prompt="a" * 61).result()) == (400, "invalid_value", "prompt")
    large = {"image": ("a.png", png() + b"\0" * 60_000)}
    answer = set_up.call("POST", EDITS, files=large, data={"prompt": PROMPT})
    assert failure(answer) == (413, "request_too_large", None)


def test_a_plan_without_the_surface_is_refused(set_up):
    """403 on every route."""
    key = set_up.new_key("narrow", plan="narrow")
    assert failure(set_up.generate(key=key).result()) == (403, "permission_denied", None)
    assert failure(set_up.call("GET", "/v1/models", key=key)) == (403, "permission_denied", None)
