"""Forged consent: forms from elsewhere, of other persons, after the session; sessions that an attacker has chosen."""

from urllib.parse import urlencode

import httpx2
from servers.panel import PASSWORD
from surfaces.oauth.dance import INPUT, REDIRECT, ask, decide, request_of, told

NO_TOKEN = "This form has expired"


def form_of(page: httpx2.Response, **changes) -> dict[str, str]:
    """The form of a page, allowed."""
    return dict(INPUT.findall(page.text)) | {"decision": "allow"} | changes


def test_a_form_without_its_token_is_refused(oauth_sqlite):
    """Without the token, with another's, or from another site: nobody is redirected, and nothing is allowed."""

    async def steps(site):
        async with site.person() as (_, browser), site.person() as (_, attacker):
            del browser.headers["x-csrftoken"]
            client_id = (await site.register())["client_id"]
            page, foreign = await ask(browser, client_id), await ask(attacker, client_id)
            theirs = form_of(foreign)["csrftoken"]
            for form in (form_of(page) | {"csrftoken": ""}, form_of(page) | {"csrftoken": theirs}):
                answer = await browser.post("/authorize", data=form)
                assert (answer.status_code, "location" in answer.headers) == (403, False)
                assert NO_TOKEN in answer.text
            assert "No application acts for you" in (await browser.get("/account")).text
            assert "code" in told(await browser.post("/authorize", data=form_of(page)))

    oauth_sqlite(steps)


def test_a_form_of_another_person_is_refused(oauth_sqlite):
    """A page that was shown to one person allows nothing for the person who has signed in since, in the same browser."""

    async def steps(site):
        async with site.person() as (first, browser), site.person() as (second, _):
            client_id = (await site.register())["client_id"]
            page = await ask(browser, client_id)
            assert form_of(page)["person"] == first.id
            await sign_in(browser, second.name)
            answer = await browser.post("/authorize", data=form_of(page))
            assert (answer.status_code, "location" in answer.headers) == (400, False)
            assert "shown to somebody else" in answer.text

    oauth_sqlite(steps)


def test_a_form_is_checked_like_a_request(oauth_sqlite):
    """Fields that were changed in the page allow nothing that could not be asked for."""

    async def steps(site):
        async with site.person() as (_, browser):
            client_id = (await site.register())["client_id"]
            page = await ask(browser, client_id, scope="read")
            for changes in ({"redirect_uri": "https://evil.example/"}, {"client_id": "client_unknown"}):
                answer = await browser.post("/authorize", data=form_of(page, **changes))
                assert (answer.status_code, "location" in answer.headers) == (400, False)
            for changes, error in (
                ({"code_challenge_method": "plain"}, "invalid_request"), ({"scope": "operate"}, "invalid_scope"),
                ({"resource": "https://other.example"}, "invalid_target"), ({"decision": "maybe"}, "access_denied"),
            ):  # fmt: skip
                assert told(await browser.post("/authorize", data=form_of(page, **changes)))["error"] == error

    oauth_sqlite(steps)


def test_a_session_that_an_attacker_chose_allows_nothing(oauth_sqlite):
    """Fixation: the cookie that a browser had before its person signed in is worth nothing afterwards, to nobody."""

    async def steps(site):
        async with site.person() as (victim, _), site.client() as browser, site.client() as attacker:
            client_id = (await site.register())["client_id"]
            await ask(attacker, client_id)
            planted = attacker.cookies["imgen_session"]
            browser.cookies.set("imgen_session", planted, domain="127.0.0.1")
            signed_in = await sign_in(browser, victim.name)
            assert browser.cookies["imgen_session"] != planted
            assert signed_in.headers["location"].startswith(
                "/authorize?"
            )  # the application asks; the person sees for what
            assert (await ask(browser, client_id)).status_code == 200
            answer = await ask(attacker, client_id)
            assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")

    oauth_sqlite(steps)


def test_sign_in_leads_back_to_the_request_and_nowhere_else(oauth_sqlite):
    """To the path and query that were asked for, long ones as well, and never to another server; denied when signed out."""

    async def steps(site):
        async with site.person() as (user, _), site.client() as browser:
            client_id = (await site.register())["client_id"]
            query = urlencode(request_of(client_id, state="s" * 900))
            answer = await browser.get(f"/authorize?{query}&next=https://evil.example&then=//evil.example")
            assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
            assert len(answer.headers["set-cookie"]) < 4096
            page = await browser.get("/sign-in")
            assert "form-action 'self' https: http:;" in page.headers["content-security-policy"]
            back = (await sign_in(browser, user.name)).headers["location"]
            assert back == f"/authorize?{query}&next=https://evil.example&then=//evil.example"
            answer = await decide(browser, await browser.get(back))
            assert answer.headers["location"].startswith(REDIRECT)
            page = await ask(browser, client_id, prompt="consent")
            await browser.post("/sign-out", data={"csrftoken": form_of(page)["csrftoken"]})
            answer = await browser.post("/authorize", data=form_of(page))
            assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
            assert "form-action 'self';" in (await browser.get("/sign-in")).headers["content-security-policy"]

    oauth_sqlite(steps)


async def sign_in(browser: httpx2.AsyncClient, name: str) -> httpx2.Response:
    """Signs a person in; the answer."""
    if "csrftoken" not in browser.cookies:
        await browser.get("/sign-in")
    token = browser.cookies["csrftoken"]
    answer = await browser.post("/sign-in", data={"name": name, "password": PASSWORD, "csrftoken": token})
    assert answer.status_code == 303, answer.text
    return answer
