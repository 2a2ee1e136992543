"""Data URIs of pictures."""

import base64
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
        "data:image/png;name=a b.png; base64 ,aGVsbG8=",
        'data:image/png;name="red coat, old.png";base64,aGVsbG8=',
        "data:image/png;base64,aGVsbG8",
        "data:image/png;base64,aGVsbG8%3D",
        "data:image/png;base64,%61GVs%0AbG8=%20",
        "data:image/png;charset=utf-8,hel%6Co",
        "data:,%68%65%6c%6C%6f",
    ],
)
def test_any_data_uri_is_decoded(text):
    """Case, media type, parameters, spaces, padding and percent escapes do not matter."""
    assert decode_data_uri(text, field="image", max_bytes=5) == b"hello"


@pytest.mark.parametrize("body", [b"\x89PN\xfb\xef\xbe\xfb\xefz", b"\x89PN\xfb\xef\xbe\x01"])
def test_spaces_of_a_form_are_pluses_again(body):
    """PHP decodes each `+` of a form's field to a space; spaces beside a `+` or a line break are nothing but spaces."""
    encoded = base64.b64encode(body).decode()
    assert encoded.count("+") in {4, 6}
    for text in (encoded.replace("+", " "), f"{encoded[:3]} {encoded[3:]}", f" {encoded[:4]}\r\n {encoded[4:]}"):
        assert decode_data_uri(f"data:image/png;base64,{text}", field="image", max_bytes=9) == body


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
        "data:image/png;base64,aGVsbG8\u00e9",
        "data:image/png;base64,aGVsbG8\ud800",
        "data:image/png;base64,aGVsb",
        "data:image/png;base64,aGV=sbG8",
        "data:image/png;base64,%zz",
        "data:image/png;base64,%",
        "data:image/png,%68ello!",
        "data:image/png," + "%68" * 400,
        "data:image/png;base64",
    ],
    ids=[
        "no URI",
        "text",
        "empty",
        "other letters",
        "a byte too many",
        "far too long",
        "long media type",
        "a letter beyond ASCII",
        "half a letter",
        "a letter too many",
        "padding in the middle",
        "no escape",
        "half an escape",
        "an escaped byte too many",
        "escapes far too long",
        "no comma",
    ],
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


def test_letters_of_base64url_are_taken():
    """Bytes whose letters differ between the two alphabets."""
    for text in ("data:;base64,-_-_", "data:;base64,+/+/", "data:;base64,%2B%2F%2b%2f"):
        assert decode_data_uri(text, field="image", max_bytes=3) == b"\xfb\xff\xbf"


def test_escapes_are_whole_wherever_they_stand():
    """A picture of escapes alone, longer than the blocks in which they are decoded, with any number of letters before them."""
    for shift in range(4):
        text = "data:," + "x" * shift + "%ff" * 100_000
        body = decode_data_uri(text, field="image", max_bytes=200_000)
        assert body == b"x" * shift + b"\xff" * 100_000


def test_escapes_cost_little_memory():
    """Two million escapes are no two million objects."""
    text = "data:image/png," + "%ff" * (2 << 20)
    tracemalloc.start()
    try:
        assert len(decode_data_uri(text, field="image", max_bytes=4 << 20)) == 2 << 20
        assert tracemalloc.get_traced_memory()[1] < 6 * len(text)
    finally:
        tracemalloc.stop()
