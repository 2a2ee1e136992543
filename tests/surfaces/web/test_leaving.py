"""A tenant leaves, in a real browser: its data as an archive, then its deletion by its owner."""

import zipfile

import httpx2
from playwright.sync_api import expect
from surfaces.web.conftest import sign_in, violations

OWN = "a password of her own"


def test_an_owner_takes_the_data_and_deletes_the_tenant(web, open_page):
    """The archive is whole; another name deletes nothing; afterwards the tenant is gone from the account, and its key is refused."""
    web.imgen("users", "add", "lea")
    web.imgen("users", "password", "lea", "--password", OWN)
    web.imgen("tenants", "add", "quay", "--owner", "lea")
    key = web.imgen("keys", "create", "quay", "--tenant", "quay")
    page = sign_in(open_page(), "lea", OWN)
    page.goto("/account")
    page.get_by_role("link", name="quay").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export its data").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.testzip() is None
        assert b"quay" in archive.read("tenant.json")
    page.get_by_text("Delete this tenant").click()
    assert violations(page) == ""
    here = page.url
    page.expected.append("400")
    page.get_by_label("Type its name").fill("key")
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("Type the name of the tenant to delete it")).to_be_visible()
    page.goto(here)
    page.get_by_text("Delete this tenant").click()
    page.get_by_label("Type its name").fill("quay")
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_role("status")).to_contain_text("quay is closed")
    expect(page.get_by_text("You belong to no tenant.")).to_be_visible()
    refused = httpx2.post(f"{web.url}/api/v2", json={"action": "models"}, headers={"Authorization": f"Bearer {key}"})
    assert (refused.status_code, refused.json()["error"]) == (401, "Invalid API key")


def test_another_site_can_start_neither(web):
    """Without the token of a form both are refused; there is nothing to get."""
    for what in ("export", "delete"):
        url = f"{web.url}/account/tenants/ten_0123456789abcdef/{what}"
        assert httpx2.post(url, data={"name": "quay"}).status_code == 403
        assert httpx2.get(url).status_code == 405
