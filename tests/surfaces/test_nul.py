"""NUL in what clients send to the APIs, over both kinds of database: an id that nobody has, a text without it, never an outage."""

import gc

import httpx2
import pytest
from servers.asgi import start_asgi
from servers.command import checked
from servers.local import prepare

from imgen.app import create_app

TEXTS = ("prompt", "model", "style", "format", "negative", "precompliance", "wm_position", "wm_image")
TEXTS += tuple(f"cs_{name}" for name in ("author", "title", "description", "organization", "vendor"))

UNKNOWN = (
    {"action": "status", "id": "run_abcdefghijklmnopqrstuv\0"},
    {"action": "status", "id": "cache_0123456789abcdef0123456789abcde\0"},
    {"action": "cancel", "id": "run_abcdefghijklmnopqrstu\0v"},
    {"action": "jobs", "cursor": "a\0b"},
    {"action": "jobs", "status": "a\0b"},
    {"action": "mod\0els"},
    {"action": "generate", "prompt": "red coat", "compliance_ruleset": "default\0"},
)
PATHS = (
    "/%00", "/api/v2%00", "/objects/pictures/a%00b", "/docs/a%00", "/docs/a%00.md", "/static/a%00", "/panel/jobs/%00",
    "/sign-in%00",
)  # fmt: skip


@pytest.fixture
def api(tmp_path, clean_redis, database):
    """Address of an API over one kind of database, and a key."""
    url = database.engine.url.render_as_string(hide_password=False)
    loaded = prepare(tmp_path / "var", clean_redis, f'[database]\nurl = "{url}"\n')
    key = checked("keys", "create", "nul", "--tenant", "nul", "--plan", "unlimited", "--data", str(tmp_path / "var"))
    with (
        start_asgi(lambda _: create_app(loaded), lifespan="on") as url,
        httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}) as client,
    ):
        yield client
    gc.unfreeze()  # a serving process never ends what it has frozen; this one goes on


def test_texts_with_a_nul_are_taken_without_it_or_refused(api):
    """Each text field of `generate`, and the job that comes of it can be read."""
    for name in TEXTS:
        body = {"action": "generate", "prompt": "red coat"} | {name: "red\0 coat"}
        answer = api.post("/api/v2", json=body)
        assert answer.status_code in (200, 400), (name, answer.text)
        if answer.status_code == 200:
            assert "\0" not in answer.json()["prompt"]
            status = api.post("/api/v2", json={"action": "status", "id": answer.json()["id"]})
            assert status.json()["status"] == "IN_QUEUE", name
    for action in ("optimize", "random"):
        assert (
            api.post("/api/v2", json={"action": action, "prompt": "red\0 coat", "character": "a\0"}).status_code == 200
        )


def test_ids_names_and_paths_with_a_nul_are_known_to_nobody(api):
    """Refused, ignored or not found like any other wrong one, on every surface."""
    for body in UNKNOWN:
        answer = api.post("/api/v2", json=body)
        assert answer.status_code < 500, (body, answer.text)
    for path in PATHS:
        assert api.get(path).status_code in (401, 403, 404), path
    answer = api.post("/api/v2", json={"action": "models"}, headers={"Authorization": "Bearer imgen_%00"})
    assert answer.status_code == 401
