"""The playground in a real browser."""

import json
import re

import pytest
from PIL import Image
from surfaces.web.conftest import enter, nobody_renders, violations
from surfaces.web.playground import drawn, generate, picture, refused, until


@pytest.fixture
def admin(open_page):
    """The playground of the administrator."""
    return enter(open_page())


def test_a_picture_is_made_and_shown_with_its_facts(admin):
    """From the form to the picture, its facts, its file and its thumbnail; its seed goes back into the form."""
    page = admin
    page.get_by_label("768 × 1344").check()
    page.get_by_text("More settings").click()
    page.get_by_label("Format").select_option("webp")
    generate(page, "red coat, on a beach, -hat")
    image = picture(page)
    assert image.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [768, 1344]
    facts = page.get_by_label("Facts")
    assert "768 × 1344" in facts.inner_text()
    assert "WEBP" in facts.inner_text()
    assert re.search(r"Invisible watermark\s+[0-9a-f]{12}", facts.inner_text())
    assert re.search(r"PDQ fingerprint\s+[0-9a-f]{64}", facts.inner_text())
    credentials = page.get_by_label("Content Credentials")
    credentials.scroll_into_view_if_needed()
    credentials.get_by_text("Trusted", exact=True).wait_for()
    mark = facts.locator("dt:text-is('Invisible watermark') + dd").inner_text().split()[0]
    assert mark in credentials.locator("dt:text-is('Invisible watermark') + dd").inner_text()
    assert credentials.locator("dt:text-is('Signed by') + dd").inner_text() != "–"
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename.endswith(".webp")
    seed = facts.locator("dt:text-is('Seed') + dd").inner_text()
    page.get_by_role("button", name="Use this seed").click()
    assert page.get_by_label("Seed").input_value() == seed
    job_id = page.get_by_role("button", name="Open in Jobs").get_attribute("href").removeprefix("/panel/jobs/")
    drawn(page.locator(f"#thumb-{job_id} img"))


def test_the_same_seed_gives_the_same_picture(admin):
    """A seed that is typed is the one that is used; one that is none is replaced, and the page says so."""
    page = admin
    page.get_by_text("More settings").click()
    page.get_by_label("Seed").fill("4294967295")
    generate(page, "a lighthouse")
    picture(page)
    assert page.get_by_label("Facts").locator("dt:text-is('Seed') + dd").inner_text() == "4294967295"
    page.get_by_label("Seed").fill("a lot")
    generate(page, "a lighthouse")
    page.locator("#problem .warning", has_text="seed").wait_for()
    assert page.get_by_label("Seed").input_value() == "a lot"
    picture(page)
    assert page.get_by_label("Facts").locator("dt:text-is('Seed') + dd").inner_text() != "4294967295"


def test_characters_are_completed_by_keyboard(admin):
    """Down, up, Enter and Escape; letters narrow the list; an e-mail address opens none."""
    page = admin
    prompt, names = page.get_by_label("Prompt", exact=True), page.get_by_role("listbox")
    prompt.press_sequentially("portrait, @")
    assert names.get_by_role("option").all_inner_texts() == ["@aaliyah", "@aya", "@bella"]

    def active():
        return page.locator(f"#{prompt.get_attribute('aria-activedescendant')}").inner_text()

    assert active() == "@aaliyah"
    prompt.press("ArrowDown")
    assert active() == "@aya"
    prompt.press("ArrowUp")
    prompt.press("ArrowUp")
    assert active() == "@bella"
    assert names.get_by_role("option", selected=True).all_inner_texts() == ["@bella"]
    prompt.press("Escape")
    assert names.is_hidden()
    assert prompt.get_attribute("aria-activedescendant") is None
    assert prompt.input_value() == "portrait, @"
    prompt.press_sequentially("ay")
    assert names.get_by_role("option").all_inner_texts() == ["@aya"]
    prompt.press("Enter")
    assert names.is_hidden()
    prompt.press_sequentially("red coat")
    assert prompt.input_value() == "portrait, @aya red coat"
    prompt.fill("")
    prompt.press_sequentially("me@")
    assert names.is_hidden()
    prompt.press("Enter")
    assert prompt.input_value() == "me@\n"


def test_characters_are_completed_by_mouse(admin):
    """A click takes a name and leaves the caret behind it."""
    page = admin
    prompt = page.get_by_label("Prompt", exact=True)
    prompt.press_sequentially("@b")
    page.get_by_role("option", name="@bella").click()
    prompt.press_sequentially("smiling")
    assert prompt.input_value() == "@bella smiling"


