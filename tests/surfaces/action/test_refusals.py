"""Refusals of the Action API over HTTP, in the order of its checks."""

import re

import httpx2
import pytest
from surfaces.action.calls import data_uri, error, png, raw


@pytest.mark.parametrize("header", [None, "", "Basic abc", "Bearer", "imgen_x"])
def test_no_bearer_key_is_unauthorized(server, header):
    """Without a Bearer key nothing else of the request is looked at."""
    headers = {} if header is None else {"Authorization": header}
    response = httpx2.post(f"{server.url}/api/v2", content=b"{nonsense", headers=headers)
    assert error(response) == (401, "Unauthorized")


def test_an_unknown_key_comes_before_a_broken_body(server):
    """The order of checks: key, JSON, action, fields."""
    wrong = {"Authorization": "Bearer imgen_" + "0" * 64}
    assert error(httpx2.post(f"{server.url}/api/v2", content=b"{nonsense", headers=wrong)) == (401, "Invalid API key")


def test_a_disabled_key_stops_with_the_next_request(server):
    """Switching a key off or on, and deleting it, works at once in the running API."""
    key = server.imgen("keys", "create", "switched")
    assert re.fullmatch(r"imgen_[0-9a-f]{64}", key)
    assert server.post({"action": "models"}, key).status_code == 200
    server.imgen("keys", "disable", "switched")
    assert error(server.post({"action": "models"}, key)) == (401, "API key is disabled")
    server.imgen("keys", "enable", key[:14])
    assert server.post({"action": "models"}, key).status_code == 200
    server.imgen("keys", "delete", "switched")
    assert error(server.post({"action": "models"}, key)) == (401, "Invalid API key")


READS = ({"action": "status", "id": "run_" + "A" * 22}, {"action": "jobs"}, {"action": "usage"})
MAKES = (
    {"action": "generate", "prompt": "a vase"},
    {"action": "optimize", "prompt": "a vase"},
    {"action": "cancel", "id": "run_" + "A" * 22},
)


@pytest.mark.parametrize(("scope", "may", "may_not"), [("read", READS, MAKES), ("generate", MAKES, READS)])
def test_a_key_does_what_its_scope_says_and_no_more(server, scope, may, may_not):
    """An action out of scope is refused before its fields are looked at; any key may ask for the models."""
    key = server.imgen("keys", "create", f"only-{scope}", "--scope", scope)
    for body in may_not:
        assert error(server.post(body, key=key)) == (403, "API key may not do this."), body
        for wrong in ({}, {"prompt": 5}, {"cursor": 5}):
            assert error(server.post({"action": body["action"], **wrong}, key=key))[0] == 403
    for body in (*may, {"action": "models"}, {"action": "random"}):
        assert server.post(body, key=key).status_code in (200, 404), body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"5",
        b'{"action":"models"} x',
        b'{"action":"nope"',
        b"\xff\xfe",
        b'{"action":"models","x":\xff}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"action": "models", "x": NaN}',
        b'{"action": "models",}',
    ],
    ids=lambda body: repr(body[:24]),
)
def test_no_json_object_is_invalid_json(server, body):
    """Whatever is no JSON object is 400, however deep, cut or misencoded."""
    assert error(raw(server, body)) == (400, "Invalid JSON")


@pytest.mark.parametrize("body", [{}, {"action": ""}, {"action": None}, {"prompt": 5}])
def test_no_action_is_missing_action(server, body):
    """No action, or an empty one."""
    assert error(server.post(body)) == (400, "Missing action")


@pytest.mark.parametrize("action", ["nope", "Generate", " models", 5, True, [], {}, "\u0000"])
def test_any_other_action_is_unknown(server, action):
    """Actions are told to the letter; what is no text is no action either."""
    assert error(server.post({"action": action, "prompt": 5})) == (400, "Unknown action")


@pytest.mark.parametrize("action", ["generate", "optimize"])
@pytest.mark.parametrize("prompt", [None, "", "  ", ",", "-hat", "- , -x", "\t\n"])
def test_a_prompt_is_required(server, action, prompt):
    """Blank prompts and prompts of negatives alone are refused."""
    assert error(server.post({"action": action, "prompt": prompt})) == (400, "Prompt is required")


@pytest.mark.parametrize("action", ["generate", "optimize"])
def test_characters_are_checked(server, action):
    """An unknown name is refused, and so are two."""
    assert error(server.post({"action": action, "prompt": "@nobody on a beach"})) == (400, "Invalid character")
    two = server.post({"action": action, "prompt": "@aya and @bella"})
    assert error(two) == (400, "Only one character per prompt")


@pytest.mark.parametrize(
    "job_id", [None, "", "x", "run_short", "run_" + "x" * 21, "cache_" + "x" * 32, "../etc", 5, "run_" + "é" * 22]
)
def test_an_id_of_another_form_is_a_bad_id(server, job_id):
    """Both actions that take an id look at its form first."""
    for action in ("status", "cancel"):
        assert error(server.post({"action": action, "id": job_id})) == (400, "Bad ID")


def test_unknown_and_foreign_jobs_look_the_same(server):
    """Another tenant's job is not found, whatever is asked of it; so is an id nobody ever had."""
    job = server.generate()
    other = server.imgen("keys", "create", "stranger", "--tenant", "elsewhere")
    for job_id in (job["id"], "run_" + "x" * 22):
        for action in ("status", "cancel"):
            assert error(server.post({"action": action, "id": job_id}, other)) == (404, "Job not found")
    assert error(server.post({"action": "status", "id": "cache_" + "0" * 32})) == (
        404,
        "Cached result not found or expired",
    )
    assert server.wait(job)["status"] == "COMPLETED"


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
def test_other_methods_are_not_allowed(server, method):
    """Only POST is answered; CORS is off unless configured."""
    response = httpx2.request(method, f"{server.url}/api/v2")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert method == "HEAD" or response.json() == {"error": "Method not allowed"}
    assert not [name for name in response.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("field", "value"),
    [("prompt", 5), ("prompt", ["a"]), ("negative", {}), ("optimize", "maybe"), ("quality", "best"), ("quality", []), ("wm_scale", {}),
     ("compliance_ruleset", 7), ("compliance_ruleset", "none"), ("precompliance", 1), ("wm_image", 5), ("wm_image", "nonsense"),
     ("wm_image", "data:image/png;base64,@@@"), ("wm_image", data_uri(b"not a picture")), ("cs_title", [1]), ("steps", "many"), ("lora_scale", {})],
    ids=str,
)  # fmt: skip
def test_a_type_that_no_rule_repairs_names_its_field(server, field, value):
    """400 `Invalid <field>`, and no job is made."""
    before = len(server.post({"action": "jobs", "limit": 100}).json()["jobs"])
    response = server.post({"action": "generate", "prompt": "red coat"} | {field: value})
    assert error(response) == (400, f"Invalid {field}")
    assert len(server.post({"action": "jobs", "limit": 100}).json()["jobs"]) == before


def test_a_mark_that_lies_about_its_size_is_refused(server):
    """Over 16 megapixels, over 4 MiB or cut short: Invalid wm_image."""
    for body in (png(lie=(5000, 5000)), png()[:60], png() + b"x" * (4 * 1024 * 1024)):
        response = server.post({"action": "generate", "prompt": "red coat", "wm_image": data_uri(body)})
        assert error(response) == (400, "Invalid wm_image")
