"""Recipes and jobs of a cached picture."""

import pytest

from imgen.domain.catalog import parse_catalog
from imgen.domain.repair import resolve
from imgen.domain.request import GenerateRequest
from imgen.records.cache import Entry, SamplingParams
from imgen.services.recipes import unused_fields

MODEL = {
    "label": "Eros",
    "source": "eros",
    "steps": {"default": 4, "min": 1, "max": 8},
    "guidance": {"default": 3.0},
    "default_style": "plain",
    "styles": {"plain": {"label": "Plain"}},
}
CATALOG = parse_catalog({"eros": MODEL}, {})
MADE_WITH = SamplingParams(seed=7, num_inference_steps=4, guidance_scale=3.0, lora_scale=0.5)


@pytest.mark.parametrize(
    ("sent", "unused"),
    [
        ({}, ()),
        ({"seed": 7, "steps": 4, "guidance": 3, "lora_scale": 0.5}, ()),
        ({"seed": 8, "steps": 5, "guidance": 4, "lora_scale": 1}, ("seed", "steps", "guidance", "lora_scale")),
        ({"seed": "7"}, ()),
        ({"seed": ""}, ()),
        ({"steps": 99}, ("steps",)),
    ],
    ids=str,
)
def test_a_hit_tells_the_parameters_that_it_ignores(sent, unused):
    """Only those that were sent, and differ from what the cached picture was made with."""
    request = GenerateRequest(prompt="coat", **sent)
    resolved = resolve(request, CATALOG, {"default"}, max_prompt_chars=40)
    entry = Entry(id="ent_1", text="coat", made_with=MADE_WITH, codes=(), policy_digest="", master_key="cache/1.png")
    assert unused_fields(resolved, [entry]) == unused
