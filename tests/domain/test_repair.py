"""Requests become resolved values in one call."""

import pytest

from imgen.domain.catalog import parse_catalog
from imgen.domain.errors import InvalidCharacter, InvalidField, PromptRequired
from imgen.domain.repair import resolve
from imgen.domain.request import FIELDS, RANGES, GenerateRequest
from imgen.domain.resolution import fit_source

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
    assert set(made.warnings) == {"style", "width", "format", "quality", "seed", "steps"}


def test_an_upscale_factor_is_one_of_three():
    """As a number or a text; any other value is 1, and named."""
    assert [resolved(upscale=sent).upscale for sent in (None, "", 2, "4", 2.0)] == [1, 1, 2, 4, 2]
    for sent in (3, 0, -2, 8, "two", True, [], 1.5):
        made = resolved(upscale=sent)
        assert (made.upscale, made.warnings) == (1, ("upscale",))


def test_fields_of_a_source_count_only_with_one():
    """Without `image`, strength and mask are named; with it, the cache is: no partition knows a source."""
    assert resolved(image_strength=0.3, mask="up_x").warnings == ("image_strength", "mask")
    made = resolved(image="up_x", image_strength=7, mask="up_y", use_cache=True, cache_force=True)
    assert (made.image_strength, made.warnings) == (1.0, ("use_cache", "cache_force", "image_strength"))
    assert resolved(image="up_x").image_strength == 0.6


@pytest.mark.parametrize(
    ("sent", "used", "told"),
    [
        ({}, (1024, 768), ()),
        ({"width": 512, "height": 512}, (512, 512), ()),
        ({"width": 1344, "height": 768}, (1024, 768), ("width",)),
        ({"width": 1024, "height": 1024}, (512, 512), ("width", "height")),
        ({"width": 768, "height": 1344}, (768, 1024), ("height",)),
        ({"width": 1000, "height": 1000}, (1024, 768), ("width", "height")),
        ({"width": 512}, (1024, 768), ("width",)),
    ],
    ids=str,
)
def test_a_model_has_its_own_sizes(sent, used, told):
    """Its first is the default; a usual size that it lacks becomes the nearest one, any other pair the default."""
    own = MODELS["eros"] | {"sizes": [[1024, 768], [768, 1024], [512, 512]]}
    catalog = parse_catalog({"eros": own}, {})
    made = resolve(GenerateRequest(prompt="red coat", **sent), catalog, {"default"}, max_prompt_chars=40)
    assert ((made.width, made.height), made.warnings) == (used, told)
    fitted = fit_source(made, (900, 1300))
    assert (fitted.width, fitted.height) == (used if sent else (768, 1024))


@pytest.mark.parametrize(
    ("source", "size"),
    [((500, 500), (1024, 1024)), ((4000, 2250), (1344, 768)), ((2250, 4000), (768, 1344)), ((3000, 2000), (1216, 832)),
     ((1600, 1200), (1152, 896)), ((90, 1440), (768, 1344))],
)  # fmt: skip
def test_a_request_without_a_size_has_the_one_nearest_to_its_source(source, size):
    """By ratio; a size that was sent stays, one side of it too."""
    for sent, expected in (({}, size), ({"width": 832, "height": 1216}, (832, 1216)), ({"width": 1344}, (1344, 768))):
        request = GenerateRequest(prompt="red coat", image="up_x", **sent)
        fitted = fit_source(resolve(request, CATALOG, {"default"}, max_prompt_chars=40), source)
        assert (fitted.width, fitted.height) == expected


def test_warnings_are_in_the_contracts_order():
    """Whichever way the values are looked at."""
    made = resolved("\uffffcoat", seed=-1, quality=0, model="none", cs_vendor="\0", guidance=99, negative="hat\ud800")
    assert made.warnings == ("prompt", "model", "negative", "quality", "cs_vendor", "seed", "guidance")
    assert list(made.warnings) == sorted(made.warnings, key=list(FIELDS).index)


