"""Latest pictures of the playground: shown, followed, and put back into the form."""

import pytest
from surfaces.web.conftest import enter, nobody_renders
from surfaces.web.playground import drawn, generate, picture


@pytest.fixture
def admin(open_page):
    """The playground of the administrator."""
    return enter(open_page())


def test_an_earlier_job_comes_back_into_the_form(admin):
    """By keyboard: prompt, negative, size and format as they were, and the picture beside them."""
    page = admin
    page.get_by_text("More settings").click()
    page.get_by_label("Negative prompt").fill("rain")
    page.get_by_label("Format").select_option("png")
    page.get_by_label("832 × 1216").check()
    page.get_by_label("Improve my prompt").check()
    generate(page, "@aya violet coat, -hat")
    picture(page)
    generate(page, "something else")
    page.reload()
    thumb = page.get_by_role("button", name="use again: @aya violet coat").first
    thumb.focus()
    thumb.press("Enter")
    picture(page)
    assert page.get_by_label("Prompt", exact=True).input_value() == "@aya violet coat, -hat"
    assert page.get_by_label("Negative prompt").input_value() == "rain"
    assert page.get_by_label("Format").input_value() == "png"
    assert page.get_by_label("832 × 1216").is_checked()
    assert page.get_by_label("Improve my prompt").is_checked()
    assert page.get_by_label("Seed").input_value() == ""


def test_the_latest_picture_is_the_one_above(admin):
    """A new page shows the first of the latest pictures and marks it; another one that is chosen is marked instead."""
    page = admin
    for prompt in ("an older pier", "a newer pier"):
        generate(page, prompt)
        picture(page)
    page.reload()
    assert picture(page).get_attribute("alt") == "a newer pier"
    marked = page.locator(".thumb[aria-current]")
    assert marked.get_attribute("title") == "a newer pier"
    page.get_by_role("button", name="use again: an older pier").first.click()
    page.locator("#result figure img[alt='an older pier']").wait_for()
    assert marked.get_attribute("title") == "an older pier"


def test_a_thumbnail_follows_the_state_of_its_job(admin, web):
    """While a picture waits, the latest and the picture above say the same."""
    page = admin
    with nobody_renders(web):
        generate(page, "a slow ferry")
        page.locator("#result", has_text="in the queue").wait_for()
        page.locator("#history .thumb[title='a slow ferry']", has_text="Waiting for its turn").wait_for()
    picture(page)
    drawn(page.locator("#history .thumb[title='a slow ferry'] img").first)


def test_pictures_of_ones_keys_are_among_the_latest(admin, web):
    """A picture that was asked for over the API stands in the playground's history and can be used again."""
    job = web.generate("a picture of my key")
    web.wait(job)
    page = admin
    page.reload()
    thumb = drawn(page.locator(f"#thumb-{job['id']} img"))
    thumb.click()
    page.locator("#result figure img[alt='a picture of my key']").wait_for()
    assert page.get_by_label("Prompt", exact=True).input_value() == "a picture of my key"
