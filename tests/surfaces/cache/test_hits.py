"""`use_cache` over HTTP and the whole stack: what a hit answers, what it never shows, and what it costs."""

import time

import httpx2
import pytest
from PIL import Image
from surfaces.cache.calls import MARK, MISS, ask, hit, keep, picture

from imgen.records.database import Database
from imgen.records.tables.jobs import jobs


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


def test_several_pictures_are_different_ones_and_the_rest_is_made(stack):
    """Of three, the two that are kept come first, each once; the third is rendered with its place's seed and kept, too."""
    prompt, fields = "a stone bridge over a river", {"use_cache": True, "n": 2, "seed": 20}
    first = stack.generate(prompt, **fields)
    made = [stack.wait({"id": job_id})["meta"] for job_id in first["ids"]]
    assert "cache" not in first
    three = stack.generate(prompt, **fields | {"n": 3, "cache_pick": 1})
    assert [job_id.partition("_")[0] for job_id in three["ids"]] == ["cache", "cache", "run"]
    assert (three["id"], three["cache"], three["warnings"]) == (three["ids"][0], True, ["seed"])
    ended = [stack.wait({"id": job_id}) for job_id in three["ids"]]
    assert [answer.get("cache") for answer in ended] == [True, True, None]
    assert sorted(answer["meta"]["seed"] for answer in ended) == [*(meta["seed"] for meta in made), 22] == [20, 21, 22]
    status, only = ask(stack, prompt, n=10)
    assert (status, len(only["ids"]), only["warnings"]) == (200, 3, ["n"])
    assert {stack.wait({"id": job_id})["meta"]["seed"] for job_id in only["ids"]} == {20, 21, 22}


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
    """Words beside a cached picture are judged anew: those that meet the prompt's, in any field."""
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
    for file in (stack.data / "objects" / "cache").rglob("*.webp"):
        file.unlink()
    status, body = ask(stack, "a velvet armchair")
    assert status == 200
    assert stack.wait(body) == {
        "status": "FAILED",
        "error": "Generation failed",
        "code": "master_lost",
    }
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
