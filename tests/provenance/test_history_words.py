"""History in words: of our own manifests, of older ones, and of such as nobody should write."""

import pytest

from imgen.provenance.history_words import MAX_CHARS, MAX_STEPS, history_words

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def words(*actions, label="c2pa.actions.v2"):
    return history_words(
        {"assertions": [{"label": "cawg.metadata"}, {"label": label, "data": {"actions": [*actions]}}]}
    )


def test_steps_are_told_in_their_order():
    """Name, who took it and what it is, as far as the manifest tells."""
    assert words(
        {"action": "c2pa.opened"},
        {
            "action": "c2pa.edited",
            "softwareAgent": {"name": "eros"},
            "digitalSourceType": f"{IPTC}compositeWithTrainedAlgorithmicMedia",
        },
        {"action": "c2pa.resized", "digitalSourceType": f"{IPTC}algorithmicallyEnhanced"},
    ) == ("opened", "edited by eros, partly drawn by a model", "resized, enhanced by a program")


def test_older_assertions_and_unknown_source_types_are_told():
    """Version 1 names its agent in a text; a source type without words of ours keeps its name."""
    action = {"action": "c2pa.created", "softwareAgent": "Shop 1.0", "digitalSourceType": f"{IPTC}print"}
    assert words(action, label="c2pa.actions") == ("created by Shop 1.0, print",)


@pytest.mark.parametrize(
    "manifest",
    [
        {},
        {"assertions": []},
        {"assertions": [{"label": "c2pa.actions"}]},
        {"assertions": [{"label": "c2pa.actions", "data": "text"}]},
        {"assertions": [{"label": "c2pa.actions", "data": {"actions": {"action": "x"}}}]},
        {
            "assertions": [
                {"data": {"actions": ["x", None, 5]}},
                {"label": "c2pa.actions", "data": {"actions": ["x", 5]}},
            ]
        },
    ],
)
def test_manifest_without_actions_has_no_history(manifest):
    """Whatever stands in their place."""
    assert history_words(manifest) == ()


def test_long_and_odd_texts_of_strangers_are_cut():
    """No control character, no endless name, no endless list."""
    long = {"action": "x" * 500, "softwareAgent": {"name": "a\x1b[31m\n" + "b" * 500}, "digitalSourceType": 5}
    found = words(*[long] * 1000)
    assert len(found) == MAX_STEPS
    assert found[0] == f"{'x' * MAX_CHARS} by a[31m{'b' * (MAX_CHARS - 5)}"
    assert words({"action": None, "softwareAgent": ["a"]}) == ("unknown",)
