"""Signing in, staying in, getting out: what a cookie is worth, and what a form without its token is."""

import gc
import re
import subprocess
import sys

import httpx2
import pytest
import redis
from playwright.sync_api import expect
from servers.asgi import start_asgi
from surfaces.web.conftest import sign_in
from surfaces.web.signing_in import FORM, PASSWORD, enter, post

from imgen import settings
from imgen.app import create_app
from imgen.live.sign_in_limits import WINDOW_S
from imgen.services.accounts.sessions import TRIES_BY_IP
from imgen.settings import socket_path


@pytest.fixture
def http(web):
    """A browser without scripts."""
    with httpx2.Client(base_url=web.url, follow_redirects=False, timeout=30) as client:
        yield client


def test_the_first_password_has_to_be_changed(web, open_page):
    """A user who signs in with it sees one page until there is a password of their own; a short or equal one is refused."""
    first = web.imgen("users", "add", "newcomer", "--role", "admin")
    page = sign_in(open_page(), "newcomer", first)
    expect(page.get_by_role("heading", name="Choose a password of your own")).to_be_visible()
    page.goto("/panel/keys")
    expect(page).to_have_url(re.compile("/panel/account$"))
    page.expected.append("400")
    for new, says in ((first, "The new password is the old one"), ("another one entirely", "")):
        page.get_by_label("Present password").fill(first)
        page.get_by_label("New password", exact=True).fill(new)
        page.get_by_label("New password again").fill(new)
        page.get_by_role("button", name="Change password").click()
        if says:
            expect(page.get_by_role("alert")).to_have_text(says)
    expect(page.get_by_role("status")).to_contain_text("Your password is changed")
    page.goto("/panel/keys")
    expect(page.get_by_role("heading", name="API keys")).to_be_visible()


def test_who_asks_for_a_page_comes_back_to_it(open_page):
    """Signing in leads to the page that was asked for."""
    page = open_page()
    page.goto("/panel/jobs?words=a+b&view=table")
    expect(page).to_have_url(re.compile("/sign-in$"))
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/panel/jobs\?words=a\+b&view=table$"))


def test_the_first_runs_password_signs_in_once_and_has_to_be_changed(web):
    """The password that `imgen up` prints opens the one page where it is replaced."""
    assert web.first_run == {
        "signed in": (303, "/panel"),
        "asked for keys": (303, "/panel/account"),
        "changed it": (303, "/panel/account"),
        "asked for keys again": (200, None),
        "signed in as at first": (401, None),
    }


def test_cookies_are_secure_behind_tls(tmp_path):
    """Both, the session's and the form token's, where the public address is https."""
    subprocess.run([sys.executable, "-m", "imgen.cli", "migrate", "--data", str(tmp_path)], check=True)
    (tmp_path / "imgen.toml").write_text('[http]\npublic_url = "https://pictures.example"\n')
    loaded = settings.load(tmp_path, environ={})
    with start_asgi(lambda _url: create_app(loaded), lifespan="on") as url:  # whose end closes the core
        answers = [httpx2.get(url + path) for path in ("/panel/keys", "/sign-in")]
    gc.unfreeze()
    cookies = {cookie.split("=")[0]: cookie.lower() for one in answers for cookie in one.headers.get_list("set-cookie")}
    assert {name: "; secure" in cookie for name, cookie in cookies.items()} == {
        "imgen_session": True,
        "csrftoken": True,
    }


def test_cookies_are_kept_from_scripts_and_other_sites(http):
    """HttpOnly and SameSite; Secure only behind TLS, where it would not keep anybody out."""
    answer = enter(http)
    assert answer.status_code == 303
    (cookie,) = [one for one in answer.headers.get_list("set-cookie") if one.startswith("imgen_session=")]
    assert "httponly" in cookie.lower()
    assert "samesite=lax" in cookie.lower()
    assert "secure" not in cookie.lower()
    page = http.get("/panel/account")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert (page.headers["X-Frame-Options"], page.headers["Cache-Control"]) == ("DENY", "no-store")


