"""Studio in the browser: sources, modes to their ends, before and after, variations, plans."""

import base64

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import expect
from surfaces.web.conftest import PASSWORD, enter, nobody_renders, violations
from surfaces.web.playground import drawn, generate, picture, refused, until, value


@pytest.fixture
def page(open_page):
    """Studio of the administrator."""
    return enter(open_page(), path="/studio")


def choose(page, path):
    """The picture as source, once the server has it."""
    page.get_by_label("Choose a picture").set_input_files(path)
    until(lambda: value(page, "image"))


def choose_mode(page, label):
    page.get_by_role("group", name="Mode").get_by_label(label).check()


def make(page):
    """Id of a new job, once its picture is there beside its source."""
    before = page.locator("#result").evaluate("result => result.querySelector('#job')?.dataset.job ?? ''")
    page.get_by_role("button", name="Generate").click()
    page.locator(f"#job:not([data-job='{before}'])").wait_for()
    drawn(page.locator("#result .compare .after"))
    return page.locator("#job").get_attribute("data-job")


def fact(page, name):
    return page.get_by_label("Facts").locator(f"dt:text-is('{name}') + dd")


def test_a_style_is_made_and_compared_by_keyboard(page, photo):
    """The result stands beside its source; arrow keys move the line between them, to either end."""
    choose(page, photo)
    page.get_by_label("Prompt").fill("a watercolour")
    page.get_by_role("group", name="Shape").get_by_label("3:4").check()
    page.get_by_label("Strength").fill("30")
    page.locator("#code-studio-curl", has_text='"strength": 0.3').wait_for()
    make(page)
    expect(fact(page, "Mode")).to_have_text("Style")
    expect(fact(page, "Strength")).to_have_text("30 %")
    divider = page.get_by_role("slider", name="Before and after")
    drawn(page.locator(".compare .before"))
    divider.focus()
    divider.press("ArrowLeft")
    expect(divider).to_have_attribute("aria-valuetext", "49 percent before")
    divider.press("End")
    expect(divider).to_have_attribute("aria-valuetext", "all before")
    shown = page.locator(".compare .before").evaluate("image => getComputedStyle(image).clipPath")
    assert shown in ("inset(0px)", "inset(0px 0% 0px 0px)", "inset(0px calc(0%) 0px 0px)")
    assert violations(page) == ""


def test_the_source_stays_beside_its_picture_when_the_page_is_loaded_anew(page, photo):
    """From the server then, which keeps it for a day; as source of the next one the picture itself is taken."""
    choose(page, photo)
    page.get_by_label("Prompt").fill("a woodcut")
    job_id = make(page)
    page.reload()
    drawn(page.locator(".compare .before"))
    page.get_by_role("button", name="Use as source").click()
    until(lambda: value(page, "image") == job_id)
    drawn(page.get_by_alt_text("Your picture"))
    page.locator("#code-studio-python", has_text="sourceGenerationId").wait_for(state="attached")


def test_an_avatar_needs_no_words(page, photo):
    """Looks with their samples are offered, each with its own strength; variations stand below and are chosen among."""
    choose_mode(page, "Avatar")
    looks = page.get_by_role("group", name="Look")
    expect(looks.get_by_role("radio")).to_have_count(3)
    for sample in looks.locator("img").all():
        drawn(sample)
    looks.get_by_label("Oil paint").check()
    choose(page, photo)
    page.get_by_role("group", name="Variations").get_by_label("2").check()
    make(page)
    siblings = page.get_by_role("region", name="Made together").get_by_role("button")
    expect(siblings).to_have_count(2)
    expect(siblings.nth(1)).to_have_accessible_name("Picture 2 of 2: Done")
    first = fact(page, "Seed").inner_text()
    siblings.nth(1).click()
    expect(fact(page, "Seed")).to_have_text(str(int(first) + 1))
    drawn(page.locator(".compare .before"))
    page.locator("#code-studio-php", has_text="oil-paint").wait_for(state="attached")


def test_a_product_is_kept_or_the_page_says_why_not(page, photo):
    """On plain ground nothing is said; without one a sentence tells that all of it was restyled, and what helps."""
    image = Image.new("RGB", (600, 400), "white")
    ImageDraw.Draw(image).ellipse((200, 100, 400, 300), fill=(180, 60, 20))
    image.save(photo)
    choose_mode(page, "Product")
    choose(page, photo)
    page.get_by_label("Prompt").fill("on a marble table")
    make(page)
    note = page.get_by_text("No plain ground was found")
    expect(note).to_have_count(0)
    page.get_by_role("button", name="Other picture").click()
    Image.effect_noise((400, 600), 90).convert("RGB").save(photo)
    choose(page, photo)
    make(page)
    expect(note).to_be_visible()


def test_enhancement_asks_for_neither_words_nor_strength(page, photo):
    """Both fields go with the mode, as does the number of pictures, all the same; the size that was asked for is made."""
    choose(page, photo)
    choose_mode(page, "Enhance")
    expect(page.get_by_label("Prompt")).to_be_hidden()
    expect(page.get_by_label("Strength")).to_be_hidden()
    expect(page.get_by_text("Variations")).to_be_hidden()
    page.get_by_role("group", name="Export size").get_by_label("2K").check()
    make(page)
    expect(fact(page, "Size")).to_have_text("1365 × 2048")
    download = page.get_by_role("button", name="Download 1365 × 2048")
    with page.expect_download() as found:
        download.click()
    with Image.open(found.value.path()) as image:
        assert image.size == (1365, 2048)


