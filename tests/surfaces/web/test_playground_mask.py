"""Masks in the playground: painted over a source by pointer, finger and keyboard."""

import contextlib

import numpy as np
import pytest
from surfaces.web.conftest import enter
from surfaces.web.playground import choose, generate, mask, picture, recipe, until, value


@pytest.fixture
def admin(open_page):
    """The playground of the administrator."""
    return enter(open_page())


def test_a_mask_is_painted_with_the_pointer(admin, web, photo):
    """White where it was painted and black elsewhere; undone stroke by stroke, also amid one, cleared, and cleared undone."""
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
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.keyboard.press("Control+z")
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.9)
    page.mouse.up()
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


def test_a_mask_is_painted_by_touch_on_a_phone(open_page, web, photo):
    """A dab and a line by one finger, which does not scroll the page away, undone by taps; the words for keys are not shown."""
    page = enter(open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True))
    canvas = choose(page, photo)
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.25)
    assert (mask(page)[150, 200], mask(page)[450, 200]) == (255, 0)
    dab = value(page, "mask")
    finger = page.context.new_cdp_session(page)

    def touch(kind, *shares):
        points = [{"x": box["x"] + box["width"] * share, "y": box["y"] + box["height"] * 0.6} for share in shares]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 0.2)
    for share in (0.4, 0.6, 0.8):
        touch("touchMove", share)
    touch("touchEnd")
    line = mask(page)
    assert (line[150, 200], line[360, 120], line[360, 280], line[560, 200]) == (255, 255, 255, 0)
    assert canvas.bounding_box() == box
    assert page.get_by_text("Space paints").is_hidden()
    undo, clear = page.get_by_role("button", name="Undo"), page.get_by_role("button", name="Clear mask")

    def tap(button, left):
        """Until its click has left this mask: a busy machine makes long presses of taps, which are no clicks."""
        for _ in range(20):
            button.tap()
            with contextlib.suppress(AssertionError):
                until(lambda: value(page, "mask") == left, within_s=3)
                return
        assert value(page, "mask") == left

    tap(undo, dab)
    canvas.dispatch_event("pointerdown", {"button": 0, "isPrimary": False, "pointerId": 9})  # a second finger
    assert value(page, "mask") == dab
    tap(undo, "")
    assert (undo.is_disabled(), clear.is_disabled()) == (True, True)
    canvas.tap()
    until(lambda: value(page, "mask"))
    painted = value(page, "mask")
    tap(clear, "")
    tap(undo, painted)
    assert page.locator("#said").inner_text() == "Undone"
    generate(page, "a gate by touch")
    picture(page)
    assert [given["role"] for given in recipe(web, page)["inputs"]] == ["source", "mask"]
