"""Keys in the panel: made once, used at once, switched off at once."""

import time

import httpx2
from playwright.sync_api import expect
from surfaces.web.conftest import sign_in, violations


def usage(web, key):
    return web.post({"action": "usage"}, key=key)


def make(page, name, tenant="default"):
    """Through the form; the raw key."""
    page.goto("/panel/keys")
    page.get_by_text("Make a key").click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Tenant").fill(tenant)
    page.get_by_role("button", name="Make it").click()
    return page.locator("#raw").inner_text()


def row(page, name):
    return page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name))


def choose(page, name, action):
    """By the menu of the key's row."""
    row(page, name).get_by_role("button", name=f"More for {name}").click()
    row(page, name).get_by_role("button", name=action).click()


def test_a_key_is_made_used_switched_off_and_on_rotated_and_revoked(web, admin):
    """Each change holds from the very next request."""
    raw = make(admin, "webshop")
    assert usage(web, raw).status_code == 200
    admin.goto("/panel/keys")
    assert raw not in admin.content()
    choose(admin, "webshop", "Switch off")
    expect(admin.get_by_role("status")).to_have_text("webshop is switched off.")
    refused = usage(web, raw)
    assert (refused.status_code, refused.json()) == (401, {"error": "API key is disabled"})
    choose(admin, "webshop", "Switch on")
    expect(admin.get_by_role("status")).to_have_text("webshop is switched on.")
    assert usage(web, raw).status_code == 200

    admin.on("dialog", lambda dialog: dialog.accept())
    choose(admin, "webshop", "Rotate")
    new = admin.locator("#raw").inner_text()
    assert new != raw
    assert usage(web, new).status_code == usage(web, raw).status_code == 200  # the old one within its grace
    admin.goto("/panel/keys")
    row(admin, "webshop").get_by_role("button", name="More for webshop").click()
    row(admin, "webshop").get_by_label("old one works for").fill("0")
    row(admin, "webshop").get_by_role("button", name="Rotate").click()
    newest = admin.locator("#raw").inner_text()
    assert usage(web, newest).status_code == 200
    assert usage(web, new).status_code == 401
    assert usage(web, raw).status_code == 401

    admin.goto("/panel/keys")
    choose(admin, "webshop", "Revoke")
    expect(admin.get_by_role("status")).to_have_text("webshop is revoked.")
    gone = usage(web, newest)
    assert (gone.status_code, gone.json()) == (401, {"error": "Invalid API key"})
    admin.goto("/panel/audit?words=WebShop")
    rows = admin.locator("tbody tr")
    actions = ["revoked key", "rotated key", "rotated key", "switched key", "switched key", "made key"]
    expect(rows.locator("td:nth-child(3)")).to_have_text(actions)
    expect(rows.locator("td:nth-child(4)")).to_have_text(["webshop"] * 6)
    expect(rows.locator("th")).to_have_text(["admin"] * 6)
    expect(rows.nth(4)).to_contain_text("enabled yes → no")
    expect(rows.nth(5)).to_contain_text("scopes generate, read")
    expect(rows.nth(5)).to_contain_text("address: 127.0.0.1")
    admin.get_by_role("searchbox").fill("webshop, which nobody made")
    admin.keyboard.press("Enter")
    expect(admin.get_by_text("Nothing here.")).to_be_visible()


def test_an_old_secret_is_shown_and_ended(web, admin):
    """After a rotation the list says until when the old secret works, and a click ends it in every process at once."""
    raw = make(admin, "turned")
    admin.on("dialog", lambda dialog: dialog.accept())
    admin.goto("/panel/keys")
    choose(admin, "turned", "Rotate")
    new = admin.locator("#raw").inner_text()
    admin.goto("/panel/keys")
    tomorrow = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86400))
    expect(row(admin, "turned")).to_contain_text(f"Old secret works until {tomorrow}")
    assert usage(web, raw).status_code == 200
    row(admin, "turned").get_by_role("button", name="End the old secret of turned").click()
    expect(admin.get_by_role("status")).to_have_text("The old secret of turned is refused from now on.")
    assert (usage(web, raw).status_code, usage(web, new).status_code) == (401, 200)
    expect(row(admin, "turned")).not_to_contain_text("Old secret")
    admin.goto("/panel/audit?words=turned")
    expect(admin.locator("tbody tr td:nth-child(3)").first).to_have_text("ended old secret")


def test_the_menu_of_a_key_stands_at_its_button_and_goes_away(web, admin):
    """It opens below the button by keyboard, too, and Escape gives the focus back to the button."""
    make(admin, "with menu")
    admin.goto("/panel/keys")
    button = row(admin, "with menu").get_by_role("button", name="More for with menu")
    expect(row(admin, "with menu").get_by_role("button", name="Revoke")).to_be_hidden()
    button.focus()
    admin.keyboard.press("Enter")
    revoke = row(admin, "with menu").get_by_role("button", name="Revoke")
    expect(revoke).to_be_visible()
    assert abs(revoke.bounding_box()["y"] - button.bounding_box()["y"]) < 250
    assert violations(admin) == ""
    admin.keyboard.press("Escape")
    expect(revoke).to_be_hidden()
    expect(button).to_be_focused()


