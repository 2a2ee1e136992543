"""Review of the logo and of the picture with it: nothing is laid over a picture after its last review."""

import base64
import io
import json

import numpy as np
import pytest
from factories import PLAN, make_job, make_recipe
from msgspec import structs
from PIL import Image
from servers.chat import completion, start_chat

from imgen.domain.ids import new_cached_id
from imgen.domain.job import State
from imgen.domain.recipe import CacheHit, PromptParts, VisibleWatermark
from imgen.domain.review.floor import FLOOR_VERSION
from imgen.provenance.branding import overlay
from imgen.provenance.fingerprint import fingerprint
from imgen.records import audit, cache, jobs, ledger
from workers import tasks
from workers.engines import instant

SAFE = completion(json.dumps({"safe": True, "rules": [], "reason": "fine"}))


def drawn(seed):
    """A picture with enough in it for PDQ, RGBA, in the proportions of a render."""
    small = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), np.uint8)
    return Image.fromarray(small).resize((672, 384), Image.Resampling.BICUBIC).convert("RGBA")


LISTED = drawn(1)
PROMPTS = {"default": "nude marble statue", "strict": "red coat", "art": "gory battle"}
"""Prompt by ruleset; those of default and art are refused by a rule with release, so the picture is drawn and kept apart."""


def listed(resources, *pictures):
    """Puts pictures on a match list."""
    folder = resources.settings.data_dir / "matches"
    folder.mkdir(exist_ok=True)
    rows = [fingerprint(np.ascontiguousarray(np.asarray(picture.convert("RGB")))).hash for picture in pictures]
    (folder / "list.csv").write_text("\n".join(rows))


def store(resources, logo):
    file = io.BytesIO()
    logo.save(file, "png")
    key = f"brands/ten_1/{hash(file.getvalue())}"
    resources.objects.put(key, file.getvalue(), "application/octet-stream")
    return key


def finish(resources, prompt="red coat", ruleset="default", cache_hit=None, master_key="", **logo):
    """Both phases of a job with a logo, or the second of a cache hit."""
    recipe = make_recipe(
        prompt_parts=PromptParts(prompt=prompt, original_prompt=prompt, positive=prompt),
        visible_watermark=VisibleWatermark(**logo),
        ruleset=ruleset,
        cache_hit=cache_hit,
    )
    recipe = structs.replace(recipe, diffusion=structs.replace(recipe.diffusion, positive=prompt))
    job = make_job(recipe=recipe)
    if cache_hit:
        job = structs.replace(job, id=new_cached_id(), state=State.RENDERED, queue="finish", master_key=master_key)
    with resources.database.write() as connection:
        jobs.add(connection, job)
        ledger.hold(connection, job, PLAN)
    tasks.run_phase(resources, tasks.RENDER, job.id)
    tasks.run_phase(resources, tasks.FINISH, job.id)
    with resources.database.read() as connection:
        return jobs.find(connection, job.id)


def reachable(resources):
    return [stored.key for prefix in ("pictures/", "withheld/") for stored in resources.objects.list(prefix)]


def keep(resources):
    """A finished picture in the semantic cache; its entry."""
    job = make_job(recipe=make_recipe(cache_entry_id="ent_1"))
    pending = cache.PendingEntry(
        tenant_id="ten_1", model="eros", partition="p", embedder="m", text="red coat", vector=b"1234"
    )
    with resources.database.write() as connection:
        jobs.add(connection, job)
        ledger.hold(connection, job, PLAN)
        cache.add_pending(connection, pending, job)
    tasks.run_phase(resources, tasks.RENDER, job.id)
    tasks.run_phase(resources, tasks.FINISH, job.id)
    return find_entry(resources)


def find_entry(resources):
    with resources.database.read() as connection:
        return cache.find(connection, ["ent_1"], floor_version=FLOOR_VERSION).get("ent_1")


def hit(entry):
    """Fields of a job that reuses an entry."""
    reused = CacheHit(entry_id=entry.id, codes=entry.codes, policy_digest=entry.policy_digest)
    return {"cache_hit": reused, "master_key": entry.master_key}


@pytest.mark.parametrize("is_cached", [False, True], ids=["drawn", "cached"])
@pytest.mark.parametrize(
    "placement",
    [{"scale": 100}, {"scale": 60}, {"scale": 5}, {"rotation": 180, "scale": 100}, {"transparency": 25}],
    ids=str,
)
@pytest.mark.parametrize("ruleset", PROMPTS)
def test_a_listed_picture_as_logo_is_never_published(resources, ruleset, placement, is_cached):
    """Whatever its size and turn, drawn or out of the cache, under a rule with release or none: no file and no address."""
    entry = hit(keep(resources)) if is_cached else {}
    before = reachable(resources)
    listed(resources, LISTED)
    logo = {"image_key": store(resources, LISTED), "position": "center", **placement}
    ended = finish(resources, PROMPTS[ruleset], ruleset, **entry, **logo)
    assert ended.state is State.BLOCKED
    blocked = ended.outcome.blocked
    assert (blocked.floor, blocked.unsafe_key, "listed" in blocked.categories) == (True, "", True)
    assert reachable(resources) == before
    with resources.database.read() as connection:
        (entry,) = audit.of_subject(connection, ended.id)
    assert entry.detail["floor"] is True
    assert "logo: match list: distance" in entry.detail["reason"]


