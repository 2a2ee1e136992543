"""Data URIs of pictures."""

import tracemalloc

import pytest

from imgen.domain.data_uri import decode_data_uri
from imgen.domain.errors import InvalidField


@pytest.mark.parametrize(
    "text",
    [
        "data:image/png;base64,aGVsbG8=",
        "  DATA:IMAGE/PNG;BASE64,aGVs\n bG8=  ",
        "data:;base64,aGVsbG8=",
        "data:image/svg+xml;charset=utf-8;base64,aGVsbG8=",
    ],
)
def test_any_base64_uri_is_decoded(text):
    """Case, media type, parameters and spaces do not matter."""
    assert decode_data_uri(text, field="image", max_bytes=5) == b"hello"


@pytest.mark.parametrize(
    "text",
    [
        "aGVsbG8=",
        "data:image/png,hello",
        "data:image/png;base64,",
        "data:image/png;base64,a$==",
        "data:image/png;base64,aGVsbG8h",
        "data:image/png;base64," + "a" * 3000,
        "data:" + "x" * 300 + ";base64,aGVsbG8=",
    ],
    ids=["no URI", "not base64", "empty", "other letters", "a byte too many", "far too long", "long media type"],
)
def test_anything_else_names_the_field(text):
    """The error names the field that the caller sent."""
    with pytest.raises(InvalidField, match="image"):
        decode_data_uri(text, field="image", max_bytes=5)


def test_spaces_between_letters_cost_no_memory():
    """Two megabytes of single letters are no two million objects."""
    text = "data:;base64," + "A " * (2 << 20)
    tracemalloc.start()
    try:
        assert len(decode_data_uri(text, field="image", max_bytes=4 << 20)) == 3 << 19
        assert tracemalloc.get_traced_memory()[1] < 6 * len(text)
    finally:
        tracemalloc.stop()
