"""Base64 in the JSON of an engine's answer, plain and escaped, over the borders of the pieces in which it is decoded."""

import base64
import random

import msgspec
import pytest

from workers.engines.remote.pictures import PIECE_BYTES, from_json_base64

FILE = random.Random(7).randbytes(PIECE_BYTES * 2)
TEXT = base64.b64encode(FILE).decode()
WRITTEN = {
    "plain": str,
    "slashes escaped": lambda text: text.replace("/", "\\/"),
    "pluses by number": lambda text: text.replace("+", "\\u002b"),
    "both": lambda text: text.replace("+", "\\u002B").replace("/", "\\/"),
    "each sign by number": lambda text: "".join(f"\\u{ord(sign):04x}" for sign in text),
}


@pytest.mark.parametrize("head", ["", "data:image/png;base64,"])
@pytest.mark.parametrize("name", WRITTEN)
def test_base64_is_decoded_however_it_is_written(name, head):
    """As some libraries write it, and as a data URI."""
    assert from_json_base64(msgspec.Raw(f'"{head}{WRITTEN[name](TEXT)}"'.encode())) == FILE


@pytest.mark.parametrize("ahead", range(PIECE_BYTES - 8, PIECE_BYTES + 1, 4))
@pytest.mark.parametrize("escape", ["\\/", "\\u002f"])
def test_an_escape_across_two_pieces_is_one_sign(ahead, escape):
    """At each place at which it can be cut."""
    for shift in ("AAAA", "AAA", "AA", "A"):
        text = "A" * ahead + shift + "/" + "A" * (7 - len(shift))
        decoded = from_json_base64(msgspec.Raw(f'"{text.replace("/", escape)}"'.encode()))
        assert decoded == base64.b64decode(text)


@pytest.mark.parametrize(
    "text", ["5", "null", '"A"', '"AAA"', '"\\/AAA=AAA"', '"AA==\\/AAA"', '"\\/AA%"', '"\\u00e9AAA"', '"\\nAAAA"']
)
def test_what_is_no_base64_is_told(text):
    """Whatever it is instead."""
    with pytest.raises(ValueError, match="the picture is no"):
        from_json_base64(msgspec.Raw(text.encode()))


def test_nothing_follows_the_padding_of_an_earlier_piece():
    """Each piece is decoded for itself, and yet the whole has to be base64."""
    text = "\\/AAA" + "A" * (PIECE_BYTES - 9) + "AA==" + "AAAA"
    with pytest.raises(ValueError, match="no base64"):
        from_json_base64(msgspec.Raw(f'"{text}"'.encode()))
