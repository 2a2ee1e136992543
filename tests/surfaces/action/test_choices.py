"""Requests of the Action API on their way to the core."""

import base64
import json
import time

import msgspec
import pytest

from imgen.domain.errors import InvalidField, InvalidJson
from imgen.domain.request import FIELDS
from imgen.services.inputs import MAX_INLINE_BYTES
from imgen.services.logos import MAX_LOGO_BYTES
from imgen.surfaces.action.choices import request_of
from imgen.surfaces.action.wire import Generate

FLAGS = [name for name, about in FIELDS.items() if about.schema["type"] == "boolean"]
NUMBERS = [name for name, about in FIELDS.items() if about.value_type == float | None]
TEXTS = [name for name, about in FIELDS.items() if about.value_type == str | None]
SOURCES = ("image", "mask")
CHOICES = [name for name, about in FIELDS.items() if about.value_type is object]


def uri(body: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(body).decode()}"


def sent(field, token):
    """The field of a request with that JSON text."""
    return getattr(request_of(Generate(**{field: msgspec.Raw(token)})), field)


def test_a_picture_is_decoded_when_it_is_read():
    """The core gets bytes, never a data URI, and a broken one fails only when something reads it."""
    assert sent("wm_image", json.dumps(uri(b"picture")))() == b"picture"
    for broken in ("nonsense", "data:image/png;base64,@@@", uri(bytes(MAX_LOGO_BYTES + 1))):
        read = sent("wm_image", json.dumps(broken))
        with pytest.raises(InvalidField, match="^Invalid wm_image$"):
            read()


@pytest.mark.parametrize("field", SOURCES)
def test_a_source_is_a_data_uri_or_an_id(field):
    """A URI is decoded when it is read, up to 8 MiB; any other text is an id, without spaces; no text is an error."""
    for sent_uri in (uri(b"picture"), f"  {uri(b'picture')}", uri(b"picture").replace("data:", "DATA:")):
        assert sent(field, json.dumps(sent_uri))() == b"picture"
    assert len(sent(field, json.dumps(uri(bytes(MAX_INLINE_BYTES))))()) == MAX_INLINE_BYTES
    for broken in ("data:image/png;base64,@@@", "data:", uri(bytes(MAX_INLINE_BYTES + 1))):
        read = sent(field, json.dumps(broken))
        with pytest.raises(InvalidField, match=f"^Invalid {field}$"):
            read()
    assert sent(field, '" up_abc "') == "up_abc"
    assert [sent(field, blank) for blank in ("null", '""', '" \\n"')] == [None] * 3
    for token in ("5", "[]", "{}", "true"):
        with pytest.raises(InvalidField, match=f"^Invalid {field}$"):
            sent(field, token)


@pytest.mark.parametrize("blank", ["null", '""', '" \\n"'])
def test_a_blank_picture_is_none(blank):
    """Forms send empty fields."""
    assert sent("wm_image", blank) is None


def test_every_kind_of_field_has_a_decoder():
    """Flags, numbers, texts, choices and pictures are all fields there are."""
    assert set(FLAGS) | set(NUMBERS) | set(TEXTS) | set(CHOICES) | {"wm_image", *SOURCES} == set(FIELDS)
    assert request_of(Generate()) == request_of(Generate(**dict.fromkeys(FIELDS, msgspec.Raw("null"))))


@pytest.mark.parametrize("field", FLAGS)
def test_a_flag_is_what_forms_mean(field):
    """A checkbox sends `on`, PHP 1, a shell "true"; empty is left out; anything else is an error with the field's name."""
    for token, value in (
        *((token, True) for token in ("true", "1", '"on"', '"ON"', '" yes "', '"true"', '"1"')),
        *((token, False) for token in ("false", "0", '"off"', '"no"', '"False"', '"0"')),
        *((token, None) for token in ("null", '""', '"  "', '"null"')),
    ):
        assert sent(field, token) is value, token
    for token in ('"maybe"', "2", "1.5", "[]", "{}", '["on"]', '"o"'):
        with pytest.raises(InvalidField, match=f"^Invalid {field}$"):
            sent(field, token)


@pytest.mark.parametrize("field", NUMBERS)
def test_a_number_may_be_text(field):
    """Digits in quotes count, empty is left out, a number beyond every float is infinite; anything else is an error."""
    for token, value in (
        ("7", 7), ("7.5", 7.5), ("-1e3", -1000), ('"7"', 7), ('" 7.5 "', 7.5), ('"+7"', 7), ('".5"', 0.5), ('"inf"', float("inf")),
        ("1e400", float("inf")), ("9" * 5000, float("inf")), ('"' + "9" * 500 + '"', float("inf")), ('"-Infinity"', float("-inf")),
        ("null", None), ('""', None), ('" "', None), ('"null"', None),
    ):  # fmt: skip
        assert sent(field, token) == value, token[:20]
    for token in ('"best"', '"on"', "true", "[]", "{}", "[7]", '"7,5"', '"1_0"', '"0x10"', '"٧"', '"７"'):
        with pytest.raises(InvalidField, match=f"^Invalid {field}$"):
            sent(field, token)


@pytest.mark.parametrize("field", TEXTS)
def test_a_text_is_text(field):
    """No other type is one; bytes that are not UTF-8 are no JSON."""
    assert (sent(field, '"x"'), sent(field, '""'), sent(field, "null")) == ("x", "", None)
    for token in ("5", "true", "[]", "{}"):
        with pytest.raises(InvalidField, match=f"^Invalid {field}$"):
            sent(field, token)
    with pytest.raises(InvalidJson):
        sent(field, b'"\xff"')


@pytest.mark.parametrize("field", CHOICES)
def test_a_choice_takes_any_type(field):
    """The core repairs what is no valid one, so nothing is refused here."""
    for token, value in (('"x"', "x"), ("5", 5), ("1.5", 1.5), ("true", True), ("null", None)):
        assert sent(field, token) == value
    for token in ("[]", "{}", "9" * 5000, b'"\xff"'):
        assert sent(field, token) is not None


@pytest.mark.parametrize("form", ["{}x", "0.{}x", "{}.{}x", "1e{}x", ".{}x"])
def test_a_long_bad_number_holds_nobody_up(form):
    """Megabytes of digits with a letter behind them are refused in one reading."""
    words = form.replace("{}", "1" * (1 << 21))
    started = time.process_time()
    with pytest.raises(InvalidField):
        sent("quality", msgspec.json.encode(words))
    assert time.process_time() - started < 2