def test_a_blocked_prompt_says_which_rules_and_hides_what_it_may_show(admin):
    """A released picture is blurred until it is asked for; of what the floor blocks there is none."""
    page = admin
    generate(page, "nude marble statue of a woman")
    withheld = page.get_by_alt_text("The withheld picture")
    withheld.wait_for()
    assert "Sexual content" in page.locator("#result").inner_text()
    assert "blur" in withheld.evaluate("image => getComputedStyle(image).filter")
    assert violations(page) == ""
    page.get_by_role("button", name="Show the picture").click()
    assert withheld.evaluate("image => getComputedStyle(image).filter") == "none"
    generate(page, "nude child")
    page.locator("#result", has_text="Minors").wait_for()
    assert page.locator("#result img").count() == 0


def test_an_error_keeps_the_form(admin, tmp_path):
    """Each mistake is told in one sentence, and everything typed is still there."""
    page = admin
    page.get_by_text("More settings").click()
    page.get_by_label("Negative prompt").fill("rain")
    page.get_by_label("1024 × 1024").check()
    refused(page, 400, "Prompt is required")
    page.get_by_label("Prompt", exact=True).fill("@nobody in a red coat")
    refused(page, 400, "Invalid character")
    bad = tmp_path / "mark.png"
    bad.write_bytes(b"no picture")
    page.get_by_label("Picture", exact=True).set_input_files(bad)
    page.get_by_label("Prompt", exact=True).fill("red coat")
    refused(page, 400, "Invalid logo")
    large = tmp_path / "large.png"
    large.write_bytes(b"x" * (4 * 2**20 + 1))
    page.get_by_label("Picture", exact=True).set_input_files(large)
    until(lambda: page.get_by_label("Picture", exact=True).evaluate("input => input.files.length") == 0)
    assert "at most 4 MiB" in page.locator("#problem").inner_text()
    assert page.get_by_label("Prompt", exact=True).input_value() == "red coat"
    assert page.get_by_label("Negative prompt").input_value() == "rain"
    assert page.get_by_label("1024 × 1024").is_checked()
    assert page.locator("#result figure").count() == 0
    page.get_by_role("button", name="Generate").click()
    picture(page)
    assert page.locator("#problem .problem").count() == 0


def test_a_brand_mark_is_laid_over_the_picture(admin, web, tmp_path):
    """An uploaded mark arrives with position, width and opacity."""
    page = admin
    page.get_by_text("More settings").click()
    Image.new("RGB", (300, 200), "teal").save(tmp_path / "mark.png")
    page.get_by_label("Picture", exact=True).set_input_files(tmp_path / "mark.png")
    page.get_by_label("Position").select_option("center")
    page.get_by_label("Width", exact=True).fill("30")
    page.get_by_label("Opacity", exact=True).fill("40")
    generate(page, "a lighthouse with a mark")
    picture(page)
    thumb = page.locator(".thumb[aria-label*='a lighthouse with a mark']").first
    thumb.wait_for()
    filling = json.loads(thumb.get_attribute("data-fill"))
    told = (filling["wm_position"], filling["wm_scale"], filling["wm_transparency"])
    assert told == ("center", "30", "40")
    assert any(path.is_file() for path in web.data.rglob("brands/**/*"))


def test_an_open_job_shows_its_place_and_can_be_cancelled(admin, web):
    """While it waits there is a place, a bar and a way out; afterwards a way to try again. A new page finds it again."""
    page = admin
    with nobody_renders(web):
        generate(page, "a slow train")
        page.locator("#result", has_text="in the queue").wait_for()
        assert page.get_by_role("progressbar").is_visible()
        assert page.locator("#said").inner_text() == "Waiting for its turn"
        assert violations(page) == ""
        page.reload()
        page.locator("#result", has_text="in the queue").wait_for()
        page.get_by_role("button", name="Cancel", exact=True).click()
        page.locator("#result", has_text="Cancelled").wait_for()
    page.get_by_label("Prompt", exact=True).fill("a slow train")
    page.get_by_role("button", name="Try again").click()
    picture(page)


def test_the_code_is_that_of_the_last_state(admin):
    """However slowly the server answers, and however much is typed meanwhile."""
    page, held = admin, []
    code = page.locator("#code-python")
    code.wait_for(state="attached")
    page.route("**/play/code", lambda route: held.append(route) if not held else route.continue_())
    page.get_by_label("Prompt", exact=True).fill("a slow gate")
    until(lambda: page.title() and held)
    page.get_by_label("Prompt", exact=True).press_sequentially(", and more", delay=50)
    page.wait_for_timeout(500)  # past the pause after typing
    held[0].continue_()
    page.locator("#code-python", has_text="a slow gate, and more").wait_for(state="attached")
    assert page.locator("#problem").inner_text() == ""