def test_a_picture_is_dropped_or_pasted(page, photo):
    """Anywhere on the page; the later one takes the place of the one before. What is no picture is refused."""
    give = """(body, [kind, name, type, data]) => {
        const given = new DataTransfer();
        given.items.add(new File([Uint8Array.from(atob(data), letter => letter.charCodeAt(0))], name, { type }));
        const how = { bubbles: true, cancelable: true };
        body.dispatchEvent(kind === "paste" ? new ClipboardEvent(kind, { clipboardData: given, ...how })
                                            : new DragEvent(kind, { dataTransfer: given, ...how }));
    }"""
    data = base64.b64encode(photo.read_bytes()).decode()
    body = page.locator("body")
    for kind, name in (("drop", "dropped.png"), ("paste", "pasted.png")):
        body.evaluate(give, [kind, name, "image/png", data])
        until(lambda name=name: value(page, "image_name") == name and value(page, "image"))
        drawn(page.get_by_alt_text("Your picture"))
    body.evaluate(give, ["drop", "text.png", "image/png", base64.b64encode(b"no picture").decode()])
    page.locator("#problem .problem", has_text="Invalid source").wait_for()
    expect(page.get_by_alt_text("Your picture")).to_be_hidden()


def test_a_picture_of_the_playground_is_taken_to_studio(page):
    """It is the source there, and is compared with what it becomes."""
    page.goto("/")
    generate(page, "a lighthouse for Studio")
    job_id = picture(page) and page.locator("#job").get_attribute("data-job")
    page.get_by_role("button", name="Take to Studio").click()
    until(lambda: page.url.endswith(job_id) and value(page, "image") == job_id)
    choose_mode(page, "Enhance")
    make(page)
    drawn(page.locator(".compare .before"))
    assert page.locator(f"#history [data-job='{job_id}']").count() == 0


def test_what_is_missing_is_told_beside_the_form(page, photo):
    """A source first, then words where the mode needs some; the form stays as it was."""
    page.get_by_label("Prompt").fill("  ")
    refused(page, 400, "Choose a picture first")
    choose(page, photo)
    refused(page, 400, "Prompt is required")
    assert violations(page) == ""


def test_open_jobs_are_followed_by_events(page, photo, web):
    """States come without a click while the page polls rarely; a cancelled one says so."""
    choose(page, photo)
    page.get_by_label("Prompt").fill("a slow mosaic")
    with nobody_renders(web):
        with page.expect_request(lambda request: "/api/v2/events?id=run_" in request.url):
            page.get_by_role("button", name="Generate").click()
        page.get_by_text("Waiting for its turn").first.wait_for()
        page.get_by_role("button", name="Cancel", exact=True).click()
        page.locator("#result").get_by_text("Cancelled").wait_for()


def test_a_plan_without_studio_is_told_what_it_needs(open_page, web, photo):
    """The page is there, and names a plan that has it; nothing can be sent. Sizes beyond a plan name theirs."""
    for plan in ("free", "pro"):
        web.imgen("tenants", "add", f"studio {plan}", "--plan", plan)
        web.imgen("users", "add", f"studio-{plan}", "--tenant", f"studio {plan}")
        web.imgen("users", "password", f"studio-{plan}", "--password", PASSWORD)
    page = enter(open_page(), "studio-free", "/studio")
    expect(page.get_by_text("Studio is not part of your plan, Free. It needs Pro")).to_be_visible()
    expect(page.get_by_role("button", name="Generate")).to_be_disabled()
    form = {"mode": "enhance", "image": "up_" + "x" * 22}
    token = {"x-csrftoken": page.locator("#play [name=csrftoken]").input_value()}
    answer = page.request.post("/studio", form=form, headers=token)
    assert (answer.status, "Studio needs the plan Pro" in answer.text()) == (403, True)
    page = enter(open_page(), "studio-pro", "/studio")
    sizes = page.get_by_role("group", name="Export size")
    expect(sizes.get_by_label("2K")).to_be_enabled()
    expect(sizes.get_by_label("4K needs Business")).to_be_disabled()
    expect(page.locator("#left")).to_have_text(
        "Pro: 100 of 100 pictures left this month, 1,000 of 1,000 credits left this month"
    )


def test_a_picture_is_made_in_another_size(page, photo):
    """With the same seed and shape, beside its source; the size that it has is not offered again."""
    choose(page, photo)
    page.get_by_label("Prompt").fill("a fresco")
    make(page)
    seed = fact(page, "Seed").inner_text()
    page.get_by_role("button", name="Make it 2K").click()
    expect(fact(page, "Size")).to_have_text("1366 × 2048")
    expect(fact(page, "Seed")).to_have_text(seed)
    expect(page.get_by_role("button", name="Make it 2K")).to_have_count(0)
    expect(page.get_by_role("button", name="Make it as drawn")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_studio_is_accessible(page, open_page, scheme):
    """In both schemes, with every mode's own fields."""
    shown = enter(open_page(color_scheme=scheme), path="/studio")
    for mode in ("Style", "Avatar", "Product", "Enhance"):
        choose_mode(shown, mode)
        assert violations(shown) == "", mode


def test_studio_fits_a_phone(open_page, photo):
    """Nothing scrolls sideways, the camera is offered, and a finger moves the line."""
    page = open_page(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    enter(page, path="/studio")
    expect(page.get_by_text("Take a photo")).to_be_visible()
    choose_mode(page, "Avatar")
    choose(page, photo)
    make(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    divider = page.get_by_role("slider", name="Before and after")
    divider.scroll_into_view_if_needed()
    box = divider.bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    until(lambda: int(divider.input_value()) < 40)
