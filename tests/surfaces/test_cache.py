"""`use_cache` over HTTP and the whole stack: what a hit answers, what it never shows, and what it costs."""

import base64
import io
import signal
import time

import httpx2
import psutil
import pytest
from PIL import Image
from servers.api import start_api
from servers.embedder import embeddings
from servers.faulty_http import answer, start_faulty_http
from servers.redis_server import start_redis
from servers.stack import start_stack

from imgen.provenance.inspection import inspect_picture
from imgen.records.database import Database
from imgen.records.tables.jobs import jobs

MISS = (404, {"error": "No cached result found"})


def mark_file():
    """A green square as a data URI."""
    file = io.BytesIO()
    Image.new("RGB", (64, 64), (0, 200, 0)).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


MARK = mark_file()


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """A stack of its own: what is in its cache is this module's."""
    with start_stack(
        tmp_path_factory.mktemp("cache") / "var", settings="[review]\nfree_blocks = 1000\n[cache]\npause_s = 0.5\n"
    ) as started:
        yield started


def ask(stack, prompt, key=None, **fields):
    """Status and body of a `generate` that wants a cached picture and no other."""
    body = {"action": "generate", "prompt": prompt, "use_cache": True, "cache_only": True} | fields
    response = stack.post(body, key=key)
    return response.status_code, response.json()


def keep(stack, prompt, *, api=None, **fields):
    """Makes a picture that the cache keeps, asked of another API process where one is named; its last answer."""
    response = (api or stack).post({"action": "generate", "prompt": prompt, "use_cache": True} | fields, key=stack.key)
    assert response.status_code == 200, response.text
    made = stack.wait(response.json())
    assert made["status"] == "COMPLETED"
    return made


def start_beside(stack, name, **settings):
    """Another API process over the stack's data folder, with settings of its own."""
    return start_api(stack.data, environ={f"IMGEN_{key}": str(value) for key, value in settings.items()}, name=name)


def hit(stack, prompt, **fields):
    """The last answer of a request that must be a hit."""
    status, body = ask(stack, prompt, **fields)
    assert status == 200, body
    assert body["id"].startswith("cache_")
    assert body["cache"] is True
    return stack.wait(body)


def picture(stack, ended):
    """The finished file, its pixels, and what it says of itself."""
    file = httpx2.get(ended["meta"]["images"][0]["url"]).content
    anchors = (stack.data / "credentials" / "anchor.pem").read_bytes()
    return Image.open(io.BytesIO(file)).convert("RGB"), inspect_picture(file, anchors=anchors)


def test_a_hit_is_the_picture_finished_anew(stack):
    """Its own format, credentials, mark and id over the same pixels; nothing is rendered, and `meta` tells with what it was."""
    prompt = "a lighthouse on a cliff at sunset"
    assert ask(stack, prompt) == MISS
    made = keep(stack, prompt, seed=41, steps=6, cs_author="First", format="png")
    status, body = ask(
        stack, "at sunset, a lighthouse on a cliff", format="webp", cs_author="Second", cache_pick=0, seed=42, steps=6
    )
    assert status == 200
    assert set(body) == {"id", "prompt", "model", "format", "gen_id", "cache", "warnings"}
    assert len(body["id"]) == len("cache_") + 32
    assert (body["prompt"], body["format"], body["warnings"]) == (
        "at sunset, a lighthouse on a cliff",
        "webp",
        ["cache_pick", "seed"],
    )
    again = stack.wait(body)
    assert again["cache"] is True
    one, two = made["meta"], again["meta"]
    assert "cache" not in made
    assert [two[name] for name in ("seed", "steps", "style", "model", "width")] == [
        one[name] for name in ("seed", "steps", "style", "model", "width")
    ]
    assert (two["id"], two["gen_id"], two["format"], two["cs_author"], two["optimized"]) == (
        body["id"],
        body["gen_id"],
        "webp",
        "Second",
        False,
    )
    assert two["prompt"] == "at sunset, a lighthouse on a cliff"
    assert two["watermark_id"] != one["watermark_id"]
    assert two["watermark_verified"]
    assert two["timings"]["render"] == 0
    (first, _), (second, read) = picture(stack, made), picture(stack, again)
    assert read.credentials.state == "Trusted"
    assert read.watermark.id == two["watermark_id"]
    assert b"First" not in httpx2.get(two["images"][0]["url"]).content
    assert first.size == second.size
    small = [list(one.resize((8, 8), Image.Resampling.BOX).get_flattened_data()) for one in (first, second)]
    assert all(abs(a - b) < 12 for x, y in zip(*small, strict=True) for a, b in zip(x, y, strict=True))


