"""JSON in the database and in Redis: that of version 0.1.0 is read, and that of a version to come harms nothing that it is beside."""

import json
import re

import msgspec
import pytest
from factories import PLAN, make_job
from sqlalchemy import update

from imgen.domain.errors import UnreadableRow
from imgen.domain.job import State, View
from imgen.domain.outcome import Meta, Outcome
from imgen.domain.recipe import RECIPE_VERSION, Recipe
from imgen.domain.review.verdict import Verdict
from imgen.records import job_search, job_statistics, job_transitions, jobs, ledger, reconcile
from imgen.records.cache import SamplingParams
from imgen.records.job_search import JobFilter
from imgen.records.tables.jobs import jobs as rows

RECIPE = (
    '{"model":"eros","style":"professional","words":{"prompt":"@aya red coat, -hat","original_prompt":"@aya coat,'
    ' -hat","character":"aya","positive":"red coat","negative":"hat, snow","optimized":true},'
    '"diffusion":{"positive":"aya, red coat","negative":"hat, snow, blurry","width":1344,"height":768,"seed":7,'
    '"num_inference_steps":16,"guidance_scale":3.5,"lora":"loras/aya.safetensors","lora_scale":0.8},'
    '"output":{"format":"webp","quality":90,"lossless":true},"brand":{"image_key":"marks/ten_1/ab.png",'
    '"position":"center","scale":9,"transparency":50,"rotation":-90,"padding_x":1,"padding_y":2},'
    '"claim":{"author":"A","title":"B","description":"C","organization":"D","vendor":"E"},"ruleset":"art",'
    '"precompliance":"none","reused":{"entry_id":"ce_1","codes":["nudity"],"judged_by":"ff"},"keep_as":"ce_2"}'
)
COMPLETED = (
    '{"meta":{"id":"run_1","gen_id":"g","time":"2026-11-26T12:00:00Z","prompt":"p","original_prompt":"o",'
    '"positive":"a","negative":"n","character":"aya","model":"eros","style":"s","width":1344,"height":768,'
    '"format":"webp","quality":90,"lossless":true,"optimized":true,"compliance":"safe",'
    '"compliance_codes":["nudity"],"compliance_ruleset":"art","precompliance":"none","fingerprint":"d8",'
    '"enable_invisimark":true,"enable_c2pa":true,"compute_pdq":true,"wm_position":"center","wm_scale":9,'
    '"wm_transparency":50,"wm_rotation":-90,"wm_padding_x":1,"wm_padding_y":2,"cs_author":"A","cs_title":"B",'
    '"cs_description":"C","cs_organization":"D","cs_vendor":"E","seed":7,"steps":16,"guidance":3.5,'
    '"watermark_id":"0123456789ab","watermark_verified":true,"sha256":"5b","manifest_id":"urn:c2pa:1",'
    '"timings":{"queue":0.1,"render":6.25,"review":0.0,"finish":0.5,"upload":0.25}},'
    '"images":[{"key":"pictures/ten_1/g/g_d8_00001.webp","filename":"g_d8_00001.webp","type":"signed"},'
    '{"key":"pictures/ten_1/g/t.webp","filename":"t.webp","type":"thumbnail"}],"blocked":null,"error":""}'
)
BLOCKED = """{"meta":null,"images":[],"blocked":{"names":["Nudity"],"categories":["nudity"],"floor":false,"unsafe_key":"withheld/ten_1/g/x.png"},"error":""}"""
FAILED = """{"meta":null,"images":[],"blocked":null,"error":"Timed out"}"""
VERDICT = (
    '{"safe":false,"codes":["nudity"],"names":["Nudity"],"floor":false,"release":true,"reason":"ruleset art: nudity",'
    '"suspicions":["violence"],"matches":[{"rule_id":"nudity","name":"Nudity","part":"prompt","term":"nude"}]}'
)
MADE_WITH = """{"seed":7,"num_inference_steps":16,"guidance_scale":3.5,"lora_scale":0.8}"""
QUEUED_VIEW = """{"tenant_id":"ten_1","state":"queued","model":"eros"}"""
ENDED_VIEW = '{"tenant_id":"ten_1","state":"completed","model":"eros","outcome":' + COMPLETED + "}"
BLOCKED_VIEW = '{"tenant_id":"ten_1","state":"blocked","model":"eros","outcome":' + BLOCKED + "}"


LATER = (
    ',"inputs":[],"upscale":1',
    ',"upscale":1,"upscaler":""',
    ',"credits":1',
    ',"notes":[]',
    ',"engine":"","drawn_width":null,"drawn_height":null,"revised_prompt":""',
)
"""Keys that came later, as they are written of a row that has none."""


@pytest.mark.parametrize(
    ("type_", "stored"),
    [
        (Recipe, RECIPE),
        (Outcome, COMPLETED),
        (Outcome, BLOCKED),
        (Outcome, FAILED),
        (Verdict, VERDICT),
        (SamplingParams, MADE_WITH),
        (View, QUEUED_VIEW),
        (View, ENDED_VIEW),
        (View, BLOCKED_VIEW),
    ],
)
def test_what_is_stored_is_read_and_written_again_to_the_letter(type_, stored):
    """Whatever the Structs call their fields: no key of the JSON is lost, renamed or moved; the version comes last."""
    written = msgspec.json.encode(msgspec.json.decode(stored, type=type_)).decode()
    for later in LATER:
        written = written.replace(later, "")
    assert re.sub(r',"version":\d}', "}", written) == stored