def test_a_cookie_is_worth_nothing_after_signing_out(web, http):
    """A copy that somebody took before does not open the door."""
    enter(http)
    stolen = dict(http.cookies)
    assert http.get("/panel/account").status_code == 200
    assert post(http, "/sign-out").status_code == 303
    with httpx2.Client(base_url=web.url, cookies=stolen) as thief:
        answer = thief.get("/panel/account")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


def test_signing_out_elsewhere_ends_the_other_sessions(web, http):
    """This browser stays, the others are out; so does a changed password."""
    enter(http)
    with httpx2.Client(base_url=web.url) as other:
        enter(other)
        assert other.get("/panel/account").status_code == 200
        post(http, "/panel/account/sign-out-elsewhere")
        assert other.get("/panel/account").status_code == 303
        enter(other)
        web.imgen("users", "password", "admin", "--password", PASSWORD)
        assert other.get("/panel/account").status_code == 303
    assert http.get("/panel/account").status_code == 303


@pytest.mark.parametrize("token", ["", "wrong", None])
def test_a_form_without_its_token_changes_nothing(web, http, token):
    """403 for a missing, a wrong and an empty one, signed in or not."""
    enter(http)
    data = {} if token is None else {"csrftoken": token}
    before = web.imgen("keys", "list")
    for path, more in (
        ("/panel/keys", {"name": "forged", "tenant": "default"}),
        ("/sign-out", {}),
        ("/panel/cache/purge", {}),
        ("/sign-in", {"name": "admin", "password": PASSWORD}),
    ):
        answer = http.post(path, data=data | more)
        assert answer.status_code == 403, path
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Frame-Options"] == "DENY"
    assert web.imgen("keys", "list") == before
    assert http.get("/panel/account").status_code == 200


def test_another_browsers_token_is_no_good(web, http):
    """The token belongs to the cookie it came with."""
    with httpx2.Client(base_url=web.url) as other:
        token = FORM.search(other.get("/sign-in").text)[1]
    enter(http)
    assert http.post("/sign-out", data={"csrftoken": token}).status_code == 403


def test_guessing_is_slowed_down(web, http):
    """After ten wrong tries for a name even the right password waits; another name is not kept out."""
    first = web.imgen("users", "add", "guessed")
    answers = [enter(http, "guessed", f"wrong {n}") for n in range(11)]
    assert [one.status_code for one in answers] == [401] * 10 + [429]
    assert all("Wrong name or password" in one.text for one in answers[:10])
    assert enter(http, "guessed", first).status_code == 429
    assert enter(http, "nobody at all", "x").status_code == 401
    assert enter(http).status_code == 303


