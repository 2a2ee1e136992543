"""Requests that are refused where another value would have to stand for one that was sent."""

import pytest
from domain.test_repair import CATALOG

from imgen.domain.errors import InvalidCharacter, InvalidField
from imgen.domain.prompt import parse, plain
from imgen.domain.repair import resolve
from imgen.domain.request import FIELDS, RANGES, GenerateRequest
from imgen.domain.strict import resolve_strictly

PICTURE = {"image": "up_x"}
GOOD = {
    "model": "other", "negative": "hat", "optimize": True, "use_cache": False, "width": 1024, "height": 768, "style": "night",
    "format": "webp", "quality": 80, "lossless": True, "compliance_ruleset": "strict", "precompliance": "a hint", "seed": 3,
    "steps": 8, "guidance": 4.5, "n": 2, "image_strength": 0, "upscale": 2, "wm_position": "center", "cs_author": "Mira",
}  # fmt: skip


def strictly(prompt="red coat", open_jobs=0, **fields):
    request = GenerateRequest(prompt=prompt, **fields)
    return resolve_strictly(
        request, plain(prompt), CATALOG, {"default", "strict"}, max_prompt_chars=40, open_jobs=open_jobs
    )


def test_what_is_right_is_taken_as_it_was_sent():
    """Every kind of field; nothing is told, and the fields that were sent are known."""
    made = strictly(**GOOD, **PICTURE)
    assert (made.model.key, made.negative, made.style, made.output.format) == ("other", "hat", "night", "webp")
    assert (made.width, made.height, made.seed, made.num_inference_steps, made.guidance_scale) == (1024, 768, 3, 8, 4.5)
    assert (made.n, made.image_strength, made.upscale, made.source, made.ruleset) == (2, 0.0, 2, "up_x", "strict")
    assert made.warnings == ()
    assert made.sent == {"prompt", "image", *GOOD}


def test_what_is_left_out_has_the_default_of_a_repaired_request():
    """Both readers have one table of defaults."""
    made = strictly()
    repaired = resolve(GenerateRequest(prompt="red coat", seed=1), CATALOG, {"default"}, max_prompt_chars=40)
    for name in (
        "model",
        "style",
        "output",
        "visible_watermark",
        "num_inference_steps",
        "guidance_scale",
        "n",
        "upscale",
    ):
        assert getattr(made, name) == getattr(repaired, name)
    assert (made.width, made.height) == (1344, 768)


@pytest.mark.parametrize("field", RANGES)
def test_a_number_outside_its_range_is_refused(field):
    """At its ends it is taken; a fraction of a whole number is wrong, and no number is."""
    limits, source = RANGES[field], PICTURE if field == "image_strength" else {}
    for value in (limits.low, limits.high, float(limits.high)):
        assert strictly(**{field: value}, **source).sent >= {field}
    is_whole = FIELDS[field].schema["type"] == "integer"
    wrong = [
        limits.low - 1,
        limits.high + 1,
        float("inf"),
        float("nan"),
        "5",
        True,
        [],
        *([limits.low + 0.5] if is_whole else []),
    ]
    for value in wrong:
        with pytest.raises(InvalidField) as refused:
            strictly(**{field: value}, **source)
        assert refused.value.field == field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", "none such"), ("model", ""), ("model", 5), ("style", "noon"), ("format", "gif"), ("wm_position", "left"),
        ("optimize", "yes"), ("optimize", 1), ("use_cache", "true"), ("negative", "x" * 41), ("negative", 5),
        ("precompliance", "x" * 2001), ("cs_title", "x" * 1001), ("cs_title", "a\0"), ("negative", "a\ud800"),
        ("seed", -1), ("seed", 2**32), ("seed", "7"), ("seed", 1.5), ("seed", True), ("upscale", 3), ("upscale", "2"),
        ("steps", 9), ("steps", 0), ("guidance", 20.5), ("compliance_ruleset", "none such"), ("lossless", True),
        ("mask", "up_y"), ("image_strength", 0.5), ("cache_only", True), ("image", 5), ("webhook_url", 5),
    ],
    ids=lambda value: ascii(value)[:20],
)  # fmt: skip
def test_a_wrong_value_is_refused_by_its_fields_name(field, value):
    """Of another type, none of the choices, out of range, too long, or without the field that it counts with."""
    with pytest.raises(InvalidField) as refused:
        strictly(**{field: value})
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"width": 1000, "height": 768}, "width"),
        ({"width": 1024, "height": 700}, "height"),
        ({"width": "1024", "height": 768}, "width"),
        ({"width": 1024.5}, "width"),
        ({"height": 1}, "height"),
    ],
    ids=str,
)
def test_a_size_that_the_model_does_not_have_is_refused(sent, field):
    """The nearest one would be another picture than was asked for."""
    with pytest.raises(InvalidField) as refused:
        strictly(**sent)
    assert refused.value.field in (field, "width")


def test_more_pictures_than_the_plan_allows_are_refused():
    """Its limit of open jobs counts like the field's own."""
    assert strictly(open_jobs=3, n=3).n == 3
    with pytest.raises(InvalidField, match="n"):
        strictly(open_jobs=3, n=4)


def test_a_character_of_another_model_is_refused():
    """Dialects may have prompts that name characters."""
    request = GenerateRequest(prompt="@aya", model="other")
    with pytest.raises(InvalidCharacter):
        resolve_strictly(request, parse("@aya", CATALOG.characters), CATALOG, {"default"}, max_prompt_chars=40)
