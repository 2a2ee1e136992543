"""The public pages in a browser: Scalar's reference keeps to this server, and the documentation is accessible."""

import re

import pytest
from surfaces.web.conftest import violations

from imgen.surfaces.action.actions import ACTIONS

SCALAR = 60_000
"""Milliseconds for 3.5 MB of script on a slow machine."""


def open_reference(page):
    page.goto("/reference")
    page.get_by_role("heading", name="Imgen", exact=True).wait_for(timeout=SCALAR)
    return page


def test_the_reference_shows_every_action(open_page):
    """Each action can be chosen as the request, and its example is shown with this server's address."""
    page = open_reference(open_page())
    page.get_by_role("heading", name="Call an action").first.scroll_into_view_if_needed()
    page.get_by_text("Polling.").first.wait_for()
    shown = page.locator("body").inner_text()
    for name in ACTIONS:
        assert re.search(rf"\b{name}: ", shown), name
    chooser = page.get_by_role("button", name=re.compile("^One of"))
    chooser.first.click()
    for name in ACTIONS:
        page.get_by_role("option", name=name, exact=True).wait_for()
    page.get_by_role("option", name="generate", exact=True).click()
    page.get_by_text("compliance_ruleset").first.wait_for()


def test_the_reference_finds_nothing_wrong_with_its_document(open_page):
    """It loads without a warning: the document is as its readers expect it."""
    page, warnings = open_page(), []
    page.on("console", lambda message: message.type in ("warning", "error") and warnings.append(message.text))
    with page.expect_console_message(lambda message: "addDocument" in message.text, timeout=SCALAR):
        open_reference(page)
    assert warnings == []


def test_the_reference_sends_a_request_to_this_server(open_page, web):
    """Its console asks the running server with the key that is typed in, and shows the answer; nothing else is asked."""
    page = open_reference(open_page())
    asked = []

    def note(request):
        asked.append(request.url)

    page.on("request", note)
    page.get_by_role("heading", name="Call an action").first.scroll_into_view_if_needed()
    page.get_by_role("button", name=re.compile("Test Request")).first.click()
    page.get_by_role("dialog").wait_for()
    with page.expect_response(re.compile("/api/v2$")) as told:
        page.expected.append("401")
        page.get_by_role("button", name=re.compile("^Send")).first.click()
    assert told.value.status == 401
    assert {url for url in asked if "/api/" in url} == {f"{web.url}/api/v2"}


def test_the_reference_runs_under_its_own_policy(open_page):
    """A script in the page is refused, and so is a request to elsewhere: the policy that the page is sent with holds."""
    page = open_reference(open_page())
    page.expected += ["Content Security Policy", "violates", "Refused"]
    ran = page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.head.append(s); return window.ran; }"
    )
    assert ran is None
    refused = page.evaluate("() => fetch('data:text/plain,x').then(() => 'reached', () => 'refused')")
    assert refused == "refused"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/docs", "/docs/action", "/docs/clients", "/docs/models", "/docs/nope"])
def test_documentation_is_accessible(open_page, path, scheme):
    """No violation of WCAG 2 A or AA, in light and dark, and nothing wider than a phone."""
    page = open_page(color_scheme=scheme)
    page.expected.append("404")
    page.goto(path)
    assert violations(page) == ""
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert violations(page) == ""


def test_documentation_is_read_by_links(open_page):
    """From the list to a page, by its own contents to a heading, over a link to another page, and by keyboard past the bar."""
    page = open_page()
    page.goto("/docs")
    page.get_by_role("link", name="Action API").click()
    page.get_by_text("On this page", exact=True).click()
    page.get_by_role("navigation", name="On this page").get_by_role("link", name="Polling").click()
    assert page.url.endswith("/docs/action#polling")
    assert page.get_by_role("heading", name="Polling").is_visible()
    page.get_by_role("link", name="docs/clients").first.click()
    page.get_by_role("heading", name="Clients", level=1).wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the page"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_reference_is_accessible(open_page, scheme):
    """Scalar's own faults are mended while it draws, its pale colours darkened."""
    page = open_reference(open_page(color_scheme=scheme))
    assert violations(page) == ""
    page.locator("button.show-more").first.click()
    page.get_by_text("Whether the server can work").or_(page.get_by_text("/healthz")).first.wait_for()
    assert violations(page) == ""
