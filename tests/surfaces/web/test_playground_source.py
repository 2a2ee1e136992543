"""A picture to start from, in the playground: chosen, dropped, painted over by pointer and keyboard, or one's own."""

import base64
import contextlib
import io
import json
import sqlite3

import numpy as np
import pytest
from PIL import Image
from surfaces.web.conftest import violations
from surfaces.web.playground import enter, generate, picture, refused, until


@pytest.fixture
def admin(open_page):
    """The playground of the administrator."""
    return enter(open_page())


@pytest.fixture
def photo(tmp_path):
    """A picture file, 400 × 600."""
    path = tmp_path / "photo.png"
    Image.linear_gradient("L").convert("RGB").resize((400, 600)).save(path)
    return path


def choose(page, path):
    """The picture as source, once it is shown."""
    page.locator("#start > summary").click()
    page.get_by_label("Source", exact=True).set_input_files(path)
    canvas = page.get_by_label("Source and mask")
    canvas.wait_for()
    return canvas


def value(page, name):
    """Value of a hidden field."""
    return page.locator(f"#play [name={name}]").input_value()


def mask(page):
    """The painted mask, (height, width) uint8."""
    _, _, data = value(page, "mask").partition(",")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("L"))


def recipe(web, page):
    """Diffusion part of the recipe of the job that is shown."""
    job_id = page.locator("#job").get_attribute("data-job")
    with contextlib.closing(sqlite3.connect(web.data / "imgen.db")) as connection:
        (text,) = connection.execute("SELECT recipe FROM jobs WHERE id = ?", (job_id,)).fetchone()
    return json.loads(text)["diffusion"]


def test_a_chosen_picture_is_the_source(admin, web, photo):
    """The size nearest to its shape is chosen with it; strength and enlargement arrive; the code names the file."""
    page = admin
    choose(page, photo)
    assert page.get_by_label("832 × 1216").is_checked()
    page.get_by_label("Strength").fill("30")
    page.get_by_label("Enlarge").select_option("2")
    page.locator("#code-python", has_text="photo.png").wait_for(state="attached")
    assert '"image_strength": 0.3' in page.locator("#code-curl").text_content()
    generate(page, "a gate from a picture")
    picture(page)
    facts = page.get_by_label("Facts")
    assert facts.locator("dt:text-is('Source') + dd").inner_text() == "all redrawn, 30 %"
    assert facts.locator("dt:text-is('Enlarged') + dd").inner_text() == "2 ×"
    made = recipe(web, page)
    (source,) = made["inputs"]
    assert (source["role"], source["strength"], made["upscale"]) == ("source", 0.3, 2)
    assert (made["width"], made["height"]) == (832, 1216)
    page.get_by_role("button", name="Remove source").click()
    generate(page, "a gate without one")
    until(lambda: "without" in page.get_by_label("Facts").inner_text())
    assert recipe(web, page)["inputs"] == []


def test_a_mask_is_painted_with_the_pointer(admin, web, photo):
    """White where it was painted and black elsewhere; undone stroke by stroke, cleared, and cleared undone."""
    page = admin
    canvas = choose(page, photo)
    undo, clear = page.get_by_role("button", name="Undo"), page.get_by_role("button", name="Clear mask")
    assert (undo.is_disabled(), clear.is_disabled(), value(page, "mask")) == (True, True, "")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()

    def stroke(share):
        page.mouse.move(box["x"] + box["width"] * 0.1, box["y"] + box["height"] * share)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * share, steps=5)
        page.mouse.up()

    stroke(0.25)
    one = mask(page)
    assert one.shape == (600, 400)
    assert (one[150, 200], one[450, 200], one[20, 200]) == (255, 0, 0)
    stroke(0.75)
    assert (mask(page)[150, 200], mask(page)[450, 200]) == (255, 255)
    undo.click()
    assert np.array_equal(mask(page), one)
    clear.click()
    assert value(page, "mask") == ""
    undo.click()
    assert np.array_equal(mask(page), one)
    generate(page, "a gate redrawn in part")
    picture(page)
    assert [given["role"] for given in recipe(web, page)["inputs"]] == ["source", "mask"]
    page.goto(f"/panel/jobs/{page.locator('#job').get_attribute('data-job')}")
    assert page.locator("dt:text-is('Source') + dd").inner_text() == "a part redrawn, strength 60 %"


