"""`GET /api/v2/events` over HTTP, against a running stack with a real worker, and in the test's own process."""

import json
import re
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from servers.command import run_command
from servers.event_reader import FINAL, read_events
from servers.local import start_local_api, start_local_worker

from imgen import composition
from imgen.domain.ids import uuid_form
from imgen.records import tenants

PASSWORD = "a password of my own"


@pytest.fixture(scope="module")
def local(tmp_path_factory, redis_url):
    """An API without workers, with two streams at most for each caller, and a plan of pages alone."""
    data = tmp_path_factory.mktemp("events") / "var"
    data.mkdir()
    (data / "plans.toml").write_text('[pages]\nlabel = "Pages"\nsurfaces = ["web"]\n')
    with start_local_api(data, redis_url, "[http]\nevent_streams = 2\n") as api:
        yield api


def get(api, key=None, method="GET", headers=None, **params):
    given = {"Authorization": f"Bearer {key or api.key}"} if headers is None else headers
    return httpx2.request(method, f"{api.url}/api/v2/events", params=params, headers=given, timeout=30, verify=False)


def queued(api):
    return api.post({"action": "generate", "prompt": "red coat"}).json()["id"]


def test_a_job_is_followed_to_its_picture(local):
    """The whole way of a job through a real worker: each state, progress that rises, and at the end what `status` answers."""
    models = local.settings.data_dir / "models.toml"
    models.write_text(models.read_text().replace("step_s = 0.0", "step_s = 0.05"))
    job = local.post({"action": "generate", "prompt": "red coat", "steps": 60}).json()
    with (
        start_local_worker(local.settings) as work,
        ThreadPoolExecutor(1) as threads,
        read_events(local.url, local.key, job["id"]) as stream,
    ):
        assert stream.next()["status"] == "IN_QUEUE"
        working = threads.submit(work, job["id"])
        seen = stream.rest()
        working.result()
    told = stream.seen
    assert {event["id"] for event in told} == {job["id"]}
    assert [event["status"] for event in told if event["status"] in FINAL] == ["COMPLETED"]
    assert seen[-1]["status"] == "COMPLETED"
    progress = [event["progress"] for event in told if "progress" in event]
    assert progress == sorted(progress)
    assert len(set(progress)) > 10
    answer = local.post({"action": "status", "id": job["id"]}).json()
    assert set(answer["meta"]) == set(seen[-1]["meta"])
    assert httpx2.get(seen[-1]["meta"]["images"][0]["url"]).status_code == 200
    again = get(local, id=job["id"], last_event_id=stream.last_id)
    assert (again.status_code, again.content) == (204, b"")
    with read_events(local.url, local.key, job["id"], after="99999999999999999999") as anew:
        assert [event["status"] for event in anew.rest()] == ["COMPLETED"]


def test_several_jobs_share_a_stream(server):
    """It ends with the last of them."""
    made = server.generate(n=3)
    with read_events(server.url, server.key, *made["ids"]) as stream:
        events = stream.rest()
    ended = [event["id"] for event in events if event["status"] in FINAL]
    assert sorted(ended) == sorted(made["ids"])


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"id": "nonsense"}, (400, "Bad ID")),
        ({"id": ""}, (400, "Bad ID")),
        ({"id": [f"run_{number:022}" for number in range(101)]}, (400, "Invalid id")),
        ({"id": "run_" + "x" * 20_000}, (400, "Invalid id")),
        ({"id": [str(number) for number in range(500)]}, (400, "Invalid id")),
        ({"id": "run_" + "A" * 22}, (404, "Job not found")),
        ({"id": "cache_" + "0" * 32}, (404, "Cached result not found or expired")),
    ],
    ids=["malformed", "empty", "too many", "too long", "far too many", "unknown", "old hit"],
)
def test_wrong_ids_are_refused_as_status_does(local, params, expected):
    """Before the stream, as JSON."""
    answer = get(local, **params)
    assert (answer.status_code, answer.json()) == (expected[0], {"error": expected[1]})


def test_the_key_is_checked_first(local):
    """No key, an unknown one and one without the scope are refused; another tenant's job is not there."""
    job_id = queued(local)
    for nonsense in ("nonsense", "run_" + "x" * 20_000):
        assert get(local, headers={}, id=nonsense).json() == {"error": "Unauthorized"}
    assert get(local, key="imgen_" + "0" * 64, id=job_id).json() == {"error": "Invalid API key"}
    writer = local.imgen("keys", "create", "writer", "--tenant", "first", "--scope", "generate")
    assert get(local, key=writer, id=job_id).status_code == 403
    stranger = local.imgen("keys", "create", "stranger", "--tenant", "other")
    assert get(local, key=stranger, id=job_id).json() == {"error": "Job not found"}


def test_other_methods_are_refused_and_head_does_not_wait(local):
    """POST is 405, as GET is on the actions; HEAD has the headers of a stream alone."""
    posted = httpx2.post(f"{local.url}/api/v2/events", headers={"Authorization": f"Bearer {local.key}"}, verify=False)
    assert (posted.status_code, posted.json()) == (405, {"error": "Method not allowed"})
    head = get(local, method="HEAD")
    assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert httpx2.get(f"{local.url}/api/v2", verify=False).status_code == 405


