"""The rulesets that are shipped: complete, and different where they say so."""

import pytest
from factories import judge_words


def test_three_rulesets_are_shipped(rulesets):
    """Default, strict and art compile, and every rule tells the reviewer what to look for."""
    assert set(rulesets) == {"default", "strict", "art"}
    for compiled in rulesets.values():
        for rule in compiled.ruleset.rules:
            assert rule.name
            assert rule.description.endswith(".")
            assert rule.terms or rule.patterns


@pytest.mark.parametrize(
    ("prompt", "default", "strict", "art"),
    [
        ("nude figure study", False, False, True),
        ("lingerie catalog, adult woman", True, False, True),
        ("pornographic scene", False, False, False),
        ("a glass of red wine", True, False, True),
        ("a soldier with a rifle", True, False, True),
        ("swastika flag", False, False, False),
        ("red coat, on a beach", True, True, True),
    ],
)
def test_rulesets_differ_where_they_say_so(prompt, default, strict, art, rulesets):
    """Art lets the nude figure pass, strict refuses what is suggestive or for adults."""
    verdicts = {name: judge_words(compiled, {"prompt": prompt}).safe for name, compiled in rulesets.items()}
    assert verdicts == {"default": default, "strict": strict, "art": art}


def test_art_notes_nudity(rulesets):
    """Rules that art lets pass are still in compliance_codes."""
    assert judge_words(rulesets["art"], {"prompt": "nude figure study"}).codes == ("nudity",)


def test_strict_releases_nothing(rulesets):
    """No rule of strict gives its caller a blocked picture; default does so for nudity, never for hate."""
    assert not any(rule.release for rule in rulesets["strict"].ruleset.rules)
    assert judge_words(rulesets["default"], {"prompt": "nude woman"}).release
    assert not judge_words(rulesets["default"], {"prompt": "swastika"}).release
