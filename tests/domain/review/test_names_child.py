"""Words that name a child, for reviewers that see nudity but no age."""

import pytest

from imgen.domain.review.floor import names_child


@pytest.mark.parametrize(
    "parts",
    [
        {"prompt": "a child on a beach"},
        {"prompt": "portrait, 14 year old"},
        {"prompt": "beach", "positive": "beach, little girl"},
        {"prompt": "une fillette sur la plage"},
        {"prompt": "beach", "cs_title": "My child"},
    ],
    ids=str,
)
def test_children_are_named(parts):
    """In any positive part, by a word or an age, in any language of the floor."""
    assert names_child(parts)


@pytest.mark.parametrize(
    "parts",
    [
        {"prompt": "a woman on a beach"},
        {"prompt": "a 40 year old man"},
        {"prompt": "beach, -child"},
        {"prompt": "beach", "negative": "child"},
        {"prompt": "beach", "precompliance": "no child"},
        {},
    ],
    ids=str,
)
def test_others_are_not(parts):
    """Adults, what is to be kept out of the picture, and hints."""
    assert not names_child(parts)