def test_a_logo_that_makes_a_listed_picture_of_the_render_is_found(resources):
    """Half transparent, it is no listed picture by itself; the place where it lies on the render is."""
    entry = keep(resources)
    under = np.asarray(Image.open(io.BytesIO(resources.objects.get(entry.master_key)))).astype(np.float32)
    target = np.asarray(LISTED.convert("RGB").resize((1344, 768))).astype(np.float32) * 0.3 + 90
    half = np.zeros((768, 1344, 4), np.uint8)
    half[..., 3] = 128
    half[..., :3] = np.clip((target - under * (1 - 128 / 255)) * 255 / 128, 0, 255)
    half[:, :400, 3] = 0
    logo = Image.fromarray(half)
    branded = overlay(
        under.astype(np.uint8),
        half,
        position="center",
        scale=100,
        transparency=100,
        rotation=0,
        padding_x=0,
        padding_y=0,
    )
    listed(resources, Image.fromarray(branded[:, 400:]))
    ended = finish(resources, **hit(entry), image_key=store(resources, logo), scale=100, position="center")
    assert ended.state is State.BLOCKED
    assert ended.outcome.blocked.categories == ("listed",)


def test_a_listed_logo_leaves_the_cached_picture_alone(resources):
    """The entry's own picture is harmless: it is not purged for what a caller laid over it."""
    entry = keep(resources)
    listed(resources, LISTED)
    assert finish(resources, **hit(entry), image_key=store(resources, LISTED)).state is State.BLOCKED
    assert find_entry(resources) is not None
    assert finish(resources, **hit(entry)).state is State.COMPLETED


def test_a_harmless_logo_is_laid_over_the_picture(resources):
    """Match lists are no reason to refuse a plain logo, a picture or a transparent one."""
    listed(resources, LISTED)
    plain = Image.new("RGBA", (200, 80), (250, 0, 0, 255))
    for logo, placement in (
        (plain, {"scale": 20}),
        (drawn(2), {"scale": 60, "rotation": 30}),
        (plain, {"transparency": 0}),
    ):
        ended = finish(resources, image_key=store(resources, logo), **placement)
        assert ended.state is State.COMPLETED
        assert ended.outcome.meta.compliance_codes == ()


@pytest.fixture
def looked_at(make_resources):
    """Resources whose pictures a chat model looks at, and that model."""
    with start_chat() as chat:
        chat.will(always=SAFE)
        yield (
            make_resources(f'[review]\nreviewers = ["rules", "vision"]\nbase_url = "{chat.base_url}"\nmodel = "eye"\n'),
            chat,
        )


def shown(chat):
    """The pictures that the model was shown, oldest first."""
    uris = [asked.body["messages"][1]["content"][1]["image_url"]["url"] for asked in chat.asked]
    return [Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB") for uri in uris]


def red_corner(picture):
    red, green, _ = picture.getpixel((picture.width - 30, picture.height - 30))
    return red > 220 and green < 40


def test_reviewers_see_render_logo_and_both_together(looked_at):
    """Three looks the first time, two once the logo is known; one without a logo, or with one that nobody sees."""
    resources, chat = looked_at
    logo = {"image_key": store(resources, Image.new("RGBA", (200, 80), (255, 0, 0, 255))), "scale": 30}
    assert finish(resources, **logo).state is State.COMPLETED
    render, alone, branded = shown(chat)
    assert alone.size == (200, 80)
    assert [red_corner(render), red_corner(branded)] == [False, True]
    for fields, looks in ((logo, 2), ({}, 1), (logo | {"transparency": 0}, 1)):
        before = len(chat.asked)
        assert finish(resources, **fields).state is State.COMPLETED
        assert len(chat.asked) == before + looks


def test_a_cached_picture_is_looked_at_with_its_logo(looked_at):
    """Its render was passed before, the two together were not."""
    resources, chat = looked_at
    entry = keep(resources)
    logo = {"image_key": store(resources, Image.new("RGBA", (200, 80), (255, 0, 0, 255))), "scale": 30}
    before = len(chat.asked)
    assert finish(resources, **hit(entry)).state is State.COMPLETED
    assert len(chat.asked) == before
    assert finish(resources, **hit(entry), **logo).state is State.COMPLETED
    assert red_corner(shown(chat)[-1])


def test_rules_that_a_logo_meets_decide_on_the_picture(looked_at):
    """A rule with release keeps picture and logo apart for their caller; one without leaves nothing."""
    resources, chat = looked_at
    logo = {"image_key": store(resources, drawn(3))}
    for rule, is_kept in (("gore", True), ("hate", False)):
        refused = completion(json.dumps({"safe": False, "rules": [rule], "reason": "seen"}))
        chat.will(SAFE, refused, always=SAFE)
        ended = finish(resources, **logo)
        assert ended.state is State.BLOCKED
        assert ended.outcome.blocked.categories == (rule,)
        assert bool(ended.outcome.blocked.unsafe_key) is is_kept
    assert not list(resources.objects.list("pictures/"))


def test_a_picture_with_logo_that_is_too_plain_to_compare_is_withheld(resources):
    """A flat logo that covers all of the render leaves nothing that the lists could know."""
    listed(resources, LISTED)
    flat = Image.new("RGBA", (672, 384), (90, 90, 90, 255))
    ended = finish(resources, image_key=store(resources, flat), scale=100, position="center")
    assert ended.outcome.blocked.categories == ("unclear",)


def test_the_render_itself_is_still_compared(resources):
    """A logo does not hide a listed render from the lists."""
    pixels = instant.draw(structs.replace(make_recipe().diffusion, positive="red coat"))
    listed(resources, Image.fromarray(pixels))
    ended = finish(resources, image_key=store(resources, drawn(3)), scale=90, position="center")
    assert ended.outcome.blocked.categories == ("listed",)