def test_a_stream_counts_as_one_request_and_its_number_is_limited(local):
    """Its headers tell the rate and keep proxies from collecting it; a third stream is 429, until one has ended."""
    rated = local.imgen("keys", "create", "rated", "--tenant", "rated", "--plan", "standard")
    with read_events(local.url, rated) as first:
        assert first.response.headers["cache-control"] == "no-store"
        assert first.response.headers["x-accel-buffering"] == "no"
        remaining = int(re.search(r"r=(\d+)", first.response.headers["ratelimit"])[1])
        with read_events(local.url, rated) as second:
            assert int(re.search(r"r=(\d+)", second.response.headers["ratelimit"])[1]) == remaining - 1
            refused = get(local, key=rated)
            assert (refused.status_code, refused.json()) == (429, {"error": "Rate limit exceeded"})
            assert int(refused.headers["retry-after"]) >= 1
            with read_events(local.url, local.key):
                pass  # others have streams of their own


def test_a_signed_in_browser_needs_no_key(local):
    """The session's cookie opens the stream of a job of the user's tenants; nobody else's, and none after the sign-out."""
    job_id = queued(local)
    for name, tenant in (("mira", "first"), ("nils", "other-people")):
        local.imgen("keys", "create", f"of-{name}", "--tenant", tenant)
        local.imgen("users", "add", name)
        local.imgen("users", "tenants", name, "--tenant", tenant)
        local.imgen("users", "password", name, "--password", PASSWORD)
    cookies = {name: signed_in(local, name) for name in ("mira", "nils")}
    with read_events(local.url, "", job_id, headers={"Cookie": cookies["mira"]}) as stream:
        assert stream.next() == {"id": job_id, "status": "IN_QUEUE"} | stream.seen[0]
    assert get(local, headers={"Cookie": cookies["nils"]}, id=job_id).json() == {"error": "Job not found"}
    assert_tenant_is_named(local, cookies, job_id)
    assert get(local, headers={"Cookie": "imgen_session=nonsense"}, id=job_id).status_code == 401
    forged = cookies["mira"][:-2] + ("AA" if not cookies["mira"].endswith("AA") else "BB")
    assert get(local, headers={"Cookie": forged}, id=job_id).status_code == 401


def test_a_session_has_the_surfaces_of_its_plan(local):
    """A plan without this API refuses the session like a key."""
    key = local.imgen("keys", "create", "pages", "--tenant", "of-pages", "--plan", "standard")
    local.imgen("users", "add", "olga")
    local.imgen("users", "tenants", "olga", "--tenant", "of-pages")
    local.imgen("users", "password", "olga", "--password", PASSWORD)
    session = {"Cookie": signed_in(local, "olga")}
    job_id = local.post({"action": "generate", "prompt": "red coat"}, key).json()["id"]
    with read_events(local.url, "", job_id, headers=session) as stream:
        assert stream.next()["status"] == "IN_QUEUE"
    local.imgen("tenants", "plan", "of-pages", "pages")
    for refused in (get(local, headers=session, id=job_id), get(local, key, id=job_id)):
        assert (refused.status_code, refused.json()) == (403, {"error": "Plan does not include this surface"})


def assert_tenant_is_named(local, cookies, job_id):
    """The header chooses the tenant of a session, before the address does; one of others is refused like an unknown one."""
    database = composition.open_database(local.settings)
    own, foreign = (database.attempt(tenants.find_tenant, name).id for name in ("first", "other-people"))
    database.close()
    with read_events(local.url, "", job_id, headers={"Cookie": cookies["mira"], "X-Imgen-Tenant": own}) as stream:
        assert stream.next()["id"] == job_id
    for name, value in (("X-Imgen-Tenant", foreign), ("X-Imgen-Tenant", "ten_unknown")):
        refused = get(local, headers={"Cookie": cookies["mira"], name: value}, tenant=own)
        assert (refused.status_code, refused.json()) == (403, {"error": "Forbidden"})
    refused = get(local, headers={"Cookie": cookies["nils"], "X-Imgen-Tenant": foreign}, id=job_id)
    assert refused.json() == {"error": "Job not found"}


def signed_in(api, name):
    """The session cookie of a user, who chooses a password at the first sign-in."""
    with httpx2.Client(base_url=api.url, verify=False) as client:
        token = re.search(r'name="csrftoken" value="([^"]+)"', client.get("/sign-in").text)[1]
        client.post("/sign-in", data={"name": name, "password": PASSWORD, "csrftoken": token})
        changed = {"old": PASSWORD, "new": PASSWORD + "!", "again": PASSWORD + "!", "csrftoken": token}
        client.post("/panel/account", data=changed)
        return f"imgen_session={client.cookies['imgen_session']}"


def test_the_command_line_prints_events(server):
    """`imgen events` prints a line of JSON for each event, to the end of the named jobs, and tells a refusal."""
    job = server.generate()
    environ = {"IMGEN_URL": server.url, "IMGEN_KEY": server.key}
    for named, more in ((job["id"], ()), (uuid_form(job["id"]), ("--follow",))):
        done = run_command("events", "--id", named, *more, environ=environ)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1])["status"] == "COMPLETED"
    refused = run_command("events", "--id", "run_" + "A" * 22, "--follow", environ=environ)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "Job not found" in refused.stderr
