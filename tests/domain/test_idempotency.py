"""Idempotency keys as clients send them, and fingerprints of bodies."""

import io

import pytest

from imgen.domain.errors import InvalidField
from imgen.domain.idempotency import LONGEST, file_fingerprint, json_fingerprint, parse_key


@pytest.mark.parametrize(
    ("sent", "key"),
    [
        ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ('"8e03978e-40d5-43dd-bc93-6894a57f9324"', "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ('  "a b"  ', "a b"),
        (r'"say \"hello\" \\ "'.replace(r" \\ ", r"\\"), 'say "hello"\\'),
        ("x", "x"),
        ('"', '"'),
        ("k" * LONGEST, "k" * LONGEST),
        ('"' + "k" * LONGEST + '"', "k" * LONGEST),
    ],
)
def test_quoted_and_bare_keys_are_the_same(sent, key):
    """A structured field's quotes and escapes are no part of the key."""
    assert parse_key(sent) == key


@pytest.mark.parametrize("sent", ["", "   ", '""', '"  "', "k" * (LONGEST + 1), "schlüssel", "a\tb", "a\x00b", "\x7f"])
def test_other_values_are_refused(sent):
    """Empty, too long, or beyond printable ASCII."""
    with pytest.raises(InvalidField, match="Invalid Idempotency-Key"):
        parse_key(sent)


def test_order_and_space_of_members_do_not_count():
    """The same object is the same request, however a client's library writes it."""
    first = json_fingerprint(b'{"action":"generate","prompt":"a coat","n":2}')
    assert json_fingerprint(b'{ "n": 2,\n "prompt": "a coat", "action": "generate" }') == first
    others = [b'{"action":"generate","prompt":"a coat","n":3}', b'{"action":"generate","prompt":"a coat"}', b"{}"]
    assert len({first, *map(json_fingerprint, others)}) == 4


def test_members_cannot_run_into_each_other():
    """Two objects whose names and values join to the same text are two requests."""
    assert json_fingerprint(b'{"a":1,"b":2}') != json_fingerprint(b'{"a":"1b2"}')
    assert json_fingerprint(b'{"a":11}') != json_fingerprint(b'{"a1":1}')


def test_bodies_that_are_no_objects_have_fingerprints():
    """A body that cannot be read is told apart by its bytes, also one nested too deep."""
    bodies = [b"", b"[1]", b"no JSON", b"\xff", b"[" * 100_000]
    assert len(set(map(json_fingerprint, bodies))) == len(bodies)


def test_files_are_read_in_parts():
    """A file of several megabytes has the fingerprint of its whole."""
    body = bytes(range(256)) * 10_000
    assert file_fingerprint(io.BytesIO(body)) == json_fingerprint(body)
