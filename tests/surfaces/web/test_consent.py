"""Consent in a browser: the way through sign-in and the page to the application, also where a policy could stop it."""

import re
import secrets

import httpx2
import pytest
from playwright.sync_api import expect
from servers.faulty_http import answer, start_faulty_http
from surfaces.web.conftest import TIMEOUT_MS, enter, violations
from surfaces.web.signing_in import PASSWORD

CHALLENGE = "c" * 43
PAGE = b"<!doctype html><title>Kite</title><h1>Connected</h1>"


@pytest.fixture
def application():
    """An application that waits at a loopback address, as programs on a person's machine do."""
    with start_faulty_http(answer(200, PAGE, {"Content-Type": "text/html"})) as server:
        yield server


@pytest.fixture
def browser(web, chromium):
    """A page of a profile of its own, which may leave the server, and the errors of its console."""
    context = chromium.new_context(base_url=web.url)
    context.set_default_timeout(TIMEOUT_MS)
    page, errors = context.new_page(), []
    page.on("console", lambda message: message.type == "error" and errors.append(message.text))
    yield page, errors
    context.close()


def request_of(web, application, **changes):
    """Path of a request of a new application."""
    metadata = {"redirect_uris": [f"{application.url}/callback"], "client_name": f"Kite {secrets.token_hex(3)}"}
    metadata |= {"token_endpoint_auth_method": "none"} | changes
    made = httpx2.post(f"{web.url}/register", json=metadata, timeout=30)
    assert made.status_code == 201, made.text
    query = {
        "client_id": made.json()["client_id"], "redirect_uri": f"{application.url}/callback", "response_type": "code",
        "code_challenge": CHALLENGE, "code_challenge_method": "S256", "state": "st",
    }  # fmt: skip
    return f"/authorize?{httpx2.QueryParams(query)}", metadata["client_name"]


def answered(page, application):
    """Fields that the application is told, once the browser is there."""
    page.wait_for_url(re.compile(re.escape(application.url)))
    assert page.get_by_role("heading").inner_text() == "Connected"
    return dict(httpx2.URL(page.url).params)


def test_a_person_signs_in_allows_and_is_led_back(web, browser, application):
    """From nothing to the application; the second time sign-in alone leads there. The account's page revokes it."""
    page, errors = browser
    path, name = request_of(web, application)
    page.goto(path)
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name=f"Connect {name}?")).to_be_visible()
    page.get_by_role("button", name="Allow").click()
    told = answered(page, application)
    assert (told["state"], told["iss"]) == ("st", web.url)
    assert told["code"]
    page.context.clear_cookies()
    page.goto(f"{web.url}{path}")
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    assert answered(page, application)["code"] != told["code"]
    page.goto(f"{web.url}/account")
    row = page.get_by_role("row").filter(has_text=name)
    expect(row).to_contain_text("unverified")
    page.on("dialog", lambda dialog: dialog.accept())
    row.get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("status")).to_contain_text("may not act")
    expect(page.get_by_role("row").filter(has_text=name)).to_have_count(0)
    page.goto(f"{web.url}{path}")
    page.get_by_role("button", name="Deny").click()
    assert answered(page, application)["error"] == "access_denied"
    assert errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible(web, open_page, application, scheme):
    """In both schemes, and at the width of a telephone without scrolling sideways."""
    page = open_page(color_scheme=scheme, viewport={"width": 360, "height": 740})
    path, name = request_of(web, application)
    enter(page, path=path)
    expect(page.get_by_role("heading", name=f"Connect {name}?")).to_be_visible()
    assert violations(page) == ""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_panel_counts_connected_applications(admin):
    """For administrators, beside the other figures."""
    expect(admin.get_by_text("Connected applications")).to_be_visible()
