"""Quality tiers: the model that draws one, and what an order gets of it."""

import msgspec
import pytest

from imgen.domain.catalog import parse_catalog
from imgen.domain.prompt import plain
from imgen.domain.request import GenerateRequest
from imgen.domain.strict import resolve_strictly
from imgen.domain.tiers import (
    Tiers,
    candidates,
    doubled_names,
    parse_selectable,
    parse_tier,
    tier_note,
    unavailable,
    within_tier,
)

MODEL = {
    "label": "Small",
    "source": "small",
    "steps": {"default": 16, "min": 4, "max": 30},
    "guidance": {"default": 3.0},
    "credits": 3,
    "default_style": "plain",
    "styles": {"plain": {"label": "Plain"}},
}
CATALOG = parse_catalog({"small": MODEL, "large": MODEL | {"label": "Large", "sizes": [[512, 512], [768, 512]]}}, {})
TIER = {"label": "Ultra", "models": ["huge", "large", "*"], "size": [1024, 768], "credits": 8}


def tier(**changes):
    return parse_tier("ultra", TIER | changes)


def order(model="small", **fields):
    request = GenerateRequest(prompt="red coat", model=model, **fields)
    return resolve_strictly(request, plain("red coat"), CATALOG, {"default"}, max_prompt_chars=40)


@pytest.mark.parametrize(
    ("models", "drawn", "note"),
    [
        (["huge", "large", "*"], [("large", False), ("small", True)], ""),
        (["huge", "*"], [("small", True)], "Drawn by Small (small): none of huge is configured"),
        (["*"], [("small", True)], "Drawn by Small (small)"),
        (["small", "*"], [("small", False)], ""),
        (["huge", "vast"], [], "Unavailable: none of huge, vast is configured"),
    ],
    ids=str,
)
def test_the_first_model_that_is_configured_draws(models, drawn, note):
    """The default model stands in where the tier allows it, and that is told."""
    made = tier(models=models)
    found = candidates(made, CATALOG)
    assert [(one.model.key, one.is_stand_in) for one in found] == drawn
    assert tier_note(made, found[0] if found else None) == note


def test_a_tier_gives_what_the_request_does_not():
    """Size, steps within the model's range, credits and the time limit."""
    made = within_tier(order(), tier(steps={"small": 90}, time_limit_s=20))
    assert (made.width, made.height, made.num_inference_steps) == (1024, 768, 30)
    assert (made.credits, made.tier, made.pinned, made.time_limit_s) == (8, "ultra", "", 20)
    asked = within_tier(order(width=1024, height=1024, steps=5), tier(steps={"small": 20}))
    assert (asked.width, asked.height, asked.num_inference_steps) == (1024, 1024, 5)
    assert within_tier(order(), tier(steps={"large": 20})).num_inference_steps == 16


def test_a_model_without_the_tiers_size_takes_its_nearest():
    """By ratio."""
    made = within_tier(order("large"), tier())
    assert (made.width, made.height) == (768, 512)


def test_a_pinned_model_costs_its_own_credits():
    """And its name is kept."""
    made = within_tier(order(), tier(), pinned="@cf/small")
    assert (made.credits, made.pinned, made.tier) == (3, "@cf/small", "ultra")


def test_a_tier_may_ignore_negatives():
    """It is told if there are any; a pinned model heeds them as it can."""
    ignoring = tier(negative_prompt=False)
    made = within_tier(order(negative="hat"), ignoring)
    assert (made.negative, made.warnings) == ("", ("negative",))
    assert within_tier(order(), ignoring).warnings == ()
    assert within_tier(order(negative="hat"), ignoring, pinned="x").negative == "hat"
    assert within_tier(order(negative="hat"), tier()).negative == "hat"


@pytest.mark.parametrize(
    "change",
    [{"models": []}, {"size": [1000, 1]}, {"size": [1024]}, {"ratios": ["5:4"]}, {"ratios": []}, {"credits": -1},
     {"time_limit_s": 0}, {"steps": {"small": 0}}, {"steps": 5}, {"model": "small"}, {"negative_prompt": "no"}],
    ids=str,
)  # fmt: skip
def test_a_wrong_table_is_refused(change):
    """Before anything is drawn by it."""
    with pytest.raises(msgspec.ValidationError):
        tier(**change)


def test_a_model_is_pinned_by_each_of_its_names():
    """Long or short, in any case; one that is not configured says so."""
    entries = {
        "@cf/x/small-1.0": parse_selectable("@cf/x/small-1.0", {"label": "S", "names": ["small-1"], "model": "small"}),
        "@cf/x/huge": parse_selectable("@cf/x/huge", {"label": "H", "model": "huge"}),
    }
    made = Tiers(tiers={}, selectable=entries)
    for name in ("@cf/x/small-1.0", "small-1", " Small-1 ", "@CF/X/SMALL-1.0"):
        assert made.pinned(name) == entries["@cf/x/small-1.0"]
    assert made.pinned("small") is None
    assert made.pinned("") is None
    assert unavailable(entries["@cf/x/small-1.0"], CATALOG) == ""
    assert unavailable(entries["@cf/x/huge"], CATALOG) == "Model huge is not configured"
    doubled = {"a": parse_selectable("a", {"label": "A", "names": ["b"], "model": "m"}),
               "B": parse_selectable("B", {"label": "B", "names": ["a"], "model": "m"})}  # fmt: skip
    assert doubled_names(entries) == []
    assert doubled_names(doubled) == ["a", "b"]