def test_a_script_in_a_prompt_is_text(admin):
    """In the picture's facts, in the thumbnails and in the code."""
    page = admin
    prompt = "<script>window.hit = 1</script> <img src=x onerror=window.hit=2> \"'><b>"
    generate(page, prompt)
    assert picture(page).get_attribute("alt") == prompt
    assert prompt in page.get_by_label("Facts").inner_text()
    page.locator(f"#history button[aria-label^='Done, use again: {prompt[:8]}']").first.wait_for()
    page.locator("#code-php", has_text="window.hit").wait_for(state="attached")
    assert page.evaluate("window.hit") is None


def test_a_script_in_a_file_name_is_text(admin, tmp_path):
    """Wherever the chosen file is named, its name is text."""
    file = tmp_path / "<img src=x onerror=window.hit=1>.png"
    Image.new("RGB", (300, 200), "teal").save(file)
    admin.get_by_text("More settings").click()
    admin.get_by_label("Picture", exact=True).set_input_files(file)
    admin.get_by_label("Prompt", exact=True).fill("a pier")
    admin.get_by_role("radio", name="Python", exact=True).check()
    admin.locator("#code-python", has_text="<img src=x onerror=window.hit=1>.png").wait_for()
    assert admin.evaluate("window.hit") is None
    assert admin.locator("img[src=x]").count() == 0


def test_a_body_over_the_limit_is_refused(admin):
    """As large as on every other surface, and no larger."""
    token = json.loads(admin.locator("body").get_attribute("hx-headers"))
    mark = {"name": "mark.png", "mimeType": "image/png", "buffer": b"x" * (13 * 2**20)}
    answer = admin.request.post("/play", multipart={"prompt": "x", "wm_file": mark}, headers=token)
    assert answer.status == 413
    assert "too large" in answer.text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible(open_page, scheme):
    """Empty, with all settings open, with names offered, with a picture, with a problem; wide and narrow."""
    page = enter(open_page(color_scheme=scheme))
    page.get_by_text("More settings").click()
    page.get_by_label("Prompt", exact=True).press_sequentially("@")
    assert violations(page) == ""
    generate(page, "red coat")
    picture(page)
    page.locator(".thumb img").first.wait_for()
    page.get_by_label("Prompt", exact=True).fill("")
    refused(page, 400, "Prompt is required")
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        assert violations(page) == ""
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_picture_stands_right_of_the_form_or_below_it(admin):
    """Beside each other on a wide screen, one under the other at 390 px, where the new picture is scrolled to."""
    page = admin
    form, result = page.locator("#play"), page.locator("#result")
    assert result.bounding_box()["x"] > form.bounding_box()["x"] + form.bounding_box()["width"]
    assert result.bounding_box()["width"] > form.bounding_box()["width"]
    page.set_viewport_size({"width": 390, "height": 844})
    generate(page, "red coat")
    picture(page)
    assert 0 <= result.bounding_box()["y"] < 844


def test_steps_and_guidance_are_settings(admin, web):
    """They arrive as typed, stand in the code, come back with an earlier job, and begin as the model's own."""
    page = admin
    page.get_by_text("More settings").click()
    assert page.get_by_label("Steps").get_attribute("placeholder") == "4"
    page.get_by_label("Steps").fill("7")
    page.get_by_label("Guidance").fill("5.5")
    page.locator("#code-curl", has_text='"guidance": 5.5').wait_for()
    generate(page, "a windmill with settings")
    picture(page)
    job_id = page.locator("#job").get_attribute("data-job")
    meta = web.status({"id": job_id})["meta"]
    assert (meta["steps"], meta["guidance"]) == (7, 5.5)
    page.reload()
    page.locator(f"#thumb-{job_id}").click()
    until(lambda: page.get_by_label("Steps").input_value() == "7")
    assert page.get_by_label("Guidance").input_value() == "5.5"


@pytest.mark.parametrize("width", [1280, 390])
def test_generate_is_always_in_sight(admin, width):
    """Wherever the page or the form is scrolled to, with all settings open and a problem told."""
    page = admin
    page.set_viewport_size({"width": width, "height": 700})
    page.get_by_text("More settings").click()
    button = page.get_by_role("button", name="Generate")
    refused(page, 400, "Prompt is required")
    for place in ("document.body.scrollHeight", "0"):
        page.evaluate(f"window.scrollTo(0, {place})")
        until(lambda: 0 <= button.bounding_box()["y"] <= 700 - button.bounding_box()["height"])


def test_sizes_have_their_ratio(admin):
    """In whole numbers, beside the pixels."""
    assert admin.locator(".size").all_inner_texts()[:2] == ["1344 × 768\n7:4", "1024 × 1024\n1:1"]
