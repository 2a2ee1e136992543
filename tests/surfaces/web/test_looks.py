"""Looks that hold on every page: dates, charts, small screens, messages by their kind, the way to the documentation."""

import re

import pytest
from playwright.sync_api import expect
from surfaces.web.conftest import PASSWORD, sign_in

PHONE = {"width": 390, "height": 844}


@pytest.fixture
def phone(admin):
    """The administrator's page on a small screen."""
    admin.set_viewport_size(PHONE)
    return admin


def test_every_page_leads_to_documentation_and_reference(admin, open_page):
    """Signed in or not."""
    for page, path in ((admin, "/panel"), (admin, "/"), (open_page(), "/sign-in")):
        page.goto(path)
        links = page.get_by_role("navigation", name="Help")
        expect(links.get_by_role("link", name="Documentation")).to_have_attribute("href", "/docs")
        expect(links.get_by_role("link", name="API reference")).to_have_attribute("href", "/reference")


def test_dates_are_iso_dates(admin, web):
    """In the filters whatever the browser's language, and behind every age."""
    web.wait(web.generate("a dated barn"))
    admin.goto("/panel/jobs?words=dated+barn")
    for name in ("From", "To"):
        expect(admin.get_by_label(name)).to_have_attribute("placeholder", "yyyy-mm-dd")
        assert admin.get_by_label(name).get_attribute("type") is None
    admin.get_by_label("From").fill("26.11.2026")
    admin.get_by_role("button", name="Filter", exact=True).click()
    assert admin.get_by_label("From").evaluate("field => field.matches(':invalid')")
    expect(admin).not_to_have_url(re.compile("since"))
    age = admin.locator(".tile time").first
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", age.get_attribute("datetime"))


def test_filters_wrap_as_groups(admin):
    """Words, days and the button stand in one line, the choices in the next, each line with one height."""
    admin.goto("/panel/jobs")
    groups = admin.locator(".filters .group")
    expect(groups).to_have_count(2)
    for group in groups.all():
        bottoms = group.locator("input, select, button").evaluate_all(
            "all => all.map(one => Math.round(one.getBoundingClientRect().bottom))"
        )
        assert len(set(bottoms)) == 1


