"""Page of a tenant over HTTP: packs and plans by administrators, members by owners, on both of its paths."""

import re

import pytest
from servers.local import start_local_api
from surfaces.web.forms import PASSWORD, Browser

from imgen.records import users
from imgen.records.database import Database
from imgen.records.memberships import join
from imgen.records.tenants import named_tenant


@pytest.fixture(scope="module")
def api(tmp_path_factory, redis_url):
    """An API in the test's process with the tenant north, its owner ada and its member bob, and the administrator root."""
    data = tmp_path_factory.mktemp("tenants") / "var"
    with start_local_api(data, redis_url) as running:
        for name, options in (("ada", ()), ("bob", ()), ("root", ("--role", "admin"))):
            running.imgen("users", "add", name, *options)
            running.imgen("users", "password", name, "--password", PASSWORD)
        running.imgen("tenants", "add", "north", "--owner", "ada")
        running.imgen("tenants", "add-member", "north", "bob")
        yield running


@pytest.fixture(scope="module")
def opened(api):
    """The signed-in browsers, by name."""
    found = {name: Browser(api, name) for name in ("ada", "bob", "root")}
    yield found
    for one in found.values():
        one.client.close()


@pytest.fixture(scope="module")
def panel(opened):
    """Path of the page in the panel."""
    return opened["ada"].tenant("north").replace("/account/", "/panel/")


def test_a_pack_is_granted_once_for_a_payment(opened, panel):
    """The same reference again adds nothing and says so; for another pack it is refused. The audit has the grant once."""
    root = opened["root"]
    for words in ("500 credits are granted for pay_1.", "The payment pay_1 has been granted before: nothing is added."):
        assert root.post(f"{panel}/packs", pack="pack_500", reference="pay_1").headers["location"] == panel
        assert words in root.get(panel).text
    assert root.post(f"{panel}/packs", pack="pack_2500", reference="pay_1").status_code == 400
    assert root.post(f"{panel}/packs", pack="pack_of_nothing", reference="pay_2").status_code == 400
    assert root.post(f"{panel}/packs", pack="pack_500", reference="").status_code == 400
    page = root.get(panel).text
    assert page.count(">pay_1<") == 1
    assert "pay_2" not in page
    assert root.get("/panel/audit?words=pay_1").text.count("<td>granted pack</td>") == 1


def test_owners_see_packs_without_payments(opened, panel):
    """And no form that only administrators may send; sent anyhow it is refused."""
    opened["root"].post(f"{panel}/packs", pack="pack_500", reference="pay_of_theirs")
    for name in ("ada", "bob"):
        page = opened[name].get(panel).text
        assert "Starter" in page
        assert "pay_of_theirs" not in page
        assert "Grant the pack" not in page
        assert "Change the plan" not in page
        assert opened[name].post(f"{panel}/packs", pack="pack_500", reference="mine").status_code == 403
        assert opened[name].post(f"{panel}/plan", plan="unlimited").status_code == 403


def test_both_paths_are_one_page(opened, panel):
    """Its forms lead back to the path that it was opened by."""
    account = panel.replace("/panel/", "/account/")
    for path in (panel, account):
        page = opened["ada"].get(path).text
        assert "<h1>north</h1>" in page
        assert f'action="{path}/invitations"' in page
        assert opened["ada"].post(f"{path}/name", name="north again").headers["location"] == path
        assert opened["ada"].post(f"{path}/name", name="north").headers["location"] == path
        assert "Invitation, good for one person" in opened["root"].post(f"{path}/invitations", role="member").text
    assert "Your account" in opened["ada"].get(account).text


def test_usage_by_day_counts_requests_and_pictures(api, opened, panel):
    """Of the tenant's keys together, by days in UTC."""
    assert "No request in the last 30 days." in opened["bob"].get(panel).text
    key = api.imgen("keys", "create", "counted", "--tenant", "north").strip()
    assert api.post({"action": "usage"}, key=key).status_code == 200
    row = re.search(r'<tr><th scope="row">(\d{4}-\d\d-\d\d)</th>(.*?)</tr>', opened["bob"].get(panel).text)
    assert re.findall(r">(\d+)<", row[2]) == ["1", "0", "0"]


def test_keys_and_webhooks_of_the_tenant_alone(api, opened, panel):
    """The page leads to both lists, narrowed to the tenant; one of others is not found."""
    api.imgen("keys", "create", "northern key", "--tenant", "north")
    api.imgen("keys", "create", "southern key", "--tenant", "south")
    root = opened["root"]
    page = root.get(panel).text
    assert "northern key" in page
    assert "southern key" not in page
    keys = re.search(r'href="(/panel/keys\?tenant=[^"]+)"', page)[1]
    assert "northern key" in root.get(keys).text
    assert "southern key" not in root.get(keys).text
    assert opened["bob"].get("/panel/keys?tenant=ten_0123456789abcdef").status_code == 404
    assert "/panel/webhooks?tenant=north" in page


def test_of_many_members_some_are_shown_and_others_found(api, opened, panel):
    """By the beginning of their names, whatever its case."""
    database = Database(f"sqlite:///{api.settings.data_dir / 'imgen.db'}")
    with database.write() as connection:
        tenant = named_tenant(connection, "north")
        for number in range(120):
            made = users.add(
                connection, name=f"Crowd {number:03}", role="member", password_hash="", must_change_password=False
            )
            join(connection, made.id, tenant.id, "member")
    database.close()
    page = opened["ada"].get(panel).text
    assert "These are the first 100: search for others." in page
    assert "Crowd 119" not in page
    found = opened["ada"].get(f"{panel}?member=crowd+11").text
    assert "Crowd 119" in found
    assert "Crowd 001" not in found
    assert page.count('aria-label="Make member: ada"') == 1


def test_an_unknown_plan_is_refused_with_a_reason(opened, panel):
    """The page stays, with the plan as it was."""
    answer = opened["root"].post(f"{panel}/plan", plan="golden")
    assert answer.status_code == 400
    assert "There is no plan &#39;golden&#39;" in answer.text
    assert "Plan Pro" not in answer.text
