"""JSON in the database and in Redis, as version 0.1.0 wrote it first: it is read, and written again to the letter."""

import json

import msgspec
import pytest

from imgen.domain.job import View
from imgen.domain.outcome import Outcome
from imgen.domain.recipe import Recipe
from imgen.domain.review.verdict import Verdict
from imgen.records.cache import SamplingParams

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
    """Whatever the Structs call their fields: no key of the JSON is lost, renamed or moved."""
    assert msgspec.json.encode(msgspec.json.decode(stored, type=type_)).decode() == stored


def test_a_recipe_without_its_optional_parts_is_read():
    """Parts that have defaults may be missing."""
    bare = {
        name: value for name, value in json.loads(RECIPE).items() if name in ("model", "style", "words", "diffusion")
    }
    recipe = msgspec.json.decode(json.dumps(bare), type=Recipe)
    assert (recipe.model, recipe.cache_hit, recipe.ruleset) == ("eros", None, "default")
