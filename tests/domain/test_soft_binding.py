"""Values of soft bindings as clients write them, and names of algorithms."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgen.domain.soft_binding import DIGITS, Algorithm, algorithms_by_name, parse_value


@pytest.mark.parametrize("algorithm", Algorithm)
@given(data=st.data())
def test_a_value_is_read_in_each_of_its_forms(algorithm, data):
    """Hex, base64 of hex and base64 of bytes, of either alphabet, with and without padding, `+` unescaped."""
    value = data.draw(st.binary(min_size=DIGITS[algorithm] // 2, max_size=DIGITS[algorithm] // 2))
    text = value.hex()
    written = {text, text.upper()}
    for plain in (value, text.encode()):
        coded = base64.b64encode(plain).decode()
        written |= {coded, coded.rstrip("="), coded.replace("+", " "), base64.urlsafe_b64encode(plain).decode()}
    assert {parse_value(algorithm, one) for one in written} == {text}


@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.parametrize(
    "text", ["", "=", "A", "!!!", "é" * 12, "g" * 12, "0" * 11, "0" * 63, "0" * 65, "Mio=", "\0" * 12, "A" * 5000]
)
def test_anything_else_is_no_value(algorithm, text):
    """Of another length, alphabet or kind."""
    assert parse_value(algorithm, text) is None


@given(st.text())
def test_no_text_breaks_it(text):
    """Whatever a client sends is a value in lower-case hex or none."""
    for algorithm in Algorithm:
        value = parse_value(algorithm, text)
        assert value is None or (len(value) == DIGITS[algorithm] and int(value, 16) >= 0 and value == value.lower())


def test_present_names_come_first():
    """An operator's domain, then the private one, then the names of 0.2."""
    names = list(algorithms_by_name("com.example"))
    assert names[:2] == ["com.example.dwtDctSvd.bch127", "com.example.pdq"]
    assert names[2:] == [
        "internal.imgen.dwtDctSvd.bch127",
        "internal.imgen.pdq",
        "imgen.dwtDctSvd.bch127",
        "com.facebook.pdq",
    ]
    assert len(algorithms_by_name("internal.imgen")) == 4