def test_a_hit_skips_the_enhancer(stack):
    """Asked beside `optimize`, the prompt comes back as it was sent; the same request without a hit is enhanced."""
    keep(stack, "a green lamp on a table", optimize=True)
    ended = hit(stack, "a green lamp on a table", optimize=True)
    assert (ended["meta"]["prompt"], ended["meta"]["optimized"]) == ("a green lamp on a table", False)


def test_the_brand_is_the_callers_own(stack):
    """A master is kept unbranded: a hit without a mark shows none, one with a mark shows that."""
    branded = keep(stack, "an old windmill", format="png", wm_image=MARK, wm_position="top-left", wm_scale=30)
    bare = hit(stack, "an old windmill", format="png")
    own = hit(stack, "an old windmill", format="png", wm_image=MARK, wm_position="bottom-right", wm_scale=30)
    colours = {}
    for name, ended in (("branded", branded), ("bare", bare), ("own", own)):
        image, _ = picture(stack, ended)
        width, height = image.size
        corners = {"top-left": (20, 20), "bottom-right": (width - 21, height - 21)}
        colours[name] = {where: image.getpixel(place) for where, place in corners.items()}
    far = lambda a, b: max(abs(x - y) for x, y in zip(a, b, strict=True)) > 40  # noqa: E731
    assert far(colours["branded"]["top-left"], colours["bare"]["top-left"])
    assert far(colours["own"]["bottom-right"], colours["bare"]["bottom-right"])
    assert not far(colours["own"]["top-left"], colours["bare"]["top-left"])


@pytest.mark.parametrize(
    "fields",
    [
        {"width": 1024, "height": 1024},
        {"style": "cinematic"},
        {"compliance_ruleset": "strict"},
        {"negative": "hat"},
        {"prompt": "@aya a red bicycle"},
        {"prompt": "a red bicycle, -rain"},
        {"prompt": "a blue bicycle"},
        {"prompt": "a red bicycle without wheels"},
        {"prompt": "two red bicycles"},
        {"prompt": "breakfast on a tray"},
    ],
    ids=str,
)
def test_another_picture_is_never_given(stack, fields):
    """Everything that must be equal, and words that only seem alike."""
    if ask(stack, "a red bicycle") == MISS:
        keep(stack, "a red bicycle")
    assert ask(stack, "a red bicycle")[0] == 200
    assert ask(stack, **({"prompt": "a red bicycle"} | fields)) == MISS


def test_force_takes_the_nearest(stack):
    """With `cache_force` even a distant one; without `use_cache` it counts for nothing."""
    keep(stack, "a bowl of soup", width=832, height=1216)
    assert ask(stack, "a tall ship", width=832, height=1216) == MISS
    assert hit(stack, "a tall ship", width=832, height=1216, cache_force=True)["meta"]["width"] == 832
    made = stack.generate("a tall ship", width=832, height=1216, cache_force=True, cache_only=True)
    assert made["id"].startswith("run_")


def test_other_tenants_have_other_caches(stack):
    """Neither found nor polled; another tenant's id looks like one that never was."""
    keep(stack, "a marble fountain")
    other = stack.imgen("keys", "create", "fountain", "--tenant", "elsewhere")
    assert ask(stack, "a marble fountain", key=other) == MISS
    status, mine = ask(stack, "a marble fountain")
    assert status == 200
    for job_id in (mine["id"], "cache_" + "0" * 32):
        polled = stack.post({"action": "status", "id": job_id}, key=other)
        assert (polled.status_code, polled.json()) == (404, {"error": "Cached result not found or expired"})


