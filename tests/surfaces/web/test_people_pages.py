"""Tenants, invitations, reset links and sign-up over HTTP: what owners may do, members may not, and strangers do not see."""

import re

import httpx2
import pytest
from servers.local import start_local_api
from surfaces.web.forms import FORM, LINK, PASSWORD, Browser

from imgen.services.accounts import sign_up


@pytest.fixture(scope="module")
def api(tmp_path_factory, redis_url):
    """An API in the test's process where sign-up is open, with the tenants north and south and a person of each."""
    data = tmp_path_factory.mktemp("people") / "var"
    with start_local_api(data, redis_url, '[accounts]\nsign_up = "open"\ntenants_per_person = 2\n') as running:
        for tenant, owner in (("north", "ada"), ("south", "eve")):
            running.imgen("users", "add", owner)
            running.imgen("users", "password", owner, "--password", PASSWORD)
            running.imgen("tenants", "add", tenant, "--owner", owner)
        running.imgen("users", "add", "bob", "--tenant", "north")
        running.imgen("users", "password", "bob", "--password", PASSWORD)
        running.imgen("users", "add", "root", "--role", "admin")
        running.imgen("users", "password", "root", "--password", PASSWORD)
        yield running


@pytest.fixture
def browser(api):
    """Opens browsers, which are closed at the end."""
    opened = []

    def make(name="", **options):
        opened.append(Browser(api, name, **options))
        return opened[-1]

    yield make
    for one in opened:
        one.client.close()


def test_owners_manage_their_tenant(browser):
    """They invite, revoke, change roles, rename and remove; the link is shown once, with the token as fragment."""
    ada = browser("ada")
    path = ada.tenant("north")
    shown = ada.post(f"{path}/invitations", role="member")
    link = LINK.search(shown.text)[1]
    assert "/invitation#" in link
    token = link.partition("#")[2]
    assert token not in ada.get(path).text
    revoke = re.search(rf"{path}/invitations/lnk_\w+/revoke", shown.text)[0]
    assert ada.post(revoke).status_code == 303
    assert ada.post(revoke).status_code == 400
    assert browser().post("/invitation", page="/invitation", token=token).status_code == 400
    assert ada.post(f"{path}/name", name="northern").status_code == 303
    assert "<h1>northern</h1>" in ada.get(path).text
    assert ada.post(f"{path}/name", name="south").status_code == 400
    assert ada.post(f"{path}/name", name="north").status_code == 303


def test_a_member_may_not_do_an_owners_things(browser):
    """Neither by the page, which has no forms for them, nor by posting what an owner's page would send."""
    ada, bob = browser("ada"), browser("bob")
    path = ada.tenant("north")
    page = bob.get(path)
    assert page.status_code == 200
    assert "Make an invitation" not in page.text
    ada_id = re.search(rf"{path}/members/(usr_\w+)/role", ada.get(path).text)[1]
    bob_id = re.search(rf"{path}/members/(usr_\w+)/remove", page.text)[1]
    for what, form in (
        ("name", {"name": "mine"}),
        ("invitations", {"role": "owner"}),
        ("invitations/lnk_1/revoke", {}),
        (f"members/{bob_id}/role", {"role": "owner"}),
        (f"members/{ada_id}/remove", {}),
    ):
        assert bob.post(f"{path}/{what}", **form).status_code == 403, what
    assert bob.post("/panel/keys", page="/account", name="sly", tenant="north", scope="read").status_code == 403
    assert "Make a key" not in bob.get("/panel/keys").text


def test_a_foreign_tenant_looks_like_an_unknown_one(browser):
    """Page and forms, word for word."""
    ada, eve = browser("ada"), browser("eve")
    foreign, unknown = ada.tenant("north"), "/account/tenants/ten_0123456789abcdef"
    for answers in zip(
        *(
            [
                eve.get(path),
                eve.post(f"{path}/name", name="mine"),
                eve.post(f"{path}/invitations", role="owner"),
                eve.post(f"{path}/members/usr_1/remove"),
            ]
            for path in (foreign, unknown)
        ),
        strict=True,
    ):
        assert [one.status_code for one in answers] == [404, 404]
        first, second = (FORM.sub("", one.text).replace("x-csrftoken", "") for one in answers)
        assert first == second


