"""The Action API over HTTP, field by field, against a running stack."""

import base64
import json
import re
import socket
import struct
import zlib

import httpx2
import pytest


def error(response):
    assert list(response.json()) == ["error"]
    return response.status_code, response.json()["error"]


def raw(server, body: bytes, **headers):
    return httpx2.post(
        f"{server.url}/api/v2", content=body, headers={"Authorization": f"Bearer {server.key}"} | headers, timeout=30
    )


def png(width=8, height=8, *, lie=None):
    """A small real PNG; `lie` replaces the size its header claims."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    w, h = lie or (width, height)
    rows = b"".join(b"\0" + b"\xff\0\0\x80" * width for _ in range(height))
    header = struct.pack(">IIBBBBB", w, h, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def data_uri(body: bytes, kind="image/png"):
    return f"data:{kind};base64,{base64.b64encode(body).decode()}"


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
    """What is out of scope is refused before its fields are looked at; any key may ask what there is."""
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


def test_every_default_is_the_contracts(server):
    """A request of a prompt alone gets the contract's defaults, and the whole of `meta`."""
    job = server.generate("@aya red coat, on a beach, -hat", negative="gloves")
    assert re.fullmatch(r"run_[A-Za-z0-9_-]{22,}", job["id"])
    assert re.fullmatch(r"[a-z0-9]{20}", job["gen_id"])
    assert set(job) == {"id", "prompt", "model", "format", "gen_id"}
    answer = server.wait(job)
    assert set(answer) == {"status", "meta"}
    meta = answer["meta"]
    expected = {
        "id": job["id"], "gen_id": job["gen_id"], "prompt": "@aya red coat, on a beach, -hat", "model": "eros",
        "positive": "aya, red coat, on a beach, clean lines", "negative": "blurry, clutter, hat, gloves",
        "character": "aya", "style": "professional", "width": 1344, "height": 768, "format": "jpeg", "quality": 95,
        "lossless": False, "optimized": False, "compliance": "safe", "compliance_codes": [], "compliance_ruleset": "default",
        "precompliance": "", "enable_invisimark": True, "enable_c2pa": True, "compute_pdq": True, "wm_position": "bottom-right",
        "wm_scale": 5, "wm_transparency": 100, "wm_rotation": 0, "wm_padding_x": 10, "wm_padding_y": 10, "cs_author": "",
        "cs_title": "", "cs_description": "", "cs_organization": "", "cs_vendor": "", "watermark_verified": True,
    }  # fmt: skip
    assert {name: meta[name] for name in expected} == expected
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", meta["time"])
    assert re.fullmatch(r"[0-9a-f]{64}", meta["fingerprint"])
    assert set(meta["timings"]) == {"queue", "render", "review", "finish", "upload"}
    assert 0 <= meta["seed"] < 2**32
    stem = f"{job['gen_id']}_{meta['fingerprint']}_00001"
    assert [(image["type"], image["filename"]) for image in meta["images"]] == [
        ("signed", f"{stem}.jpg"),
        ("thumbnail", f"{stem}_thumb.jpg"),
    ]
    for image in meta["images"]:
        assert httpx2.get(image["url"]).headers["content-type"] == "image/jpeg"


def test_the_same_seed_gives_the_same_picture(server):
    """The seed in `meta` makes the same pixels again."""
    first = server.wait(server.generate())["meta"]
    second = server.wait(server.generate(seed=first["seed"]))["meta"]
    from imgen.provenance.fingerprint import distance

    assert distance(second["fingerprint"], first["fingerprint"]) <= 10


def test_models_lists_what_is_configured(server):
    """Characters, models and styles in configured order."""
    answer = server.post({"action": "models"}).json()
    assert answer["characters"] == ["aaliyah", "aya", "bella"]
    assert answer["models"]["eros"] == {
        "label": "Eros",
        "default_style": "professional",
        "styles": {"professional": {"label": "Professional"}, "cinematic": {"label": "Cinematic"}},
    }


def test_a_blocked_prompt_is_told_and_costs_nothing(server):
    """The blocked answer: COMPLETED, unsafe, names and rule ids, no meta; and no charge."""
    key = server.imgen("keys", "create", "blocked", "--tenant", "blocked")
    job = server.post({"action": "generate", "prompt": "n.u.d.e child"}, key).json()
    answer = server.post({"action": "status", "id": job["id"]}, key).json()
    while answer["status"] not in ("COMPLETED", "FAILED"):
        answer = server.post({"action": "status", "id": job["id"]}, key).json()
    assert set(answer) == {"status", "compliance", "error", "filter_categories"}
    assert (answer["status"], answer["compliance"]) == ("COMPLETED", "unsafe")
    assert answer["error"].startswith("Content blocked — flagged for: ")
    assert answer["filter_categories"]
    usage = server.post({"action": "usage"}, key).json()
    assert (usage["tenant"]["today"]["pictures"], usage["tenant"]["today"]["open"]) == (0, 0)


def test_optimize_changes_only_the_positive_part(server):
    """Character and negatives come back as they were; asking again with the answer changes nothing more."""
    first = server.post({"action": "optimize", "prompt": "@aya red coat, on a bench, -hat", "model": "eros"}).json()
    assert set(first) == {"prompt"}
    assert first["prompt"].startswith("@aya red coat, on a bench, ")
    assert first["prompt"].endswith(", -hat")
    assert server.post({"action": "optimize", "prompt": first["prompt"]}).json() == first
    job = server.generate("@aya red coat, on a bench, -hat", optimize=True)
    assert job["prompt"] == first["prompt"]
    meta = server.wait(job)["meta"]
    assert (meta["optimized"], meta["original_prompt"]) == (True, "@aya red coat, on a bench, -hat")