def test_only_what_was_asked_for_is_kept(stack):
    """A request without `use_cache` leaves nothing behind, nor does a blocked one or one without a safe picture."""
    stack.wait(stack.generate("a wooden bridge"))
    assert ask(stack, "a wooden bridge") == MISS
    blocked = stack.wait(stack.generate("nude marble statue of a woman", use_cache=True))
    assert blocked["compliance"] == "unsafe"
    assert ask(stack, "nude marble statue of a woman") == MISS


def test_the_floor_holds_for_a_hit(stack):
    """What stands beside a cached picture is judged anew: words that meet those of the prompt, in any field."""
    keep(stack, "a child in a park")
    assert hit(stack, "a child in a park", cs_title="Sunday")["meta"]["cs_title"] == "Sunday"
    for field in ("cs_title", "cs_author", "cs_description", "cs_organization", "cs_vendor"):
        ended = hit(stack, "a child in a park", **{field: "nude"})
        assert (ended["status"], ended["compliance"]) == ("COMPLETED", "unsafe")
        assert "minors" in ended["filter_categories"]
        assert not {"meta", "unsafe_url", "cache"} & set(ended)
    ended = hit(stack, "a child in a park", cs_title="hakenkreuz")
    assert ended["compliance"] == "unsafe"


def test_a_picture_that_was_listed_since_is_not_shown_again(stack):
    """A match list that grew holds for pictures that were safe before."""
    made = keep(stack, "a stone tower")
    folder = stack.data / "matches"
    folder.mkdir(exist_ok=True)
    (folder / "new.csv").write_text(made["meta"]["fingerprint"] + "\n")
    try:
        deadline = time.monotonic() + 10
        while "meta" in (ended := hit(stack, "a stone tower")):
            assert time.monotonic() < deadline
        assert (ended["compliance"], "unsafe_url" in ended) == ("unsafe", False)
        assert ask(stack, "a stone tower") == MISS
    finally:
        (folder / "new.csv").unlink()


def test_a_master_that_is_gone_is_not_found_again(stack):
    """The hit fails, once; the next request is a miss and makes the picture anew."""
    keep(stack, "a velvet armchair")
    for file in (stack.data / "objects" / "cache").rglob("*.png"):
        file.unlink()
    status, body = ask(stack, "a velvet armchair")
    assert status == 200
    assert stack.wait(body) == {"status": "FAILED", "error": "Generation failed"}
    assert ask(stack, "a velvet armchair") == MISS
    keep(stack, "a velvet armchair")
    assert hit(stack, "a velvet armchair")["cache"] is True


def test_an_id_can_be_polled_for_an_hour(stack):
    """After that it is not there any more, however the poll finds out."""
    keep(stack, "a paper boat")
    status, body = ask(stack, "a paper boat")
    assert status == 200
    stack.wait(body)
    database = Database(f"sqlite:///{stack.data / 'imgen.db'}")
    with database.write() as connection:
        connection.execute(jobs.update().where(jobs.c.id == body["id"]).values(created_at=time.time() - 3601))
    database.close()
    import redis

    from imgen.settings import socket_path

    with redis.Redis(unix_socket_path=str(socket_path(stack.data, "redis"))) as client:
        for key in client.scan_iter(f"*{body['id']}*"):
            client.delete(key)  # as its expiry would have
    polled = stack.post({"action": "status", "id": body["id"]})
    assert (polled.status_code, polled.json()) == (404, {"error": "Cached result not found or expired"})


def test_a_hit_counts_like_any_picture(stack):
    """One picture of the plan; the statistics tell hits and misses."""
    keep(stack, "a glass of water")
    pictures = lambda: stack.post({"action": "usage"}).json()["key"]["today"]["pictures"]  # noqa: E731
    before = pictures()
    hit(stack, "a glass of water")
    assert pictures() == before + 1
    listed = stack.post({"action": "jobs", "limit": 1}).json()["jobs"][0]
    assert listed["id"].startswith("cache_")
    assert "hit share" in stack.imgen("cache", "stats")