def test_the_invited_make_an_account_or_join_with_theirs(api, browser):
    """A new account is signed in at once; one that is there signs in or is signed in; a session that is removed loses the tenant."""
    ada = browser("ada")
    path = ada.tenant("north")
    new = browser()
    token = ada.invite(path)
    shown = new.post("/invitation", page="/invitation", token=token)
    assert "ada invites you to north as a member" in shown.text
    assert "no-store" in shown.headers["cache-control"]
    form = {"token": token, "as": "new", "name": "nina", "password": PASSWORD}
    assert new.post("/invitation/accept", page="/invitation", **form, again="another").status_code == 400
    assert new.post("/invitation/accept", page="/invitation", **form, again=PASSWORD).status_code == 303
    assert new.get(path).status_code == 200
    again = browser().post("/invitation/accept", page="/invitation", **form | {"name": "otto"}, again=PASSWORD)
    assert again.status_code == 400
    eve = browser("eve")
    form = {"token": ada.invite(path, "owner"), "as": "me"}
    assert eve.post("/invitation/accept", **form).status_code == 303
    assert "Make an invitation" in eve.get(path).text
    api.imgen("users", "add", "kurt")
    api.imgen("users", "password", "kurt", "--password", PASSWORD)
    kurt = browser()
    form = {"token": ada.invite(path), "as": "known", "name": "kurt", "password": PASSWORD}
    assert kurt.post("/invitation/accept", page="/invitation", **form | {"password": "wrong"}).status_code == 400
    assert kurt.post("/invitation/accept", page="/invitation", **form).status_code == 303
    assert kurt.get(path).status_code == 200
    eve_id = re.search(r"members/(usr_\w+)/role\">.*?aria-label=\"Make \w+: eve", ada.get(path).text)[1]
    assert ada.post(f"{path}/members/{eve_id}/remove").status_code == 303
    assert eve.get(path).status_code == 404
    assert eve.post(f"{path}/invitations", role="owner").status_code == 404


def test_people_make_as_many_tenants_as_they_may(browser):
    """The next one is 403, and the page has no form for it."""
    ada = browser("ada")
    assert ada.post("/account/tenants", name="south").status_code == 400
    made = ada.post("/account/tenants", name="ada's second")
    assert made.status_code == 303
    assert "Plan Free" in ada.get(made.headers["location"]).text
    assert ada.post("/account/tenants", name="ada's third").status_code == 403
    assert "Make a tenant" not in ada.get("/account").text


def test_a_reset_link_sets_a_new_password(browser):
    """Made by administrators alone and shown once; used once, after which the old password is wrong."""
    root, eve = browser("root"), browser("eve")
    assert eve.post("/panel/people/bob/reset-link").status_code == 403
    link = LINK.search(root.post("/panel/people/bob/reset-link").text)[1]
    assert "/password-reset#" in link
    form = {"token": link.partition("#")[2]}
    bob, new = browser(), "a quite different one"
    assert 'value="bob"' in bob.post("/password-reset", page="/password-reset", **form).text
    form |= {"new": new, "again": new}
    assert bob.post("/password-reset/set", page="/password-reset", **form | {"again": "x"}).status_code == 400
    assert bob.post("/password-reset/set", page="/password-reset", **form).headers["location"] == "/sign-in"
    assert bob.post("/password-reset/set", page="/password-reset", **form).status_code == 400
    assert bob.post("/sign-in", page="/sign-in", name="bob", password=PASSWORD).status_code == 401
    assert bob.post("/sign-in", page="/sign-in", name="bob", password=new).status_code == 303
    back = LINK.search(root.post("/panel/people/bob/reset-link").text)[1].partition("#")[2]
    form = {"token": back, "new": PASSWORD, "again": PASSWORD}
    assert bob.post("/password-reset/set", page="/password-reset", **form).status_code == 303


def test_forms_of_strangers_need_their_token(api):
    """Without it, or with that of another browser, nothing is made."""
    with httpx2.Client(base_url=api.url, timeout=30) as client, httpx2.Client(base_url=api.url, timeout=30) as other:
        other_token = FORM.search(other.get("/sign-up").text)[1]
        client.get("/sign-up")
        for path in ("/sign-up", "/invitation", "/invitation/accept", "/password-reset/set"):
            for form in ({"name": "mallory"}, {"name": "mallory", "csrftoken": other_token}):
                assert client.post(path, data=form).status_code == 403, path


def test_signing_up_makes_a_person_with_a_tenant_until_too_many_did(api, browser):
    """Whoever signed up is signed in and owns a tenant on the plan free; the next ones of the network have to wait."""
    door = browser(remote_ip="203.0.113.1")
    assert "Sign up" in door.get("/sign-in").text
    form = {"password": PASSWORD, "again": PASSWORD}
    assert door.post("/sign-up", page="/sign-up", name="olga", password=PASSWORD, again="x").status_code == 400
    assert door.post("/sign-up", page="/sign-up", name="olga", **form).status_code == 303
    page = door.get(door.tenant("olga"))
    assert "Plan Free" in page.text
    assert "Make an invitation" in page.text
    assert door.get("/sign-up").headers["location"] == "/account"
    other = browser(remote_ip="203.0.113.1")
    answers = [other.post("/sign-up", page="/sign-up", name="olga", **form) for _ in range(sign_up.BY_IP)]
    assert [one.status_code for one in answers] == [400] * (sign_up.BY_IP - 1) + [429]
    assert "olga" in api.imgen("users", "list")


def test_sign_up_is_closed_by_default(tmp_path, clean_redis):
    """There is no such page, and the sign-in does not name it."""
    with start_local_api(tmp_path / "var", clean_redis) as api, httpx2.Client(base_url=api.url, timeout=30) as client:
        page = client.get("/sign-in").text
        assert "Sign up" not in page
        assert client.get("/sign-up").status_code == 404
        assert client.post("/sign-up", data={"csrftoken": FORM.search(page)[1], "name": "eve"}).status_code == 404
