"""Strict decoding: each wrong value is an error with the name of its field, in words for callers of any language."""

import pytest

from imgen.domain.errors import InvalidField, InvalidJson
from imgen.surfaces.forge.wire import ForgeGenerate
from imgen.surfaces.strict import decode


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        (b"{}", "prompt", "prompt is required"),
        (b'{"prompt": 5}', "prompt", "prompt: expected a string, got a whole number"),
        (b'{"prompt": null}', "prompt", "prompt: expected a string, got null"),
        (b'{"prompt": "a", "sync": "true"}', "sync", "sync: expected true or false, got a string"),
        (b'{"prompt": "a", "seed": -1}', "seed", "seed: expected a whole number >= 0"),
        (b'{"prompt": "a", "seed": 4294967296}', "seed", "seed: expected a whole number <= 4294967295"),
        (b'{"prompt": "a", "seed": 1.5}', "seed", "seed: expected a whole number, got a number"),
        (
            b'{"prompt": "a", "aspect_ratio": "5:4"}',
            "aspect_ratio",
            "aspect_ratio is one of 16:9, 1:1, 2:3, 3:2, 3:4, 4:3, 9:16",
        ),
        (b'{"prompt": "a", "input_strength": 1.01}', "input_strength", "input_strength: expected a number <= 1.0"),
    ],
)
def test_a_wrong_field_is_named(body, field, message):
    """Nothing is repaired."""
    with pytest.raises(InvalidField) as refused:
        decode(body, ForgeGenerate)
    assert (refused.value.field, str(refused.value)) == (field, message)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b'"a"', b"{", b'{"prompt": "\xff"}', b"[" * 100_000, b'{"prompt": "\\ud800"}']
)
def test_what_is_no_object_is_told_as_such(body):
    """Broken JSON, other JSON, and nesting without end."""
    with pytest.raises(InvalidJson):
        decode(body, ForgeGenerate)


def test_unknown_fields_are_ignored_and_null_is_left_out():
    """Newer clients may send more."""
    read = decode(b'{"prompt": "a", "seed": null, "later": {"x": 1}}', ForgeGenerate)
    assert (read.prompt, read.seed) == ("a", None)