def test_two_api_processes_agree_within_a_second(stack):
    """A second process finds what is kept and what is purged by the command line as soon as the first does."""
    with start_beside(stack, "second") as second:
        assert ask(second, "a hot air balloon", key=stack.key) == MISS
        keep(stack, "a hot air balloon")
        kept_at = time.monotonic()
        while ask(second, "a hot air balloon", key=stack.key)[0] != 200:
            assert time.monotonic() - kept_at < 1
        assert stack.imgen("cache", "purge", "--tenant", "default").startswith("Purged ")
        assert [ask(one, "a hot air balloon", key=stack.key) for one in (stack, second)] == [MISS, MISS]


def test_without_its_embedder_every_look_is_a_miss(stack):
    """Killed, it is started again; meanwhile requests go on as misses, and no error reaches a caller."""
    keep(stack, "a snowy mountain")
    (embedder,) = [
        child for child in psutil.Process(stack.process.pid).children() if "embedder" in " ".join(child.cmdline())
    ]
    embedder.send_signal(signal.SIGKILL)
    made = stack.generate("a snowy mountain", use_cache=True)
    assert stack.wait(made)["status"] == "COMPLETED"
    deadline = time.monotonic() + 20
    while ask(stack, "a snowy mountain")[0] != 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_restart_loses_no_entry(stack, tmp_path):
    """A process that starts beside an empty Redis knows none of the others' memory: the picture is there."""
    keep(stack, "a sleeping volcano")
    with start_redis(tmp_path) as empty, start_beside(stack, "restarted", REDIS__URL=empty.url) as restarted:
        status, body = ask(restarted, "a sleeping volcano", key=stack.key)
        assert (status, body["cache"], body["prompt"]) == (200, True, "a sleeping volcano")


def test_a_shared_cache_serves_other_tenants_without_their_names(stack):
    """Where the operator allows it: the pixels alone are shared; words, author and brand are the second caller's."""
    other = stack.imgen("keys", "create", "other", "--tenant", "other")
    with start_beside(stack, "sharing", CACHE__SHARED=True) as sharing:
        fields = {"cs_author": "Secret Studio", "wm_image": MARK, "wm_scale": 30}
        keep(stack, "a harbour in the morning mist", api=sharing, **fields)
        assert ask(stack, "in the morning mist, a harbour", key=other) == MISS
        status, body = ask(sharing, "in the morning mist, a harbour", key=other, format="png")
        assert status == 200
        ended = stack.wait(body, key=other)
    file = httpx2.get(ended["meta"]["images"][0]["url"]).content
    assert b"Secret Studio" not in file
    assert "Secret" not in str(ended)
    assert ended["meta"]["prompt"] == "in the morning mist, a harbour"


def test_any_endpoint_that_speaks_the_protocol_will_do(stack):
    """A configured endpoint is asked instead of the embedded model; while it fails, requests are misses."""
    with start_faulty_http(embeddings([0.6, 0.8])) as endpoint:
        settings = {"BASE_URL": f"{endpoint.url}/v1", "MODEL": "m", "PAUSE_S": 0.2, "TIMEOUT_S": 10}
        with start_beside(stack, "elsewhere", **{f"CACHE__{key}": value for key, value in settings.items()}) as api:
            keep(stack, "a red kite", api=api)
            assert ask(api, "a red kite", key=stack.key)[0] == 200
            endpoint.standing = answer(500)
            assert ask(api, "a red kite", key=stack.key) == MISS
            keep(stack, "a red kite", api=api)
            endpoint.standing = embeddings([0.6, 0.8])
            time.sleep(0.3)
            status, body = ask(api, "a red kite", key=stack.key)
            assert status == 200
            assert stack.wait(body)["cache"] is True