def test_names_and_passwords_of_any_kind(http):
    """Markup, endless text and odd letters are a wrong name, shown as text."""
    odd = "<script>alert(1)</script>"
    answer = enter(http, odd, "x" * 5000)
    assert answer.status_code == 401
    assert odd not in answer.text
    assert "&lt;script&gt;" in answer.text
    assert enter(http, "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), "\x00").status_code == 401


def test_an_unknown_path_is_a_page_for_people_and_json_for_programs(http):
    """By what is accepted."""
    assert http.get("/panel/nothing", headers={"Accept": "text/html"}).status_code == 404
    assert http.get("/nothing").json() == {"error": "Not found"}
    assert http.get("/panel/nothing").json() == {"error": "Not found"}
    assert http.get("/api/v2").json() == {"error": "Method not allowed"}


def test_bodies_of_any_size_and_kind_are_refused_in_time(http):
    """Endless forms are cut off, odd tokens, cookies and encodings are refused; nothing is an error of ours."""
    enter(http)
    urlencoded = {"Content-Type": "application/x-www-form-urlencoded"}
    assert http.post("/sign-in", content=b"name=" + b"x" * 100_000, headers=urlencoded).status_code == 413
    assert http.post("/panel/keys", content=b"name=" + b"x" * 100_000, headers=urlencoded).status_code == 413
    for content in (b"csrftoken=%C3%A9", "csrftoken=é".encode(), b"csrftoken=\xff\xfe", b"\x00" * 1000):
        assert http.post("/sign-out", content=content, headers=urlencoded).status_code == 403, content
    assert http.post("/sign-out", headers={"x-csrftoken": b"\xc3\xa9"}).status_code == 403
    assert http.post("/sign-out", content=b"{}", headers={"Content-Type": "application/json"}).status_code == 403
    with httpx2.Client(base_url=http.base_url, headers={"Cookie": b"imgen_session=\xff; csrftoken=\xff"}) as odd:
        assert odd.get("/sign-in").status_code == 403
    assert http.get("/panel/account").status_code == 200


def test_guessing_the_password_of_an_open_browser_is_slowed_down(web, http):
    """A person who finds a browser signed in cannot try passwords there without end, and with the right one comes too late."""
    first = web.imgen("users", "add", "away")
    enter(http, "away", first)
    form = {"new": "a password of my own", "again": "a password of my own"}
    answers = [post(http, "/panel/account", form | {"old": f"wrong {n}"}) for n in range(11)]
    assert [one.status_code for one in answers] == [400] * 10 + [429]
    assert post(http, "/panel/account", form | {"old": first}).status_code == 429
    with httpx2.Client(base_url=web.url) as other:
        assert enter(other, "away", first).status_code == 303


def test_who_has_a_first_password_can_sign_out(web, http):
    """The one thing besides changing it."""
    first = web.imgen("users", "add", "undecided")
    assert enter(http, "undecided", first).status_code == 303
    assert http.get("/panel/keys").headers["location"] == "/panel/account"
    assert post(http, "/sign-out").headers["location"] == "/sign-in"
    assert http.get("/panel/account").headers["location"] == "/sign-in"


@pytest.fixture
def tries(web):
    """The Redis that counts tries, which forgets them before and after."""
    with redis.Redis(unix_socket_path=str(socket_path(web.data, "redis"))) as client:

        def forget():
            for key in client.scan_iter("imgen:tries:*"):
                client.delete(key)

        forget()
        yield client
        forget()


def count_as(tries, number):
    """The tries of an address that were counted become so many."""
    for key in tries.scan_iter("imgen:tries:address:*"):
        assert tries.set(key, number, keepttl=True)


def test_one_address_shuts_nobody_out_for_long(web, http, tries):
    """Tries that are refused because of their address count against no name."""
    first = web.imgen("users", "add", "bystander")
    enter(http, "nobody", "x")
    count_as(tries, TRIES_BY_IP - 5)
    refused = [enter(http, "bystander", "wrong").status_code for _ in range(20)]
    by_name = [int(tries.get(key)) for key in tries.scan_iter("imgen:tries:name:*")]
    assert refused == [401] * 5 + [429] * 15
    assert max(by_name) == 5
    for key in tries.scan_iter("imgen:tries:address:*"):
        tries.delete(key)
    assert enter(http, "bystander", first).status_code == 303


def test_an_account_of_ones_own_buys_no_more_guesses(web, http, tries):
    """Signing in between guesses at other names leaves the address where it was."""
    own = web.imgen("users", "add", "insider")
    enter(http, "nobody", "x")
    count_as(tries, TRIES_BY_IP - 10)
    answers = []
    for number in range(15):
        if number % 5 == 4:
            answers.append(enter(http, "insider", own).status_code)
            http.cookies.clear()
        answers.append(enter(http, f"somebody {number}", "x").status_code)
    assert answers.count(401) == 10
    assert answers[-1] == 429
    assert answers.count(303) == 2
    assert enter(http, "insider", own).status_code == 429


def test_an_office_that_signs_in_is_not_locked_out(http, tries):
    """However often: a right password does not count, and what is counted goes away by itself."""
    enter(http, "nobody", "x")
    count_as(tries, TRIES_BY_IP - 1)
    for _ in range(5):
        assert enter(http).status_code == 303
        http.cookies.clear()
    (key,) = tries.scan_iter("imgen:tries:address:*")
    assert int(tries.get(key)) == TRIES_BY_IP - 1
    assert 0 < tries.ttl(key) <= WINDOW_S
