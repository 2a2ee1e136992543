"""Requests become resolved values in one call."""

import pytest

from imgen.domain.catalog import parse_catalog
from imgen.domain.errors import InvalidCharacter, InvalidField, PromptRequired
from imgen.domain.repair import resolve
from imgen.domain.request import GenerateRequest

MODELS = {
    key: {
        "label": key,
        "source": key,
        "steps": {"default": 4, "min": 1, "max": 8},
        "guidance": {"default": 3.0},
        "default_style": "plain",
        "styles": {"plain": {"label": "Plain"}, "night": {"label": "Night"}},
    }
    for key in ("eros", "other")
}
CATALOG = parse_catalog(MODELS, {"aya": {"loras": {"eros": "aya.safetensors"}}})


def resolved(prompt="red coat", **fields):
    return resolve(GenerateRequest(prompt=prompt, **fields), CATALOG, {"default", "strict"}, max_prompt_chars=40)


def test_a_bare_prompt_gets_every_default():
    """Nothing sent, nothing repaired."""
    made = resolved("@aya red coat, -hat")
    assert (made.parsed.character, made.parsed.positive, made.parsed.negative) == ("aya", ("red coat",), ("hat",))
    assert (made.model.key, made.style, made.num_inference_steps, made.guidance_scale) == ("eros", "plain", 4, 3.0)
    assert (made.output.format, made.output.quality, made.ruleset, made.warnings) == ("jpeg", 95, "default", ())


def test_wrong_values_are_repaired_and_named():
    """Each falls back or is clamped, and stands in `warnings` in the contract's order."""
    made = resolved(style="noon", format="gif", quality=500, width="x", seed=-1, steps=99, negative="  scarf ")
    assert (made.style, made.output.format, made.output.quality, made.num_inference_steps) == ("plain", "jpeg", 100, 8)
    assert made.negative == "scarf"
    assert set(made.warnings) == {"style", "width", "height", "format", "quality", "seed", "steps"}


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"prompt": None}, PromptRequired),
        ({"prompt": "-hat"}, PromptRequired),
        ({"prompt": "@nobody"}, InvalidCharacter),
        ({"prompt": "@aya", "model": "other"}, InvalidCharacter),
        ({"prompt": "x" * 41}, InvalidField),
        ({"negative": "x" * 41}, InvalidField),
        ({"compliance_ruleset": "none such"}, InvalidField),
    ],
    ids=str,
)
def test_what_no_repair_mends_is_refused(fields, error):
    """Words that are missing, too long or of no character of the model, and an unknown ruleset."""
    with pytest.raises(error):
        resolved(**fields)
