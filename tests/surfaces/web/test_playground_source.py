"""Sources in the playground: chosen, dropped or one's own pictures, and sent once."""

import base64

import numpy as np
import pytest
from PIL import Image
from surfaces.web.conftest import PASSWORD, enter, violations
from surfaces.web.playground import choose, choose_again, generate, picture, recipe, until, value


@pytest.fixture
def admin(open_page):
    """The playground of the administrator."""
    return enter(open_page())


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
    until(lambda: value(page, "image") == job_id)
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


def test_the_picture_of_a_jobs_page_is_used_as_source(admin, web):
    """It opens the playground with the source in sight; of a job without a picture this is not offered, and is told."""
    page = admin
    job = web.generate("a tower on a page", width=1024, height=1024)
    web.wait(job)
    page.goto(f"/panel/jobs/{job['id']}")
    page.get_by_role("button", name="Use as source").click()
    canvas = page.get_by_label("Source and mask")
    canvas.wait_for()
    assert (value(page, "image"), value(page, "image_name")) == (job["id"], "")
    assert page.get_by_label("1024 × 1024").is_checked()
    assert canvas.bounding_box()["y"] < page.viewport_size["height"]
    generate(page, "a tower at dusk")
    picture(page)
    assert [given["role"] for given in recipe(web, page)["inputs"]] == ["source"]
    blocked = web.generate("nude marble woman near a tower")
    web.wait(blocked)
    page.goto(f"/panel/jobs/{blocked['id']}")
    page.get_by_role("heading", name="Recipe").wait_for()
    assert page.get_by_role("button", name="Use as source").count() == 0
    page.goto(f"/?source={blocked['id']}")
    page.locator("#problem .problem", has_text="no longer kept").wait_for()
    page.goto("/?source=nothing")
    assert value(page, "image") == ""


def test_what_is_no_picture_is_refused_in_the_browser_and_by_the_server(admin, photo, tmp_path):
    """As soon as it is chosen: one sentence, no source, and what was typed is still there."""
    page = admin
    page.get_by_label("Prompt", exact=True).fill("red coat")
    page.locator("#start > summary").click()
    Image.new("RGB", (8, 8)).save(tmp_path / "tiny.png")
    (tmp_path / "text.png").write_bytes(b"no picture")
    (tmp_path / "large.png").write_bytes(photo.read_bytes() + bytes(32 * 2**20))
    page.expected.append("status of 400")
    for name in ("text.png", "large.png", "tiny.png"):
        choose_again(page, photo)
        page.get_by_label("Source", exact=True).set_input_files(tmp_path / name)
        page.locator("#problem .problem", has_text="Invalid source").wait_for()
        assert page.get_by_label("Source", exact=True).evaluate("input => input.files.length") == 0
        assert page.get_by_label("Source and mask").is_hidden()
        assert value(page, "image") == ""
    assert page.get_by_label("Prompt", exact=True).input_value() == "red coat"


def test_a_source_is_sent_once_whatever_its_size(admin, web, tmp_path):
    """One over the limits of a form and of a data URI arrives, and serves several requests."""
    page, sent = admin, []
    page.on("request", lambda request: "/play/upload" in request.url and sent.append(request.url))
    noise = np.random.default_rng(7).integers(0, 256, (2200, 2600, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "large.png", compress_level=0)
    assert (tmp_path / "large.png").stat().st_size > 13 * 2**20
    choose(page, tmp_path / "large.png")
    for number in range(2):
        generate(page, f"a gate from a large picture, {number}")
        until(lambda: f"picture, {number}" in page.locator("#result").inner_text(), within_s=60)
        picture(page)
        assert [given["role"] for given in recipe(web, page)["inputs"]] == ["source"]
    assert len(sent) == 1


def test_a_source_is_sent_again_for_another_tenant(web, open_page, photo):
    """Each tenant's is its own; that of the one before is not used."""
    for tenant in ("east", "west"):
        web.imgen("keys", "create", tenant, "--tenant", tenant)
    web.imgen("users", "add", "walter", "--tenant", "east", "--tenant", "west")
    web.imgen("users", "password", "walter", "--password", PASSWORD)
    page = enter(open_page(), "walter")
    choose(page, photo)
    until(lambda: value(page, "image"))
    first = value(page, "image")
    page.get_by_label("Tenant").select_option(label="west")
    until(lambda: value(page, "image") not in ("", first))
    generate(page, "a gate of another tenant")
    picture(page)
    assert [given["role"] for given in recipe(web, page)["inputs"]] == ["source"]


def test_a_source_that_could_not_be_sent_is_sent_again(admin, web, photo):
    """A connection that breaks is told; the source stays, and the next request sends it first."""
    page = admin
    page.expected.append("ERR_")
    page.route("**/play/upload*", lambda route: route.abort())
    choose(page, photo)
    page.locator("#problem .problem", has_text="does not answer").wait_for()
    assert page.get_by_label("Source and mask").is_visible()
    page.unroute("**/play/upload*")
    generate(page, "a gate after all")
    picture(page)
    assert [given["role"] for given in recipe(web, page)["inputs"]] == ["source"]


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
