"""The Action API over HTTP, action by action, against a running stack."""

import json
import re
import socket

import httpx2
from surfaces.action.calls import data_uri, error, png, raw


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
    assert server.status(job) == {"status": "CANCELLED", "error": "Cancelled", "code": "cancelled"}
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