def test_the_last_used_tenant_is_chosen_already(admin):
    """The form for a new key begins with the tenant of the last one; what was typed survives a refusal."""
    make(admin, "first of many")
    make(admin, "first of many", tenant="many pictures")
    admin.goto("/panel/keys")
    admin.get_by_text("Make a key").click()
    expect(admin.get_by_label("Tenant")).to_have_value("many pictures")
    admin.get_by_label("Name").fill("first of many")
    admin.get_by_label("Tenant").fill("default")
    admin.get_by_label("Expires after").fill("9")
    admin.get_by_role("checkbox", name="generate").uncheck()
    admin.expected.append("400")
    admin.get_by_role("button", name="Make it").click()
    expect(admin.get_by_role("alert")).to_be_visible()
    expect(admin.get_by_label("Tenant")).to_have_value("default")
    expect(admin.get_by_label("Expires after")).to_have_value("9")
    expect(admin.get_by_role("checkbox", name="generate")).not_to_be_checked()


def test_what_was_typed_wrong_is_told_and_nothing_is_made(web, admin):
    """A name that is taken, and one that is markup, which is shown as text."""
    make(admin, "twice")
    admin.expected.append("400")
    admin.goto("/panel/keys")
    admin.get_by_text("Make a key").click()
    admin.get_by_label("Name").fill("twice")
    admin.get_by_role("button", name="Make it").click()
    expect(admin.get_by_role("alert")).to_have_text("There is a key named 'twice' already in the tenant 'default'")
    make(admin, "<img src=x onerror=alert(1)>")
    admin.goto("/panel/keys")
    expect(admin.get_by_role("rowheader", name="<img src=x onerror=alert(1)>")).to_be_visible()


def test_a_key_may_be_for_reading_alone(web, admin):
    """The unticked scope is refused at the API; no scope at all makes no key."""
    admin.goto("/panel/keys")
    admin.get_by_text("Make a key").click()
    admin.get_by_label("Name").fill("reader")
    admin.get_by_role("checkbox", name="generate").uncheck()
    admin.get_by_role("button", name="Make it").click()
    raw = admin.locator("#raw").inner_text()
    assert usage(web, raw).status_code == 200
    refused = web.post({"action": "generate", "prompt": "a vase"}, key=raw)
    assert (refused.status_code, refused.json()) == (403, {"error": "API key may not do this."})
    admin.goto("/panel/keys")
    expect(row(admin, "reader").get_by_text("generate")).to_have_count(0)
    admin.get_by_text("Make a key").click()
    admin.get_by_label("Name").fill("nothing")
    for scope in ("generate", "read"):
        admin.get_by_role("checkbox", name=scope).uncheck()
    admin.expected.append("400")
    admin.get_by_role("button", name="Make it").click()
    expect(admin.get_by_role("alert")).to_contain_text("scopes are generate, read, operate")


def test_a_key_expires(web, admin):
    """After its last day it is like one that is switched off."""
    raw = make(admin, "short-lived")
    from imgen.records.database import Database
    from imgen.records.tables.accounts import api_keys

    database = Database(f"sqlite:///{web.data / 'imgen.db'}")
    with database.write() as connection:
        connection.execute(api_keys.update().where(api_keys.c.name == "short-lived").values(expires_at=time.time() - 1))
    database.close()
    web.imgen("keys", "create", "news")  # whose news makes every process read keys anew
    assert (usage(web, raw).status_code, usage(web, raw).json()) == (401, {"error": "API key is disabled"})
    admin.goto("/panel/keys")
    expect(row(admin, "short-lived").get_by_text("expired")).to_be_visible()


def test_a_member_sees_and_changes_own_tenants_alone(web, open_page):
    """Others' keys are not listed, cannot be switched by their address, and administrators' pages are closed."""
    web.imgen("keys", "create", "theirs", "--tenant", "studio")
    web.imgen("keys", "create", "others", "--tenant", "rival")
    first = web.imgen("users", "add", "mira", "--tenant", "studio")
    web.imgen("users", "password", "mira", "--password", "a password of her own")
    page = sign_in(open_page(), "mira", "a password of her own")
    assert first
    page.goto("/panel/keys")
    expect(page.get_by_role("rowheader", name="theirs")).to_be_visible()
    assert "others" not in page.content()
    others = web_key_id(web, "others")
    page.expected.append("403")
    for path, data in ((f"/panel/keys/{others}/switch", {"enabled": "no"}), (f"/panel/keys/{others}/revoke", {})):
        token = page.locator("input[name=csrftoken]").first.input_value()
        answer = page.request.post(path, form=data | {"csrftoken": token})
        assert answer.status == 403, path
    made = page.request.post("/panel/keys", form={"name": "sly", "tenant": "rival", "csrftoken": token})
    assert made.status == 403
    for path in ("/panel/workers", "/panel/cache", "/panel/people", "/panel/audit"):
        assert page.request.get(path).status == 403, path
    for path in ("/panel/cache/purge", "/panel/people", "/panel/catalog/reload"):
        form = {"csrftoken": token, "name": "sly", "role": "admin"}
        assert page.request.post(path, form=form).status == 403, path
    assert "sly" not in web.imgen("users", "list")
    assert "yes" in next(line for line in web.imgen("keys", "list").splitlines() if "others" in line)


def web_key_id(web, name):
    from imgen.records import api_keys
    from imgen.records.database import Database

    database = Database(f"sqlite:///{web.data / 'imgen.db'}")
    try:
        with database.read() as connection:
            return api_keys.find_key(connection, name).id
    finally:
        database.close()


def test_a_revoked_key_is_unknown_to_http_clients(web):
    """Sanity of the fixture: a key that never was is the same."""
    assert httpx2.post(f"{web.url}/api/v2", headers={"Authorization": "Bearer imgen_0"}, json={}).status_code == 401