def test_random_knows_characters(server):
    """Left out: any; empty: none; a name: that one; an unknown one is ignored."""
    prompts = [server.post({"action": "random"}).json()["prompt"] for _ in range(20)]
    assert all(re.match(r"@(aaliyah|aya|bella)\b", prompt) for prompt in prompts)
    assert len(set(prompts)) > 5
    assert "@" not in server.post({"action": "random", "character": ""}).json()["prompt"]
    assert server.post({"action": "random", "character": "bella"}).json()["prompt"].startswith("@bella ")
    assert server.post({"action": "random", "character": "nobody"}).json()["prompt"].startswith("@")


def test_a_queued_job_can_be_cancelled(server):
    """Cancel answers CANCELLED and it stays so; a job that has ended answers with its own status."""
    job = server.generate(steps=500)
    assert server.post({"action": "cancel", "id": job["id"]}).json() == {"status": "CANCELLED"}
    assert server.status(job) == {"status": "CANCELLED", "error": "Cancelled"}
    done = server.generate()
    server.wait(done)
    assert server.post({"action": "cancel", "id": done["id"]}).json() == {"status": "COMPLETED"}


def test_jobs_walks_back_in_pages(server):
    """Newest first; the cursor leads on without gaps or repeats; a state can be asked for."""
    key = server.imgen("keys", "create", "pages", "--tenant", "pages")
    made = [server.post({"action": "generate", "prompt": f"coat {n}", "steps": 1}, key).json()["id"] for n in range(5)]
    seen, cursor = [], ""
    while True:
        page = server.post({"action": "jobs", "limit": 2, "cursor": cursor}, key).json()
        seen += [job["id"] for job in page["jobs"]]
        cursor = page["cursor"]
        if not cursor:
            break
    assert seen == made[::-1]
    assert server.post({"action": "jobs", "status": "FAILED"}, key).json()["jobs"] == []
    assert error(server.post({"action": "jobs", "cursor": "??"}, key)) == (400, "Invalid cursor")


def test_usage_counts_pictures_and_requests(server):
    """A finished picture counts for its key and its tenant, today and this month."""
    key = server.imgen("keys", "create", "usage", "--tenant", "usage")
    job = server.post({"action": "generate", "prompt": "coat"}, key).json()
    while server.post({"action": "status", "id": job["id"]}, key).json()["status"] != "COMPLETED":
        pass
    usage = server.post({"action": "usage"}, key).json()
    assert usage["plan"] == "standard"
    for owner in ("key", "tenant"):
        for period in ("today", "month"):
            assert usage[owner][period]["pictures"] == 1
            assert usage[owner][period]["requests"] >= 2
    assert usage["limits"]["requests_per_minute"] == 24000


def test_over_the_rate_is_429_with_retry_after(server):
    """The plan's requests a minute; then `Rate limit exceeded` until the window has moved on."""
    key = server.imgen("keys", "create", "rate", "--tenant", "rate", "--plan", "trial")
    answers = [server.post({"action": "models"}, key) for _ in range(140)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert 10 <= len(refused) <= 20
    assert error(refused[0]) == (429, "Rate limit exceeded")
    assert int(refused[0].headers["retry-after"]) >= 1


def test_bodies_over_the_limit_are_cut_off_while_they_stream(server):
    """A declared size is refused at once; an undeclared stream is refused when it passes the limit, not at its end."""
    host, port = server.url.removeprefix("http://").split(":")
    head = f"POST /api/v2 HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {server.key}\r\nContent-Type: application/json\r\n"
    with socket.create_connection((host, int(port)), timeout=20) as link:
        link.sendall(f"{head}Content-Length: {64 << 20}\r\n\r\n".encode())
        assert b" 413 " in link.recv(65536)
    with socket.create_connection((host, int(port)), timeout=20) as link:
        link.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        chunk, sent, answer = b"100000\r\n" + b"x" * (1 << 20) + b"\r\n", 0, b""
        link.setblocking(True)
        try:
            for _ in range(64):
                link.sendall(chunk)
                sent += 1
        except OSError:
            pass
        try:
            answer = link.recv(65536)
        except OSError:
            answer = b""
    assert sent < 40
    assert b" 413 " in answer or sent < 40
    ok = json.dumps({"action": "models", "padding": "x" * (11 << 20)}).encode()
    assert raw(server, ok).status_code == 200


def test_a_mark_is_laid_over_the_picture(server):
    """A red mark at full size in the corner is there in the finished picture, and nowhere else."""
    import io

    from PIL import Image

    fields = {
        "seed": 5,
        "format": "png",
        "wm_scale": 20,
        "wm_position": "top-left",
        "wm_padding_x": 0,
        "wm_padding_y": 0,
    }
    plain = server.wait(server.generate(**fields))["meta"]
    branded = server.wait(server.generate(wm_image=data_uri(png(64, 64)), **fields))["meta"]
    pictures = [
        Image.open(io.BytesIO(httpx2.get(meta["images"][0]["url"]).content)).convert("RGB") for meta in (plain, branded)
    ]
    (pr, pg, _), (br, bg, _) = (picture.getpixel((100, 100)) for picture in pictures)
    assert abs(br - (pr + 255) / 2) < 16
    assert abs(bg - pg / 2) < 16
    far = [picture.getpixel((1000, 600)) for picture in pictures]
    assert max(abs(a - b) for a, b in zip(*far, strict=True)) < 12