def test_a_mask_is_painted_by_keyboard(admin, photo):
    """Arrows move the brush, Space paints a dab or, held, a line, Ctrl + Z undoes; the brush has a size."""
    page = admin
    canvas = choose(page, photo)
    page.get_by_label("Brush").fill("32")
    canvas.focus()
    canvas.press("Space")
    dab = mask(page)
    assert (dab[300, 200], dab[300, 240], dab[340, 200]) == (255, 0, 0)
    for _ in range(6):
        canvas.press("ArrowDown")
    page.keyboard.down("Space")
    for _ in range(6):
        canvas.press("ArrowRight")
    page.keyboard.up("Space")
    line = mask(page)
    assert (line[396, 200], line[396, 290], line[396, 330], line[300, 200]) == (255, 255, 0, 255)
    assert page.locator("#said").inner_text() == "Painted"
    canvas.press("Control+z")
    assert np.array_equal(mask(page), dab)
    page.keyboard.press("Tab")
    assert page.get_by_label("Brush").evaluate("field => field === document.activeElement")


def test_a_picture_is_dropped(admin, photo):
    """On the form, wherever: it is the source, in place of the one before."""
    page = admin
    data = base64.b64encode(photo.read_bytes()).decode()
    page.locator("#play").evaluate(
        """(form, data) => {
            const transfer = new DataTransfer();
            const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
            transfer.items.add(new File([bytes], "dropped.png", { type: "image/png" }));
            for (const kind of ["dragenter", "dragover", "drop"]) {
                form.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
            }
        }""",
        data,
    )
    page.get_by_label("Source and mask").wait_for()
    assert value(page, "image_name") == "dropped.png"
    assert page.get_by_label("Source", exact=True).evaluate("input => input.files[0].name") == "dropped.png"


def test_an_own_picture_is_used_as_source(admin, web, photo):
    """Its id is sent, in place of a file that was chosen before; it stands in the code, too."""
    page = admin
    choose(page, photo)
    page.get_by_label("1024 × 1024").check()
    generate(page, "a tower to start from")
    picture(page)
    job_id = page.locator("#job").get_attribute("data-job")
    page.get_by_role("button", name="Use as source").click()
    until(lambda: value(page, "image_job") == job_id)
    assert value(page, "image_name") == ""
    assert page.get_by_label("1024 × 1024").is_checked()
    page.locator("#code-curl", has_text=job_id).wait_for()
    generate(page, "a tower at night")
    until(lambda: "at night" in page.get_by_label("Facts").inner_text())
    picture(page)
    made = recipe(web, page)
    assert [given["role"] for given in made["inputs"]] == ["source"]
    credentials = page.get_by_label("Content Credentials")
    credentials.scroll_into_view_if_needed()
    credentials.get_by_text("Trusted", exact=True).wait_for()
    steps = credentials.get_by_role("listitem").all_inner_texts()
    assert steps == ["opened", "edited by Eros, partly drawn by a model", "watermarked"]


def test_what_is_no_picture_is_refused_in_the_browser_and_by_the_server(admin, photo, tmp_path):
    """One sentence, no source, and what was typed is still there."""
    page = admin
    page.get_by_label("Prompt", exact=True).fill("red coat")
    for name, body in (("text.png", b"no picture"), ("large.png", photo.read_bytes() + bytes(8 * 2**20))):
        (tmp_path / name).write_bytes(body)
        page.locator("#start").evaluate("section => { section.open = true; }")
        page.get_by_label("Source", exact=True).set_input_files(tmp_path / name)
        page.locator("#problem .problem", has_text="Invalid source").wait_for()
        assert page.get_by_label("Source", exact=True).evaluate("input => input.files.length") == 0
        assert page.get_by_label("Source and mask").is_hidden()
    Image.new("RGB", (8, 8)).save(tmp_path / "tiny.png")
    page.get_by_label("Source", exact=True).set_input_files(tmp_path / "tiny.png")
    page.get_by_label("Source and mask").wait_for()
    refused(page, 400, "Invalid source")
    assert page.get_by_label("Prompt", exact=True).input_value() == "red coat"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible(open_page, photo, scheme):
    """Closed, open, and with a painted mask; wide and narrow."""
    page = enter(open_page(color_scheme=scheme))
    assert violations(page) == ""
    canvas = choose(page, photo)
    canvas.focus()
    canvas.press("Space")
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        assert violations(page) == ""
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        canvas.scroll_into_view_if_needed()
