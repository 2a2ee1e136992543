"""Right to ask whose a picture is, without a browser: of one's own tenants, of all where the operator opened it; and its limits."""

import asyncio
import contextlib
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from bombs import END, pixels, png
from servers.local import start_local_api, start_local_worker
from surfaces.web.forms import FORM, PASSWORD, Browser
from surfaces.web.looked_up import nobodys, stripped

from imgen.services.recognition import strangers
from imgen.services.recognition.resolution import MAX_OF_NETWORK
from imgen.threads import MAX_WAITING, RECOGNITION

PEOPLE = {"ada": "north", "eve": "south"}
PATHS = ("/verify", "/panel/pictures")
BUSY = "Too many pictures are being read at this moment"


class Installation:
    """An API, a picture of the tenant north, and browsers of its people."""

    def __init__(self, api, job, body):
        self.api, self.job, self.body = api, job, body
        self.opened = []

    def browser(self, name="", **options):
        self.opened.append(Browser(self.api, name, **options))
        return self.opened[-1]

    def close(self):
        for one in self.opened:
            one.client.close()


@pytest.fixture(scope="module")
def private(tmp_path_factory, redis_url):
    """One for people with an account alone."""
    yield from installed(tmp_path_factory.mktemp("private"), redis_url, "keys")


@pytest.fixture(scope="module")
def public(tmp_path_factory, redis_url):
    """One that is open to everybody."""
    yield from installed(tmp_path_factory.mktemp("public"), redis_url, "public")


def installed(folder, redis_url, resolution):
    with start_local_api(folder / "var", redis_url, f'[provenance]\nresolution = "{resolution}"\n') as api:
        for name, tenant in PEOPLE.items():
            api.imgen("tenants", "add", tenant)
            api.imgen("users", "add", name, "--tenant", tenant)
            api.imgen("users", "password", name, "--password", PASSWORD)
        key = re.search(r"imgen_\w+", api.imgen("keys", "create", "k", "--tenant", "north"))[0]
        job = api.post({"action": "generate", "prompt": "a secret harbour", "format": "jpeg"}, key=key).json()
        with start_local_worker(api.settings) as work:
            work(job["id"])
        done = api.post({"action": "status", "id": job["id"]}, key=key).json()
        body = httpx2.get(done["meta"]["images"][0]["url"]).content
        with contextlib.closing(Installation(api, job, body)) as made:
            yield made


def send(browser, body, path="/verify", **fields):
    """Sends the form of a page with its token."""
    found = FORM.search(browser.get(path).text)
    data = {"csrftoken": found[1] if found else ""} | fields
    return browser.client.post(path, data=data, files={"picture": ("sent.jpg", body, "image/jpeg")})


def verdict(answer):
    assert answer.status_code == 200, answer.text
    return re.search(r'data-verdict="(\w+)"', answer.text)[1]


def test_people_find_the_pictures_of_their_tenants_alone(private):
    """One of another tenant is as unknown as anybody's: neither id nor model, prompt or tenant is told."""
    ada, eve = private.browser("ada"), private.browser("eve")
    mine, theirs = (send(one, private.body) for one in (ada, eve))
    assert (verdict(mine), verdict(theirs)) == ("proven", "unknown")
    assert f"/panel/jobs/{private.job['id']}" in mine.text
    assert "Only pictures of your tenants were looked up." in theirs.text
    for answer in (theirs, send(eve, private.body, "/panel/pictures")):
        assert answer.status_code == 200
        assert not any(
            one in answer.text for one in (private.job["id"], private.job["gen_id"], "secret harbour", "north")
        )
    assert private.job["id"] in send(ada, stripped(private.body), "/panel/pictures").text


@pytest.mark.parametrize("path", PATHS)
def test_a_stranger_signs_in_first(private, path):
    """Nothing of the file is read."""
    stranger = private.browser()
    for answer in (stranger.get(path), send(stranger, private.body, path)):
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


@pytest.mark.parametrize("path", PATHS)
def test_a_form_without_its_token_is_refused(private, path):
    """As of another site: with the session's cookies, and another token or none."""
    ada = private.browser("ada")
    for token in ("", "x", "ü"):
        answer = ada.client.post(path, data={"csrftoken": token}, files={"picture": ("a.jpg", private.body)})
        assert answer.status_code == 403
        assert "This form has expired." in answer.text


