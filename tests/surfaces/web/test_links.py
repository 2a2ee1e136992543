"""Invitations, reset links and a person's tenants in a real browser."""

import re

import pytest
from playwright.sync_api import expect
from surfaces.web.conftest import sign_in, violations

OWN = "a password of her own"


@pytest.fixture(scope="module")
def sara(web):
    """The name of an owner of the tenant `harbour`."""
    web.imgen("users", "add", "sara")
    web.imgen("users", "password", "sara", "--password", OWN)
    web.imgen("tenants", "add", "harbour", "--owner", "sara")
    return "sara"


def test_an_invitation_leads_from_the_owner_to_the_new_member(sara, open_page):
    """The link opens in another browser; its token is in no request's address and in no Referer, and it leaves the address bar."""
    owner = sign_in(open_page(), sara, OWN)
    owner.goto("/account")
    owner.get_by_role("link", name="harbour").click()
    owner.get_by_role("button", name="Make an invitation").click()
    link = owner.locator("#link").inner_text()
    token = link.partition("#")[2]
    page, sent = open_page(), []
    page.on("request", lambda request: sent.append((request.url, request.headers.get("referer", ""))))
    page.goto(link)
    expect(page.get_by_role("heading", name="Join harbour")).to_be_visible()
    assert token not in page.url
    page.get_by_label("Name", exact=True).fill("tilda")
    page.get_by_label("Password", exact=True).fill(OWN)
    page.get_by_label("Password again").fill(OWN)
    page.get_by_role("button", name="Make an account and join").click()
    page.wait_for_url(re.compile("/panel$"))
    assert len(sent) > 3
    assert not any(token in text for pair in sent for text in pair)
    page.goto("/account")
    expect(page.get_by_role("row", name="harbour")).to_contain_text("member")
    owner.reload()
    expect(owner.get_by_role("row", name="tilda")).to_be_visible()
    owner.on("dialog", lambda dialog: dialog.accept())
    owner.get_by_role("row", name="tilda").get_by_role("button", name="Remove").click()
    expect(owner.get_by_role("status")).to_contain_text("removed")
    page.reload()
    expect(page.get_by_text("You belong to no tenant.")).to_be_visible()


def test_a_reset_link_of_the_command_line_works_without_scripts_too(web, sara, chromium):
    """The code is typed; who set the password signs in with it."""
    link = web.imgen("users", "reset-link", sara)
    context = chromium.new_context(base_url=web.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/password-reset")
    page.get_by_label("Code").fill(link.partition("#")[2])
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("New password", exact=True).fill(OWN)
    page.get_by_label("New password again").fill(OWN)
    page.get_by_role("button", name="Set it").click()
    expect(page.get_by_role("status")).to_contain_text("Your password is set")
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_of_tenants_and_links_are_accessible_and_fit_a_phone(web, sara, open_page, scheme):
    """The tenant's page, an invitation and a reset, in both schemes; nothing scrolls sideways."""
    owner = sign_in(open_page(color_scheme=scheme, viewport={"width": 390, "height": 800}), sara, OWN)
    owner.goto("/account")
    owner.get_by_role("link", name="harbour").click()
    owner.get_by_role("button", name="Make an invitation").click()
    stranger = open_page(color_scheme=scheme, viewport={"width": 390, "height": 800})
    for page, address in (
        (owner, ""),
        (stranger, owner.locator("#link").inner_text()),
        (stranger, "/password-reset#" + web.imgen("users", "reset-link", sara).partition("#")[2]),
    ):
        if address:
            page.goto(address)
            expect(page.get_by_label("Code")).to_have_count(0)
        assert violations(page) == "", page.url
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, page.url
