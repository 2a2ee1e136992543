"""The labelled list under the shipped rulesets: nothing the floor covers may pass, little that is harmless may be refused."""

import tomllib
from pathlib import Path

import pytest
from factories import judge_words

from imgen.domain.review.floor import judge_floor

LABELS = tomllib.loads((Path(__file__).parent / "labelled_prompts.toml").read_text("utf-8"))
PRECISION = 0.95


def parts_of(entry):
    return {"prompt": entry} if isinstance(entry, str) else entry


def test_the_list_is_long_enough():
    """There are at least 300 labelled prompts, a third of them benign, and none twice."""
    every = [repr(entry) for entry in LABELS["floor"] + LABELS["benign"]]
    every += [prompt for rule in LABELS["blocked"] for prompt in rule["prompts"]]
    assert len(every) >= 300
    assert len(LABELS["benign"]) * 3 >= len(every)
    assert len(set(every)) == len(every)


@pytest.mark.parametrize("entry", LABELS["floor"], ids=str)
def test_the_floor_holds_under_every_ruleset(entry, rulesets):
    """A prompt of the floor is refused for good, whatever the ruleset: recall is 100 %."""
    for compiled in rulesets.values():
        verdict = judge_words(compiled, parts_of(entry))
        assert (verdict.safe, verdict.floor, verdict.release) == (False, True, False)
        assert "minors" in verdict.codes


@pytest.mark.parametrize(
    ("rule", "prompt"), [(entry["rule"], prompt) for entry in LABELS["blocked"] for prompt in entry["prompts"]]
)
def test_the_default_ruleset_refuses_by_the_right_rule(rule, prompt, rulesets):
    """A prompt that a rule is about is refused by that rule, and is no case for the floor."""
    verdict = judge_words(rulesets["default"], {"prompt": prompt})
    assert not verdict.safe
    assert rule in verdict.codes
    assert not verdict.floor


def test_harmless_prompts_pass_the_default_ruleset(rulesets):
    """At least 95 % of the benign prompts with alarming words pass."""
    refused = [entry for entry in LABELS["benign"] if not judge_words(rulesets["default"], parts_of(entry)).safe]
    share = 1 - len(refused) / len(LABELS["benign"])
    print(
        f"{len(LABELS['floor'])} floor cases; {len(LABELS['benign'])} benign prompts, {share:.1%} pass; refused: {refused}"
    )
    assert share >= PRECISION


def test_precision_and_recall_over_the_whole_list(rulesets):
    """Of what the default ruleset refuses at least 95 % is to be refused, and it refuses all that is."""
    bad = [parts_of(entry) for entry in LABELS["floor"]]
    bad += [{"prompt": prompt} for rule in LABELS["blocked"] for prompt in rule["prompts"]]
    good = [parts_of(entry) for entry in LABELS["benign"]]
    hits, alarms = (
        sum(not judge_words(rulesets["default"], parts).safe for parts in entries) for entries in (bad, good)
    )
    precision, recall = hits / (hits + alarms), hits / len(bad)
    print(f"default ruleset over {len(bad) + len(good)} prompts: precision {precision:.3f}, recall {recall:.3f}")
    assert recall == 1
    assert precision >= PRECISION


def test_harmless_prompts_never_meet_the_floor():
    """No benign prompt is taken for the floor, which nobody could appeal."""
    assert [entry for entry in LABELS["benign"] if judge_floor(parts_of(entry))] == []