def test_where_it_is_open_a_stranger_is_told_no_original_and_no_tenant(public):
    """The record is told; neither prompt nor tenant, nor a link to the job or the picture. So are members of other tenants."""
    stranger, eve, ada = public.browser(), public.browser("eve"), public.browser("ada")
    for browser in (stranger, eve):
        answer = send(browser, stripped(public.body))
        assert verdict(answer) == "ours"
        found = answer.text.partition('id="found"')[2].partition("</section>")[0]
        assert public.job["gen_id"] in found
        assert "eros" in found
        assert not any(one in found for one in (public.job["id"], "secret harbour", "north", "<img", "<a "))
    assert f"/panel/jobs/{public.job['id']}" in send(ada, public.body).text
    assert stranger.get("/panel/pictures").headers["location"] == "/sign-in"
    assert "/verify" in stranger.get("/sign-in").text


def test_who_has_not_chosen_a_password_is_as_a_stranger(public):
    """The first password is known to others."""
    first = public.api.imgen("users", "add", "new", "--tenant", "north")
    new = public.browser()
    token = FORM.search(new.get("/sign-in").text)[1]
    assert new.client.post("/sign-in", data={"csrftoken": token, "name": "new", "password": first}).status_code == 303
    answer = send(new, public.body)
    assert verdict(answer) == "proven"
    assert public.job["id"] not in answer.text


def test_strangers_have_a_limit_by_address(public):
    """Of pictures that are refused as well; those with an account are not counted with them."""
    stranger, other = (public.browser(remote_ip=ip) for ip in ("203.0.113.5", "203.0.113.6"))
    statuses = [send(stranger, b"no picture").status_code for _ in range(strangers.BY_IP)]
    assert set(statuses) == {400}
    refused = send(stranger, public.body)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "900")
    assert "Too many pictures were sent lately. Try again in 15 minutes." in refused.text
    assert verdict(send(other, nobodys())) == "unknown"
    assert verdict(send(public.browser("ada", remote_ip="203.0.113.5"), public.body)) == "proven"


def test_strangers_of_a_network_take_two_threads_at_most(public):
    """A third picture is refused at once while two are read or wait; they are answered as ever."""
    browsers, gate = (
        [public.browser(remote_ip=f"2001:db8::{number}") for number in range(MAX_OF_NETWORK + 1)],
        threading.Event(),
    )

    async def sent_at_once():
        held = [asyncio.create_task(RECOGNITION.run(gate.wait)) for _ in range(RECOGNITION.threads)]
        sent = [asyncio.create_task(asyncio.to_thread(send, one, public.body)) for one in browsers]
        try:
            await asyncio.wait(sent, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gate.set()
        await asyncio.gather(*held)
        return [answer.status_code for answer in await asyncio.gather(*sent)]

    with ThreadPoolExecutor(1) as other:
        assert sorted(other.submit(asyncio.run, sent_at_once()).result()) == [200, 200, 429]


def test_a_thorough_search_is_for_people_with_an_account(public):
    """A stranger is not offered it, and does not get it by asking."""
    stranger, ada = public.browser(), public.browser("ada")
    assert 'name="deep"' not in stranger.get("/verify").text
    assert 'name="deep"' in ada.get("/verify").text
    assert verdict(send(stranger, nobodys(), deep="on")) == "unknown"
    assert "a thorough search looks for more" in send(ada, nobodys()).text


def test_bombs_and_what_is_too_large_are_refused(private):
    """With a sentence, whatever the browser checked before."""
    ada = private.browser("ada")
    bomb = png(30_000, 30_000, pixels(1 << 20), END)
    for body, status, words in (
        (bomb, 400, "This is no picture that can be read."),
        (b"", 400, "Choose a picture first"),
        (bytes(33 << 20), 413, "This picture is too large to send"),
    ):
        answer = send(ada, body)
        assert answer.status_code == status
        assert words in answer.text
    answer = ada.client.post("/verify", data={"csrftoken": "x"})  # as no page sends it
    assert (answer.status_code, "Choose a picture first" in answer.text) == (400, True)


@pytest.mark.parametrize("path", PATHS)
def test_a_full_queue_is_told(private, path):
    """With the time to wait; nothing else of the server waits for it."""
    ada, gate = private.browser("ada"), threading.Event()

    async def sent_to_a_full_queue():
        calls = [asyncio.create_task(RECOGNITION.run(gate.wait)) for _ in range(RECOGNITION.threads + MAX_WAITING)]
        await asyncio.sleep(0)
        try:
            return await asyncio.to_thread(send, ada, private.body, path)
        finally:
            gate.set()
            await asyncio.gather(*calls)

    with ThreadPoolExecutor(1) as other:  # in this thread Playwright may keep an event loop
        answer = other.submit(asyncio.run, sent_to_a_full_queue()).result()
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert BUSY in answer.text


def test_the_account_of_a_person_limits_the_pictures_too(private):
    """By the rate of the plan; the answer has its header, and a refused one is not counted."""
    ada = private.browser("ada")
    answer = send(ada, nobodys())
    assert verdict(answer) == "unknown"
    assert "ratelimit" in answer.headers