def test_the_version_is_stored():
    """A worker of an older version leaves what it does not know."""
    assert msgspec.json.encode(msgspec.json.decode(RECIPE, type=Recipe)).endswith(b',"version":3}')
    assert msgspec.json.encode(msgspec.json.decode(FAILED, type=Outcome)).endswith(b',"version":4}')


@pytest.mark.parametrize(("type_", "stored"), [(Recipe, RECIPE), (Meta, json.dumps(json.loads(COMPLETED)["meta"]))])
def test_every_field_since_the_first_version_has_a_default(type_, stored):
    """A field that 0.1.0 did not write is not required, so that its rows stay readable."""
    required = {field.encode_name for field in msgspec.structs.fields(type_) if field.required}
    assert required <= set(json.loads(stored))


def test_a_recipe_without_its_optional_parts_is_read():
    """Parts that have defaults may be missing."""
    bare = {
        name: value for name, value in json.loads(RECIPE).items() if name in ("model", "style", "words", "diffusion")
    }
    recipe = msgspec.json.decode(json.dumps(bare), type=Recipe)
    assert (recipe.model, recipe.cache_hit, recipe.ruleset) == ("eros", None, "default")


# ------------------------------------------------------------------ rows of a version to come

NEWER_META = {**json.loads(COMPLETED)["meta"], "seed": "many", "samplers": ["a"]}
NEWER = {
    "state": {"state": "upscaling"},
    "ended_state": {"state": "archived", "outcome": FAILED, "ended_at": 2e9},
    "recipe": {"recipe": '{"model":"eros","layers":[1,2]}'},
    "recipe_text": {"recipe": "not JSON"},
    "outcome": {"state": "completed", "outcome": json.dumps({"meta": NEWER_META, "parts": {}}), "ended_at": 2e9},
    "timings": {"timings": '{"render":{"gpu":1}}'},
}
"""Name → columns of a row that this version cannot read whole."""
HARMLESS = {
    "recipe": json.dumps({**json.loads(RECIPE), "layers": [1], "version": RECIPE_VERSION, "output": {"format": "jxl"}}),
    "outcome": json.dumps({**json.loads(COMPLETED), "parts": {"a": 1}, "version": 9}),
}
"""Columns with fields and values that this version does not know and need not know."""


@pytest.fixture
def row(database):
    """Adds a queued job, changes columns of its row, and gives its id."""

    def add(**columns) -> str:
        job = make_job()
        with database.write() as connection:
            jobs.add(connection, job)
            ledger.hold(connection, job, PLAN)
            if columns:
                connection.execute(update(rows).where(rows.c.id == job.id).values(columns))
        return job.id

    return add


def test_unknown_fields_are_ignored(database, row):
    """Fields and texts that a newer version added do not keep an older one from reading the row."""
    job_id = row(**HARMLESS, state="completed", ended_at=2e9)
    with database.read() as connection:
        job = jobs.find(connection, job_id)
        assert (job.recipe.output.format, job.outcome.meta.seed) == ("jxl", 7)
        assert jobs.find_view(connection, job_id, tenant_id="ten_1")[0].outcome == job.outcome


@pytest.mark.parametrize("columns", NEWER.values(), ids=NEWER)
def test_a_row_of_a_newer_version_spoils_no_list(database, row, columns):
    """Pages, searches and averages with such a row have all jobs; a search for work leaves it alone."""
    before, strange, after = row(), row(**columns), row()
    with database.read() as connection:
        page = jobs.list_jobs(connection, "ten_1", limit=9, before=None, states=frozenset())
        assert {job.id for job in page} == {before, strange, after}
        found = job_search.search(connection, JobFilter(), limit=9)
        assert {job.id for job in found.jobs} == {before, strange, after}
        assert len(jobs.latest_of_key(connection, "key_1", limit=9)) == 3
        jobs.average_seconds(connection)
        job_statistics.performance(connection, scope=None, latest=9, now=3e9)
        waiting = reconcile.unpublished(connection, grace_s=-60)
        assert {before, after} <= {job.id for job in waiting}
        with pytest.raises(UnreadableRow):
            jobs.find(connection, strange)


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("state", State.RENDERING),
        ("ended_state", State.FAILED),
        ("recipe", State.QUEUED),
        ("recipe_text", State.QUEUED),
        ("timings", State.QUEUED),
    ],
)
def test_a_row_of_a_newer_version_is_polled(database, row, name, state):
    """A poll needs neither recipe nor timings, and an unknown state is told as the nearest known one."""
    job_id = row(**NEWER[name])
    with database.read() as connection:
        assert jobs.find_view(connection, job_id, tenant_id="ten_1")[0].state is state


def test_an_unreadable_outcome_is_left_to_newer_processes(database, row):
    """A poll of a finished picture with `meta` of another type is refused, and not answered with half of it."""
    job_id = row(**NEWER["outcome"])
    with database.read() as connection, pytest.raises(UnreadableRow):
        jobs.find_view(connection, job_id, tenant_id="ten_1")


@pytest.mark.parametrize(
    "recipe", [NEWER["recipe"]["recipe"], json.dumps({**json.loads(RECIPE), "version": RECIPE_VERSION + 1})]
)
def test_a_newer_recipe_is_not_drawn_by_an_older_worker(database, row, recipe):
    """A claim of it fails and changes nothing: the job waits for a newer worker."""
    job_id = row(recipe=recipe)
    with pytest.raises(UnreadableRow):
        database.attempt(job_transitions.claim, job_id, waiting=State.QUEUED, lease_s=9, max_attempts=3)
    with database.read() as connection:
        found = connection.execute(rows.select().where(rows.c.id == job_id)).one()
    assert (found.state, found.fence, found.attempts) == ("queued", 0, 0)
