"""The playground over two models, the second of which takes its time."""

import pytest
from servers.stack import INSTANT_MODELS, start_stack
from surfaces.web.conftest import PASSWORD, sign_in, violations
from surfaces.web.playground import drawn, generate, until


@pytest.fixture(scope="module")
def two_models(tmp_path_factory):
    """A stack with a second model, which has styles and characters of its own and takes its time."""
    second = INSTANT_MODELS.replace("eros", "luna").replace("Eros", "Luna").replace("cinematic", "sketch")
    second = second.replace("Cinematic", "Sketch").replace('"professional"', '"sketch"')
    second = second.replace(
        'label = "Luna"', 'label = "Luna"\ncharacters = ["bella"]\nsizes = [[512, 768], [1024, 1024]]'
    )
    second = second.replace("step_s = 0.0", "step_s = 0.7")
    with start_stack(
        tmp_path_factory.mktemp("two") / "var", settings="[cache]\nenabled = false\n", models=INSTANT_MODELS + second
    ) as stack:
        stack.imgen("users", "password", "admin", "--password", PASSWORD)
        yield stack


@pytest.fixture
def luna(two_models, watched):
    """The playground with the second model chosen."""
    page = sign_in(watched(two_models.url))
    page.goto("/")
    page.get_by_label("Model").select_option("luna")
    return page


def test_styles_and_characters_are_those_of_the_model(luna):
    """Another model offers its own styles, its default chosen, and its own characters."""
    style = luna.get_by_label("Style")
    assert style.locator("option").all_inner_texts() == ["Professional", "Sketch"]
    assert style.input_value() == "sketch"
    luna.get_by_label("Prompt", exact=True).press_sequentially("@")
    assert luna.get_by_role("option").filter(has_text="@").all_inner_texts() == ["@bella"]
    generate(luna, "red coat")
    luna.locator("#result figure img").wait_for()
    assert "Sketch" in luna.get_by_label("Facts").inner_text()


def test_sizes_are_those_of_the_model(luna):
    """Another model offers its own sizes, its default chosen; one that both have stays chosen."""
    offered = luna.locator(".size:visible")
    assert [text.split("\n")[0] for text in offered.all_inner_texts()] == ["1024 × 1024", "512 × 768"]
    assert luna.get_by_label("512 × 768").is_checked()
    luna.get_by_label("1024 × 1024").check()
    luna.get_by_label("Model").select_option("eros")
    assert offered.count() == 7
    assert luna.get_by_label("1024 × 1024").is_checked()


def test_a_picture_is_previewed_while_it_is_drawn(luna):
    """Colours and shapes, too small to be used, until it is reviewed."""
    generate(luna, "a slow sunrise")
    preview = drawn(luna.get_by_alt_text("Colours and shapes of the picture so far"))
    edges = preview.evaluate("image => [image.naturalWidth, image.naturalHeight]")
    assert max(edges) <= 48
    until(lambda: (preview.bounding_box() or {"width": 0})["width"] > 200)  # a newer one may just take its place
    assert violations(luna) == ""
    luna.locator("#result figure img").wait_for()
    assert preview.count() == 0
