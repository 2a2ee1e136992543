"""`Idempotency-Key` over HTTP: of `generate` and of both kinds of upload, in two API processes and after a crash."""

import base64
import contextlib
import io
import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from PIL import Image
from servers.api import start_api

COAT = {"action": "generate", "prompt": "red coat"}


@pytest.fixture
def key(server):
    """A key of a tenant without jobs."""
    name = f"once-{uuid.uuid4().hex[:8]}"
    return server.imgen("keys", "create", name, "--tenant", name, "--plan", "standard")


def send(api, key, body, once, path="/api/v2"):
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": once}
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    return httpx2.post(f"{api.url}{path}", headers=headers, timeout=60, verify=False, **content)


def number_of_jobs(server, key):
    return len(server.post({"action": "jobs", "limit": 100}, key).json()["jobs"])


def picture(shade):
    file = io.BytesIO()
    Image.new("RGB", (96, 64), (shade, 90, 30)).save(file, "PNG")
    return file.getvalue()


def test_a_repetition_gets_the_first_answer(server, key):
    """The same bytes of the answer, told in a header; once the picture is charged, too."""
    once = str(uuid.uuid4())
    first = send(server, key, COAT | {"n": 2, "width": 3}, once)
    assert "idempotency-replayed" not in first.headers
    for sent in (once, f'"{once}"'):
        again = send(server, key, {"width": 3, "n": 2} | COAT, sent)
        assert (again.status_code, again.headers["idempotency-replayed"]) == (200, "true")
        assert again.json() == first.json()
    assert number_of_jobs(server, key) == 2
    server.wait(first.json(), key=key)
    assert send(server, key, COAT | {"n": 2, "width": 3}, once).json() == first.json()


def test_another_body_is_refused(server, key):
    """422 in the form of every error, also for another action that makes something; a new key is a new request."""
    once = str(uuid.uuid4())
    first = send(server, key, COAT, once).json()
    upload = {"action": "upload", "image": "data:image/png;base64,AAAA"}
    for body in (COAT | {"prompt": "blue coat"}, upload):
        refused = send(server, key, body, once)
        assert (refused.status_code, refused.json()) == (422, {"error": "Idempotency key reused"})
    assert send(server, key, COAT, str(uuid.uuid4())).json()["id"] != first["id"]


def test_a_key_that_is_none_is_refused(server, key):
    """Empty, too long, not ASCII, or two of them: 400, and nothing is made."""
    headers = [("Authorization", f"Bearer {key}")]
    for keys in (['""'], [""], ["k" * 256], ["schlüssel".encode()], ["one", "two"]):
        sent = [*headers, *(("Idempotency-Key", one) for one in keys)]
        refused = httpx2.post(f"{server.url}/api/v2", json=COAT, headers=sent, timeout=60, verify=False)
        assert (refused.status_code, refused.json()) == (400, {"error": "Invalid Idempotency-Key"}), keys
        assert "ratelimit" in refused.headers
    assert number_of_jobs(server, key) == 0
    assert send(server, key, COAT, "k" * 255).status_code == 200


def test_actions_that_make_nothing_ignore_it(server, key):
    """Polls and lists answer as ever, whatever the header holds."""
    job = server.post(COAT, key).json()
    for _ in range(2):
        answer = send(server, key, {"action": "status", "id": job["id"]}, "k" * 300)
        assert answer.status_code == 200
        assert "idempotency-replayed" not in answer.headers


def test_what_was_refused_may_be_sent_again(server, key):
    """A request without a prompt keeps no key: the same key then makes a job."""
    once = str(uuid.uuid4())
    assert send(server, key, COAT | {"prompt": ""}, once).status_code == 400
    assert send(server, key, COAT, once).status_code == 200
    assert number_of_jobs(server, key) == 1


def test_uploads_are_kept_once(server, key):
    """As an action and as a body; another picture under the key is refused."""
    for path in ("/api/v2/upload", "/api/v2"):
        once = str(uuid.uuid4())

        def body(shade, path=path):
            if path.endswith("upload"):
                return picture(shade)
            return {"action": "upload", "image": f"data:image/png;base64,{base64.b64encode(picture(shade)).decode()}"}

        first, again = (send(server, key, body(10), once, path) for _ in range(2))
        assert first.status_code == 200, first.text
        assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
        assert send(server, key, body(11), once, path).status_code == 422


def test_fifty_at_once_over_two_processes_make_one_job(server, key):
    """All are answered with the one job, also by a process that starts after one was killed."""
    once = str(uuid.uuid4())
    with contextlib.ExitStack() as opened:
        other = opened.enter_context(start_api(server.data, name="once"))
        with ThreadPoolExecutor(50) as threads:
            apis = [server, other] * 25
            answers = list(threads.map(lambda api: send(api, key, COAT, once), apis))
        assert {answer.status_code for answer in answers} == {200}
        (job_id,) = {answer.json()["id"] for answer in answers}
        assert [answer.headers.get("idempotency-replayed") for answer in answers].count("true") == 49
        other.process.kill()
        other.process.wait(20)
    with start_api(server.data, name="once-again") as restarted:
        assert send(restarted, key, COAT, once).json()["id"] == job_id
    assert number_of_jobs(server, key) == 1