def test_charts_have_axes_numbers_and_their_range(admin, web):
    """The values from 0 up in numbers that read well, the days or minutes below, the range in words."""
    web.wait(web.generate("a counted barn"))
    for path, first in (("/panel", r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"), ("/panel/usage", r"\d{4}-\d\d-\d\d")):
        admin.goto(path)
        chart = admin.locator("figure.chart").first
        top, middle, zero = (int(text.replace(",", "")) for text in chart.locator(".values span").all_inner_texts())
        highest = int(re.search(r"highest (\d+)", chart.get_by_role("img").get_attribute("aria-label"))[1])
        assert (top, zero) == (2 * middle, 0)
        assert highest <= top
        assert re.fullmatch(first, chart.locator(".times span").first.inner_text())
        expect(admin.get_by_text(re.compile(rf"{first} to {first}"))).to_be_visible()


def test_the_demand_for_a_password_is_no_success(web, open_page):
    """It is told as a warning; a change that was made is told as one."""
    first = web.imgen("users", "add", "reminded")
    page = sign_in(open_page(), "reminded", first)
    page.goto("/panel/keys")
    expect(page.get_by_role("status")).to_have_text("Choose a password of your own first.")
    expect(page.get_by_role("status")).to_have_class("warning")
    expect(page.get_by_label("Present password")).to_be_focused()
    page.get_by_label("Present password").fill(first)
    page.get_by_label("New password", exact=True).fill(PASSWORD)
    page.get_by_label("New password again").fill(PASSWORD)
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_role("status")).to_have_class("news")


def test_after_a_wrong_password_the_next_one_can_be_typed(open_page):
    """The name stays, and the focus is on the password."""
    page = open_page()
    page.expected.append("401")
    page.goto("/sign-in")
    expect(page.get_by_label("Name")).to_be_focused()
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("admin")
    expect(page.get_by_label("Password")).to_be_focused()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/(panel.*)?$"))


@pytest.mark.parametrize("path", ["/panel/nothing", "/nothing/at/all", "/panel/jobs/run_x"])
def test_an_unknown_page_is_told_in_the_frame(admin, path):
    """With the navigation, wherever the path lies."""
    admin.expected.append("404")
    assert admin.goto(path).status == 404
    expect(admin.get_by_role("navigation", name="Main")).to_be_visible()
    expect(admin.get_by_role("heading", name="Not found")).to_be_visible()


def test_the_menu_of_a_phone_takes_no_row_of_its_own(phone):
    """Its button stands beside the name; opened, it lies over the page, which stays where it is."""
    phone.goto("/panel")
    brand, menu = phone.locator(".brand"), phone.get_by_role("button", name="Menu")
    assert phone.locator(".bar").bounding_box()["height"] < 70
    assert abs(brand.bounding_box()["y"] - menu.bounding_box()["y"]) < 20
    place = phone.locator("h1").bounding_box()
    expect(phone.get_by_role("button", name="Sign out")).to_be_hidden()
    menu.click()
    expect(phone.get_by_role("button", name="Sign out")).to_be_visible()
    assert phone.locator("h1").bounding_box() == place
    menu.click()
    expect(phone.get_by_role("link", name="Accounts")).to_be_hidden()


def test_filters_fold_on_a_phone(phone):
    """Behind a button that counts those that are set."""
    phone.goto("/panel/jobs?words=barn&state=completed")
    expect(phone.get_by_label("Prompt", exact=True)).to_be_hidden()
    button = phone.get_by_role("button", name="Filters (2)")
    button.click()
    expect(button).to_have_attribute("aria-expanded", "true")
    expect(phone.get_by_label("Prompt", exact=True)).to_be_visible()
    phone.set_viewport_size({"width": 1280, "height": 900})
    expect(button).to_be_hidden()


def test_tables_keep_their_main_columns_on_a_phone(phone, web):
    """Nothing of a table lies outside the screen, and each row can still be used."""
    web.imgen("keys", "create", "pocket", "--tenant", "pockets of an unusually long name", "--plan", "unlimited")
    web.wait(web.generate("a barn for a table"))
    for path, columns in (
        ("/panel/jobs?view=table&words=barn", ("Prompt", "State")),
        ("/panel/keys", ("Key", "State")),
        ("/panel/usage", ("Model", "Jobs")),
        ("/panel/people", ("Name", "Role")),
        ("/panel/audit", ("Time", "Action")),
        ("/panel/cache", ("Tenant", "Pictures")),
        ("/panel/workers", ("Worker", "State")),
    ):
        phone.goto(path)
        for name in columns:
            expect(phone.get_by_role("columnheader", name=name).first).to_be_visible()
        widths = phone.locator(".scroll").evaluate_all("all => all.map(one => one.scrollWidth - one.clientWidth)")
        assert max(widths) <= 0, path
    phone.goto("/panel/keys")
    phone.get_by_role("button", name="More for pocket").click()
    box = phone.get_by_role("button", name="Revoke pocket").bounding_box()
    assert 0 <= box["x"] <= PHONE["width"] - box["width"]


def test_what_has_no_picture_looks_as_meant(admin):
    """Styles and characters without a picture have a place of the same size, which says so."""
    admin.goto("/panel/catalog")
    places = admin.locator(".styles :is(img, .blank)")
    assert places.count() >= 2
    heights = places.evaluate_all("all => all.map(one => Math.round(one.getBoundingClientRect().height))")
    assert len(set(heights)) == 1
    cards = admin.locator(".cards article > :is(img, .blank):first-child")
    assert cards.count() == admin.locator(".cards article").count()


@pytest.mark.parametrize("width", [1024, 1280])
def test_the_bar_is_one_line(admin, width):
    """On a small laptop as on a larger screen; pages of one subject are tabs below it, reached without scripts."""
    admin.set_viewport_size({"width": width, "height": 800})
    admin.goto("/panel")
    expect(admin.get_by_role("button", name="Menu")).to_be_hidden()
    assert admin.locator(".bar").bounding_box()["height"] < 70
    admin.get_by_role("link", name="Accounts").focus()
    admin.keyboard.press("Enter")
    tabs = admin.get_by_role("navigation", name="Accounts").get_by_role("link")
    expect(tabs).to_have_text(["Tenants", "Keys", "Webhooks", "People"])
    tabs.nth(1).focus()
    admin.keyboard.press("Enter")
    expect(admin.get_by_role("heading", name="API keys")).to_be_visible()
    expect(tabs.nth(1)).to_have_attribute("aria-current", "page")
