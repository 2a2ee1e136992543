"""Every page in light and dark and on a phone: no violation of WCAG A or AA, nothing wider than the screen."""

import pytest
from playwright.sync_api import expect
from surfaces.web.conftest import sign_in, violations

PAGES = (
    "/panel", "/panel/jobs", "/panel/jobs?view=table", "/panel/blocked", "/panel/keys", "/panel/tenants", "/panel/usage",
    "/panel/usage?by=key", "/panel/catalog", "/panel/workers", "/panel/cache", "/panel/people", "/panel/webhooks", "/panel/audit",
    "/account", "/invitation", "/password-reset", "/verify", "/panel/pictures",
)  # fmt: skip


@pytest.fixture(scope="module")
def furnished(web):
    """Something to show on every page."""
    web.imgen("keys", "create", "furniture", "--tenant", "a tenant with a rather long name")
    jobs = [web.generate("a chair", use_cache=True), web.generate("nude marble statue of a woman")]
    for job in jobs:
        web.wait(job)
    return jobs


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible(furnished, open_page, scheme):
    """In both schemes, the sign-in page and a job included."""
    page = open_page(color_scheme=scheme)
    for path in ("/sign-in", "/sign-up"):
        page.goto(path)
        assert violations(page) == "", path
    sign_in(page)
    for path in (*PAGES, *(f"/panel/jobs/{job['id']}" for job in furnished)):
        assert page.goto(path).status == 200, path
        expect(page.locator("h1")).to_have_count(1)
        assert violations(page) == "", path


def test_every_page_fits_a_phone_and_its_menu_opens(furnished, open_page):
    """Nothing scrolls sideways but tables within their own frame."""
    page = open_page()
    page.set_viewport_size({"width": 390, "height": 800})
    sign_in(page)
    for path in (*PAGES, f"/panel/jobs/{furnished[0]['id']}"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
    expect(page.get_by_role("link", name="Accounts")).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("link", name="Accounts").click()
    page.get_by_role("link", name="Keys").click()
    expect(page.get_by_role("heading", name="API keys")).to_be_visible()


def test_by_keyboard_alone(open_page):
    """The first tab skips to the page; every link and button can be reached and shows where one is."""
    page = sign_in(open_page())
    page.goto("/panel")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    for _ in range(5):
        page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_workers_tell_what_they_are(furnished, admin):
    """Both processes of the stack, with their queues and memory."""
    admin.goto("/panel/workers")
    for queue in ("render.eros", "finish"):
        cell = admin.get_by_role("row").filter(has_text=queue).filter(has_text="MiB")
        expect(cell.first).to_be_visible()


def test_the_cache_is_purged_from_its_page(web, furnished, admin):
    """A hit from before is a miss after, and the audit has the person."""
    asked = {"action": "generate", "prompt": "a chair", "use_cache": True, "cache_only": True}
    assert web.post(asked).status_code == 200
    admin.goto("/panel/cache")
    admin.on("dialog", lambda dialog: dialog.accept())
    admin.get_by_role("button", name="Purge").click()
    expect(admin.get_by_role("status")).to_contain_text("Purged")
    assert web.post(asked).status_code == 404
    admin.goto("/panel/audit?words=purged")
    expect(admin.get_by_role("cell", name="purged cache")).to_be_visible()


def test_people_are_added_and_removed(web, admin, open_page):
    """The first password is shown once and opens the door; removed, the door is shut at once."""
    admin.goto("/panel/people")
    admin.get_by_label("Name", exact=True).fill("paula")
    admin.get_by_role("button", name="Add").click()
    first = admin.locator("#first").inner_text()
    page = sign_in(open_page(), "paula", first)
    expect(page.get_by_role("heading", name="paula")).to_be_visible()
    admin.goto("/panel/people")
    assert first not in admin.content()
    admin.on("dialog", lambda dialog: dialog.accept())
    admin.get_by_role("row").filter(has_text="paula").get_by_role("button", name="Remove").click()
    expect(admin.get_by_role("status")).to_contain_text("paula is removed")
    page.goto("/panel/account")
    assert page.url.endswith("/sign-in")


def test_usage_tells_how_jobs_fared(furnished, admin):
    """Ends of each model's jobs and the time they took, with a small chart, and the same by day."""
    admin.goto("/panel/usage?by=model")
    cells = (
        admin.get_by_role("region", name="Jobs by model").get_by_role("row").filter(has_text="eros").get_by_role("cell")
    )
    jobs, completed, blocked = (int(cells.nth(column).inner_text()) for column in range(3))
    assert jobs >= completed + blocked >= 2
    assert completed
    assert cells.nth(6).inner_text().endswith("s")
    expect(cells.get_by_role("img", name="Jobs per day, eros; highest")).to_be_visible()
    expect(admin.get_by_role("region", name="Jobs by day").get_by_role("row").nth(1)).to_be_visible()


def test_usage_tells_what_plans_have_left(web, admin):
    """Pictures and credits of the month beside their limits, and the credits left in packs."""
    web.imgen("keys", "create", "metered", "--tenant", "metered", "--plan", "pro")
    web.imgen("tenants", "grant", "metered", "pack_500", "--reference", "inv-7")
    admin.goto("/panel/usage")
    row = admin.get_by_role("region", name="Plans this month").get_by_role("row").filter(has_text="metered")
    expect(row.get_by_role("cell")).to_have_text(["Pro", "0", "0", "100", "0", "0", "1,000", "500"])


def test_usage_as_a_file(furnished, admin):
    """Comma-separated, with a line of names."""
    answer = admin.request.get("/panel/usage.csv?by=model")
    lines = answer.text().splitlines()
    assert answer.headers["content-type"].startswith("text/csv")
    assert lines[0] == "day,model,jobs,completed,blocked,failed,cache_hits,median_s,p95_s"
    assert any(line.split(",")[1] == "eros" for line in lines[1:])


def test_the_configuration_is_read_again(web, admin):
    """Page, API and workers go by the new files; a wrong one is told and changes nothing; the audit says who asked."""
    file = web.data / "models.toml"
    before = file.read_text()
    assert web.wait(web.generate("a zebra"))["status"] == "COMPLETED"
    try:
        file.write_text(
            before.replace('"Eros"', '"Eros the second"').replace("step_s = 0.0", 'step_s = 0.0, fail_on = "zebra"')
        )
        admin.goto("/panel/catalog")
        admin.get_by_role("button", name="Read the configuration again").click()
        expect(admin.get_by_role("status")).to_have_text("The configuration is read again.")
        expect(admin.get_by_role("heading", name="Eros the second")).to_be_visible()
        assert web.post({"action": "models"}).json()["models"]["eros"]["label"] == "Eros the second"
        assert "Eros the second" in admin.request.get("/llms-full.txt").text()
        assert web.wait(web.generate("a zebra"))["status"] == "FAILED"
        file.write_text(before.replace("[eros]", "[eros"))
        admin.expected.append("400")
        admin.get_by_role("button", name="Read the configuration again").click()
        expect(admin.get_by_text("The old configuration stays")).to_be_visible()
        assert web.post({"action": "models"}).json()["models"]["eros"]["label"] == "Eros the second"
        admin.goto("/panel/audit?words=reloaded")
        expect(admin.get_by_role("cell", name="reloaded configuration").first).to_be_visible()
        expect(admin.get_by_text("address: 127.0.0.1").first).to_be_visible()
    finally:
        file.write_text(before)
        admin.goto("/panel/catalog")
        admin.get_by_role("button", name="Read the configuration again").click()
        expect(admin.get_by_role("status")).to_be_visible()