@pytest.mark.parametrize("blank", [None, "", "  "])
@pytest.mark.parametrize("field", ["model", "width", "height", "style", "format", "wm_position", "seed"])
def test_an_empty_choice_is_left_out(field, blank):
    """Forms send empty texts; nothing was wrong, so nothing is told."""
    assert resolved(**{field: blank}).warnings == ()


@pytest.mark.parametrize("value", [[], True, 5.5, -1, 10**500, "none such", float("inf"), float("nan")], ids=str)
@pytest.mark.parametrize("field", ["model", "width", "height", "style", "format", "wm_position", "seed"])
def test_any_other_choice_is_repaired_and_told(field, value):
    """Of whatever type it is."""
    assert resolved(**{field: value}).warnings == (field,)


@pytest.mark.parametrize("field", RANGES)
def test_a_number_outside_its_range_is_the_nearest(field):
    """Infinity is the end of the range, no number the default; both are told, and so is a fraction of a whole number."""
    limits, source = RANGES[field], {"image": "up_x"} if field == "image_strength" else {}
    for value in (limits.low - 1, limits.high + 1, float("inf"), float("-inf"), float("nan")):
        assert resolved(**{field: value}, **source).warnings == (field,)
    for value in (limits.low, limits.high, limits.default, None):
        assert resolved(**{field: value}, **source).warnings == ()
    is_whole = FIELDS[field].schema["type"] == "integer"
    assert resolved(**{field: limits.low + 0.4}, **source).warnings == ((field,) if is_whole else ())


@pytest.mark.parametrize(
    ("sent", "used", "told"),
    [
        ({"width": "768", "height": " 1344 "}, (768, 1344), ()),
        ({"width": 1024.0, "height": "1024"}, (1024, 1024), ()),
        ({"width": 1344}, (1344, 768), ()),
        ({"height": 768, "width": ""}, (1344, 768), ()),
        ({"width": 1024}, (1344, 768), ("width",)),
        ({"height": 1024}, (1344, 768), ("height",)),
        ({"width": 768, "height": 768}, (1344, 768), ("width",)),
    ],
    ids=str,
)
def test_a_side_that_is_left_out_is_the_defaults(sent, used, told):
    """A pair outside the list becomes the first; only sides that were sent and changed are told."""
    made = resolved(**sent)
    assert ((made.width, made.height), made.warnings) == (used, told)


KEPT = "東京\u3000タワー\u00a0№ 5\nname\u200dd می\u200cخواهم 👩\u200d🚀 🏴\U000e0067\U000e0062\U000e007f \u200f \u2066a\u2069 \ufe0f \ue000 \t\u2028"


@pytest.mark.parametrize(
    "field", ["cs_author", "cs_title", "cs_description", "cs_organization", "cs_vendor", "precompliance"]
)
def test_texts_keep_every_printable_sign(field):
    """Spaces of every script, joiners, direction marks and emoji are kept; what no reader can see is dropped and told."""

    def used(value):
        made = resolved(**{field: value})
        name = field.removeprefix("cs_")
        return (made.precompliance if name == field else getattr(made.attribution, name)), made.warnings

    assert used(KEPT) == (KEPT, ())
    assert used("a\r\nb") == ("a\nb", ())
    for dropped in ("\0", "\x1b", "\x7f", "\x85", "\r", "\u202e", "\ud800", "\uffff", "\ufdd0", "\U0010ffff"):
        assert used(f"a{dropped}b") == ("ab", (field,)), ascii(dropped)


def test_fields_of_the_cache_count_only_with_it():
    """Set without `use_cache` they are told; `false` asks for nothing."""
    assert resolved(cache_only=True, cache_force=True).warnings == ("cache_only", "cache_force")
    assert resolved(use_cache=True, cache_only=True, cache_force=True).warnings == ()
    assert resolved(cache_only=False, cache_force=False).warnings == ()


def test_the_negative_prompt_is_cleaned_like_the_prompt():
    """Control characters become spaces, what no store can keep is dropped."""
    made = resolved(negative=" hat\0scarf\ud800 \u200b")
    assert (made.negative, made.warnings) == ("hat scarf", ("negative",))


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
