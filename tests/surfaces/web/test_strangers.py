"""Web face before anybody has signed in, without a browser: cookies of devices, and bodies of strangers."""

import re
import socket
from urllib.parse import urlsplit

import httpx2
import pytest
from bombs import saved
from PIL import Image
from servers.local import start_local_api

from imgen.domain.ids import is_upload_id

FORM = re.compile(r'name="csrftoken" value="([^"]+)"')
PASSWORD = "correct horse battery"
RATE = 3


@pytest.fixture(scope="module")
def api(tmp_path_factory, redis_url):
    """An API in the test's process, with one administrator."""
    data = tmp_path_factory.mktemp("strangers") / "var"
    data.mkdir()
    (data / "plans.toml").write_text(f"[trial]\nrequests_per_minute = {RATE}\n")
    with start_local_api(data, redis_url) as running:
        running.imgen("users", "add", "admin", "--role", "admin")
        running.imgen("users", "password", "admin", "--password", PASSWORD)
        yield running


def browser(api, remote_ip):
    """A browser behind a proxy on this machine, which names its address."""
    return httpx2.Client(base_url=api.url, headers={"X-Forwarded-For": remote_ip}, timeout=30)


def enter(client, password, name="admin"):
    token = FORM.search(client.get("/sign-in").text)[1]
    return client.post("/sign-in", data={"name": name, "password": password, "csrftoken": token})


def test_wrong_passwords_of_a_stranger_lock_nobody_out(api):
    """Not the user at another address, and not the user's own browser at the very address of the guesses."""
    with browser(api, "192.0.2.1") as own, browser(api, "192.0.2.1") as stranger, browser(api, "192.0.2.2") as other:
        signed_in = enter(own, PASSWORD)
        cookie = next(one for one in signed_in.headers.get_list("set-cookie") if one.startswith("imgen_device="))
        assert {"httponly", "samesite=lax", "path=/sign-in"} <= set(cookie.lower().split("; "))
        assert PASSWORD not in cookie
        assert [enter(stranger, f"guess {n}").status_code for n in range(11)] == [401] * 10 + [429]
        assert enter(stranger, PASSWORD).status_code == 429
        assert enter(other, PASSWORD).status_code == 303
        page = own.get("/panel/account")
        own.post("/sign-out", data={"csrftoken": FORM.search(page.text)[1]})
        assert enter(own, PASSWORD).status_code == 303


def test_a_long_body_is_read_of_those_who_signed_in(api):
    """Strangers' files are not read: the answer comes before the body; a short form of theirs is sent to sign in as ever."""

    def pieces():
        for number in range(200):
            read.append(number)
            yield bytes(1 << 16)

    with browser(api, "192.0.2.3") as client:
        for body in (pieces(), bytes(1 << 20)):
            read = []
            answer = client.post("/play", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
            assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/sign-in")
        assert enter(client, PASSWORD).status_code == 303
        token = FORM.search(client.get("/panel/account").text)[1]
        large = {"wm_file": ("mark.png", bytes(1 << 20))}
        fields = {"tenant": "nobody's", "prompt": "vase"}
        answer = client.post("/play", data=fields, files=large, headers={"X-CSRFToken": token})
        assert answer.status_code == 403  # the form was read, and its tenant is not there


def test_an_upload_is_read_of_those_with_session_and_token(api):
    """A stranger, or a page of another site, is answered before a byte of the body is sent, whatever its type."""
    kinds = ("application/octet-stream", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x")

    def status(client, tenant="x", kind=kinds[0], **headers):
        """Of the answer to a request whose body never comes."""
        given = {"Content-Type": kind, "Content-Length": "1000000", **headers}
        given["Cookie"] = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        with socket.create_connection((urlsplit(api.url).hostname, urlsplit(api.url).port), timeout=30) as connection:
            connection.sendall(f"POST /play/upload?tenant={tenant} HTTP/1.1\r\nHost: localhost\r\n{head}\r\n".encode())
            return int(connection.recv(4096).split()[1])

    with browser(api, "192.0.2.5") as client:
        assert {status(client, kind=kind) for kind in kinds} == {403}
        token = FORM.search(client.get("/sign-in").text)[1]
        assert status(client, **{"X-CSRFToken": token, "HX-Request": "true"}) == 401
        api.imgen("keys", "create", "sources", "--tenant", "sources")
        api.imgen("users", "add", "una", "--tenant", "sources")  # whose requests count for no other test
        api.imgen("users", "password", "una", "--password", PASSWORD)
        assert enter(client, PASSWORD, "una").status_code == 303
        assert {status(client, kind=kind) for kind in kinds} == {403}
        token = FORM.search(client.get("/panel/account").text)[1]
        assert status(client, **{"X-CSRFToken": token}) == 403  # there is no such tenant

        tenant = re.search(r'name="tenant" value="(ten_\w+)"', client.get("/").text)[1]
        path = f"/play/upload?tenant={tenant}"
        sent = {"Content-Type": kinds[0], "X-CSRFToken": token}
        answer = client.post(path, content=b"no picture", headers=sent)
        assert (answer.status_code, answer.json()["error"].partition(":")[0]) == (400, "Invalid source")
        assert client.post(path, content=bytes((32 << 20) + 1), headers=sent).status_code == 413
        made = client.post(path, content=saved(Image.new("RGB", (64, 64)), "PNG"), headers=sent)
        assert is_upload_id(made.json()["image"])


def test_the_playground_keeps_to_the_rate_of_the_plan(api):
    """Over it the form shows how long to wait; what is refused is not counted, and the answer has the headers of any other."""
    api.imgen("keys", "create", "small", "--tenant", "small", "--plan", "trial")
    with browser(api, "192.0.2.4") as client:
        assert enter(client, PASSWORD).status_code == 303
        page = client.get("/")
        tenant = re.search(r'<option value="(ten_\w+)"[^>]*>\s*small', page.text)[1]
        token = FORM.search(client.get("/panel/account").text)[1]

        def play():
            form = {"tenant": tenant, "prompt": "vase"}
            return client.post("/play", data=form, headers={"X-CSRFToken": token})

        answers = [play() for _ in range(RATE + 3)]
        assert [one.status_code for one in answers] == [200] * RATE + [429] * 3
        assert "too many requests within a minute. Try again in" in answers[-1].text
        assert [one.headers["ratelimit"].split(";")[1] for one in answers] == ["r=2", "r=1", "r=0", "r=0", "r=0", "r=0"]
        assert all(one.headers["x-request-id"] for one in (page, *answers))
