"""Tenants in the panel: found by name, each with its plan and use; fields that suggest names."""

import re

import pytest
from playwright.sync_api import expect
from sqlalchemy import delete, select
from surfaces.web.conftest import sign_in, violations

from imgen.records import api_keys, tenants
from imgen.records.database import Database
from imgen.records.tables.accounts import tenants as table
from imgen.records.tables.users import memberships

PASSWORD = "a password of her own"


@pytest.fixture(scope="module")
def many(web):
    """More tenants than fit on a page, among them those of a member."""
    database = Database(f"sqlite:///{web.data / 'imgen.db'}")
    with database.write() as connection:
        for number in range(60):
            tenant = tenants.ensure_tenant(connection, f"Orchard {number:02}", "free")
            api_keys.add_key(connection, f"imgen_{number:064}", tenant=tenant, name=f"ladder {number:02}")
    web.imgen("users", "add", "olga", "--tenant", "Orchard 07")
    web.imgen("users", "password", "olga", "--password", PASSWORD)
    yield
    with database.write() as connection:  # other files' tests are of an installation with few tenants
        own = select(table.c.id).where(table.c.name.startswith("Orchard"))
        for rows in (memberships, api_keys.api_keys):
            connection.execute(delete(rows).where(rows.c.tenant_id.in_(own)))
        connection.execute(delete(table).where(table.c.id.in_(own)))
    database.close()


def test_tenants_are_found_by_the_beginning_of_their_name(many, admin):
    """Case is ignored; the next page goes on where the first one ended."""
    admin.goto("/panel/tenants")
    admin.get_by_role("searchbox").fill("orchard")
    admin.keyboard.press("Enter")
    admin.wait_for_url(re.compile("words=orchard"))
    rows = admin.locator("tbody th")
    expect(rows).to_have_count(50)
    assert violations(admin) == ""
    admin.get_by_role("button", name="Next tenants").click()
    expect(rows).to_have_text([f"Orchard {number}" for number in range(50, 60)])
    admin.get_by_role("searchbox").fill("no such orchard")
    admin.keyboard.press("Enter")
    expect(admin.get_by_text("No tenant begins like that.")).to_be_visible()


def test_a_tenants_page_shows_its_use_and_changes_its_plan(many, web, admin):
    """The bars are of the plan's limits; the new plan is on the page and in the audit."""
    admin.goto("/panel/tenants?words=orchard+03")
    admin.get_by_role("link", name="Orchard 03").click()
    expect(admin.get_by_text("Plan Free. Its id is")).to_be_visible()
    expect(admin.get_by_role("progressbar", name="Pictures this month")).to_have_attribute("max", "100")
    expect(admin.get_by_text("ladder 03")).to_be_visible()
    assert violations(admin) == ""
    admin.get_by_label("Another plan").select_option("pro")
    admin.get_by_role("button", name="Change the plan").click()
    expect(admin.get_by_role("status")).to_have_text("Orchard 03 has the plan Pro from the next request on.")
    expect(admin.get_by_text("Plan Pro. Its id is")).to_be_visible()
    admin.goto("/panel/audit?words=changed+plan")
    expect(admin.locator("tbody tr").first).to_contain_text("plan free → pro")


def test_a_member_sees_own_tenants_alone(many, open_page):
    """In the list, by address and among suggestions; the plan is an administrator's to change."""
    page = sign_in(open_page(), "olga", PASSWORD)
    page.goto("/panel/tenants")
    expect(page.locator("tbody th")).to_have_text(["Orchard 07"])
    page.get_by_role("link", name="Orchard 07").click()
    expect(page.get_by_label("Another plan")).to_have_count(0)
    own = page.url
    token = page.locator("input[name=csrftoken]").first.input_value()
    assert page.request.post(f"{own}/plan", form={"plan": "pro", "csrftoken": token}).status == 403
    assert page.request.get("/panel/tenants/ten_of_nobody").status == 404
    assert page.request.get("/panel/suggest/tenants?tenant=orchard").text().split() == [
        "<option",
        'value="Orchard',
        '07"></option>',
    ]
    assert "ladder 08" not in page.request.get("/panel/suggest/keys?key=ladder").text()
    other = sign_in(open_page())
    other.goto("/panel/tenants?words=orchard+08")
    path = other.get_by_role("link", name="Orchard 08").get_attribute("href")
    assert page.request.get(path).status == 404


def test_fields_suggest_names_from_the_server(many, admin):
    """At most twenty, of what begins as it is typed; the list is the browser's own, so keys of the keyboard choose in it."""
    admin.goto("/panel/keys")
    admin.get_by_text("Make a key").click()
    field = admin.get_by_label("Tenant")
    field.fill("")
    with admin.expect_response(re.compile("/panel/suggest/tenants")):
        field.press_sequentially("orchard 1", delay=20)
    expect(admin.locator("#tenant-tenants option")).to_have_count(10)
    with admin.expect_response(re.compile("/panel/suggest/tenants")):
        field.fill("orchard")
    expect(admin.locator("#tenant-tenants option")).to_have_count(20)


def test_without_scripts_a_tenant_is_typed(many, watched, web):
    """The field is a plain one: a key is made for the tenant that was typed."""
    page = sign_in(watched(web.url, java_script_enabled=False))
    page.goto("/panel/keys")
    page.get_by_text("Make a key").click()
    page.get_by_label("Name").fill("typed")
    page.get_by_label("Tenant").fill("Orchard 11")
    page.get_by_role("button", name="Make it").click()
    expect(page.locator("#raw")).to_be_visible()


def test_jobs_are_filtered_by_the_name_of_their_key(many, web, admin):
    """A name finds its key's jobs alone; a name of nothing finds none."""
    raw = web.imgen("keys", "create", "apple press").strip()
    web.wait(web.generate("an orchard in bloom"))
    answer = web.post({"action": "generate", "prompt": "an orchard in bloom, at night"}, key=raw)
    web.wait(answer.json(), key=raw)
    admin.expected += [
        "htmx:afterRequest",
        "htmx:sendError",
        "htmx:sendAbort",
    ]  # a page that is left awaits no suggestions
    admin.goto("/panel/jobs?words=orchard+in+bloom")
    expect(admin.locator(".tile")).to_have_count(2)
    field = admin.get_by_role("combobox", name="Key")
    for name, number in (("apple press", 1), ("nobody's", 0)):
        field.fill(name)
        admin.get_by_role("button", name="Filter", exact=True).click()
        admin.wait_for_url(re.compile("key="))
        expect(admin.locator(".tile")).to_have_count(number)
        expect(field).to_have_value(name)
