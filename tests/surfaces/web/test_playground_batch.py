"""Several pictures of one request in the playground: asked for, followed, and shown one after another."""

import re

import pytest
from playwright.sync_api import expect
from surfaces.web.conftest import PASSWORD, enter, nobody_renders, violations
from surfaces.web.playground import drawn, generate, picture


@pytest.fixture
def page(open_page):
    """The playground of the administrator."""
    return enter(open_page())


def siblings(page):
    return page.get_by_role("region", name="Made together").get_by_role("button")


def seed(page):
    return page.get_by_label("Facts").locator("dt:text-is('Seed') + dd").inner_text()


def test_several_pictures_are_made_and_shown_together(page):
    """Three thumbnails below the first picture; each shows its own in its place, by keyboard, without losing the focus."""
    page.get_by_text("More settings").click()
    page.get_by_label("Seed").fill("70")
    page.locator("select[name=n]").select_option("3")
    page.locator("#code-curl", has_text='"n": 3').wait_for()
    generate(page, "three dunes")
    picture(page)
    expect(siblings(page)).to_have_count(3)
    for index in range(3):
        one = siblings(page).nth(index)
        expect(one).to_have_accessible_name(f"Picture {index + 1} of 3: Done")
        drawn(one.locator("img"))
    assert seed(page) == "70"
    expect(siblings(page).nth(0)).to_have_attribute("aria-current", "true")
    assert violations(page) == ""
    siblings(page).nth(2).focus()
    siblings(page).nth(2).press("Enter")
    expect(page.get_by_label("Facts").locator("dt:text-is('Seed') + dd")).to_have_text("72")
    expect(siblings(page).nth(2)).to_be_focused()
    expect(siblings(page).nth(2)).to_have_attribute("aria-current", "true")
    expect(siblings(page)).to_have_count(3)
    expect(page.locator("#history .thumb[title='three dunes'] img")).to_have_count(3)


def test_siblings_are_followed_to_their_own_ends(page, web):
    """While they wait each says so; one is cancelled, the other is drawn, and both are told without a click."""
    with nobody_renders(web):
        page.locator("select[name=n]").select_option("2")
        generate(page, "two slow ferries")
        expect(siblings(page)).to_have_text(["Waiting for its turn"] * 2)
        page.get_by_role("button", name="Cancel", exact=True).click()
        expect(siblings(page)).to_have_text(["Cancelled", "Waiting for its turn"])
        assert violations(page) == ""
    expect(siblings(page).nth(1)).to_have_accessible_name("Picture 2 of 2: Done")
    drawn(siblings(page).nth(1).locator("img"))
    page.reload()
    expect(siblings(page)).to_have_count(2)
    assert re.search("two slow ferries", picture(page).get_attribute("alt"))


def test_one_picture_has_no_siblings(page):
    """Neither when it is made nor when it is opened again."""
    generate(page, "a lone dune")
    picture(page)
    expect(page.locator("#batch")).to_have_count(0)
    page.reload()
    picture(page)
    expect(page.locator("#batch")).to_have_count(0)


def test_only_ones_own_batches_are_shown(page, web, open_page):
    """A user's own batch is; a job alone, one of nobody and a batch of another user are all the same: not found."""
    page.locator("select[name=n]").select_option("2")
    generate(page, "a private pair")
    page.locator("#result img[alt='a private pair']").wait_for()
    own = siblings(page).first.get_attribute("data-job")
    alone = web.generate("a job alone")["id"]
    assert page.request.get(f"/play/jobs/{own}/batch").status == 200
    web.imgen("users", "add", "dora")
    web.imgen("users", "password", "dora", "--password", PASSWORD)
    other = enter(open_page(), "dora")
    for asked, job_id in ((page, alone), (page, "run_" + "x" * 22), (other, own)):
        assert asked.request.get(f"/play/jobs/{job_id}/batch").status == 404
