"""Users of the playground: their tenants, and the limits of each."""

import json
import re

import httpx2
import pytest
from playwright.sync_api import expect
from surfaces.web.conftest import PASSWORD, enter, violations
from surfaces.web.playground import generate, picture, refused


@pytest.fixture(scope="module")
def member(web):
    """Makes members, each with a password of its own choice."""

    def make(name, *tenants):
        arguments = [part for tenant in tenants for part in ("--tenant", tenant)]
        web.imgen("users", "add", name, *arguments)
        web.imgen("users", "password", name, "--password", PASSWORD)
        return name

    return make


@pytest.fixture(scope="module")
def tenants(web):
    """Two tenants by name, each with a key of its own."""
    return {name: web.imgen("keys", "create", name, "--tenant", name) for name in ("north", "south")}


def test_the_quota_of_the_tenant_holds(web, member, open_page):
    """A user whose plan's pictures are used up is told so and for how long, and no job is made."""
    key = web.imgen("keys", "create", "spent", "--tenant", "spent", "--plan", "three")
    for number in range(3):
        assert web.post({"action": "generate", "prompt": f"coat {number}"}, key=key).status_code == 200
    page = enter(open_page(), member("quentin", "spent"))
    page.get_by_label("Prompt", exact=True).fill("one coat more")
    refused(page, 429, re.compile(r"Quota exceeded.* Try again in \d+ "))
    assert page.get_by_label("Prompt", exact=True).input_value() == "one coat more"
    listed = web.post({"action": "jobs", "limit": 100}, key=key).json()["jobs"]
    assert len(listed) == 3


def test_a_member_acts_for_own_tenants_alone(web, tenants, member, open_page):
    """A tenant's id that is smuggled into the form is refused, and nothing is made there."""
    owner = enter(open_page())
    ids = {option.inner_text(): option.get_attribute("value") for option in owner.locator("[name=tenant] option").all()}
    assert set(ids) >= set(tenants)
    page = enter(open_page(), member("mia", "north"))
    assert page.locator("select[name=tenant]").count() == 0
    page.locator("[name=tenant]").evaluate("(field, id) => { field.value = id; }", ids["south"])
    page.get_by_label("Prompt", exact=True).fill("red coat")
    refused(page, 403, "may not make pictures for this tenant")
    assert web.post({"action": "jobs"}, key=tenants["south"]).json()["jobs"] == []
    page.reload()
    generate(page, "red coat")
    picture(page)
    assert [job["prompt"] for job in web.post({"action": "jobs"}, key=tenants["north"]).json()["jobs"]] == ["red coat"]


def test_a_member_of_several_tenants_picks_one(web, tenants, member, open_page):
    """The picture is the chosen tenant's."""
    page = enter(open_page(), member("theo", "north", "south"))
    picker = page.get_by_label("Tenant")
    assert picker.locator("option").all_inner_texts() == ["north", "south"]
    picker.select_option(label="south")
    generate(page, "picked coat")
    picture(page)
    found = [job["prompt"] for job in web.post({"action": "jobs"}, key=tenants["south"]).json()["jobs"]]
    assert found == ["picked coat"]


def test_who_belongs_to_no_tenant_is_told_what_to_do(member, open_page):
    """A page without a form."""
    page = enter(open_page(), member("nemo"))
    assert "Ask an administrator" in page.locator("main").inner_text()
    assert page.locator("#play").count() == 0
    assert violations(page) == ""


def test_another_persons_job_is_not_there(web, tenants, member, open_page):
    """Neither a colleague's of the same tenant, nor one of another's key, nor an administrator's look into a member's; nor can it be ended."""
    ada = member("ada", "north")
    web.imgen("tenants", "add-member", "north", "ada", "--owner")  # owners make keys
    page = enter(open_page(), ada)
    generate(page, "adas coat")
    picture(page)
    own = page.get_by_role("button", name="Open in Jobs").get_attribute("href").removeprefix("/panel/jobs/")
    page.goto("/panel/keys")
    page.get_by_text("Make a key").click()
    page.get_by_label("Name").fill("adas key")
    page.get_by_role("button", name="Make it").click()
    raw = page.locator("#raw").inner_text()
    page.goto("/")
    keys = web.post({"action": "generate", "prompt": "adas key coat"}, key=raw).json()["id"]
    assert page.request.get(f"/play/jobs/{own}").status == 200
    colleague, admin = enter(open_page(), member("ben", "north")), enter(open_page())
    for other, job_id in (
        (colleague, own),
        (colleague, keys),
        (admin, own),
        (admin, keys),
        (page, "run_x"),
        (page, "%00"),
    ):
        assert other.request.get(f"/play/jobs/{job_id}").status == 404
        token = json.loads(other.locator("body").get_attribute("hx-headers"))
        assert other.request.post(f"/play/jobs/{job_id}/cancel", headers=token).status == 404
    assert page.request.get(f"/play/jobs/{keys}").status == 200
    assert "adas key coat" in page.request.get("/play/history").text()
    assert "adas" not in colleague.locator("#history").inner_html()


def test_nothing_is_served_to_strangers_or_forged(web, admin):
    """Without a session one is sent to sign in; without the token of the page nothing is made."""
    for path in ("/", "/play/history", "/play/jobs/run_x"):
        answer = httpx2.get(web.url + path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    for forged in (
        {"multipart": {"prompt": "x"}},
        {"form": {"prompt": "x"}},
        {"form": {"csrftoken": "x"}},
        {"data": "x"},
    ):
        assert admin.request.post("/play", **forged).status == 403
    wrong = {"x-csrftoken": "x"}
    assert admin.request.post("/play", multipart={"prompt": "x"}, headers=wrong).status == 403


def test_a_form_that_has_expired_says_what_to_do(open_page):
    """Beside the form: nothing was sent, and a new page helps."""
    page = enter(open_page())
    page.expected.append("403")
    page.evaluate("""document.body.setAttribute("hx-headers", '{"x-csrftoken": "old"}')""")
    page.locator("#play [name=csrftoken]").evaluate("field => { field.value = 'old'; }")
    page.get_by_label("Prompt", exact=True).fill("a vase that nobody gets")
    page.get_by_role("button", name="Generate").click()
    expect(page.locator("#problem")).to_have_text("This could not be sent. Load the page anew and try again.")
