"""Decoding of bodies: lone surrogates, which JSON can spell and no store can keep."""

import contextlib
import time

import msgspec
import pytest

from imgen.domain.errors import InvalidJson, MissingAction
from imgen.domain.prompt import parse
from imgen.surfaces.action.choices import request_of
from imgen.surfaces.action.decoding import decode


def prompt(escaped):
    """The prompt of a body that spells it so."""
    return request_of(decode(b'{"action":"generate","prompt":"%s"}' % escaped)).prompt


@pytest.mark.parametrize(
    ("escaped", "parsed"),
    [
        (rb"red\ud83d coat", "red coat"),
        (rb"red coat\udc00", "red coat"),
        (rb"\ud800\ud800red\udc00 \udc00\ud800coat", "red coat"),
        (rb"red \uD83D\uDE00 coat\uD83D", "red 😀 coat"),
        (rb"red \\ud83d coat\ud83d", r"red \ud83d coat"),
        (rb"red \\\ud83d coat", "red \\ coat"),
        (rb"red \\\\ud83d\ude00 coat", r"red \\ud83d coat"),
        (rb"red \u0041\ud83d\u0042", "red AB"),
    ],
)
def test_lone_surrogates_are_dropped(escaped, parsed):
    """Those alone: pairs stay letters, and an escaped backslash is text."""
    assert parse(prompt(escaped), ()).positive == (parsed,)


def test_a_surrogate_in_any_field_spoils_nothing():
    """Names of fields and unknown fields may have one as well; a choice with one is another word."""
    call = decode(rb'{"action":"generate","x\ud800":"\udc00","style":"plain\ud800","prompt":"coat"}')
    assert request_of(call).style == "plain\uffff"
    with pytest.raises(MissingAction):
        decode(rb'{"prompt":"\ud800"}')
    with pytest.raises(InvalidJson):
        decode(rb'{"action":"generate","prompt":"\ud800"')


def test_twelve_megabytes_of_surrogates_hold_nobody_up():
    """Beyond the longest prompt they are not repaired, and the body is no JSON."""
    started = time.process_time()
    with pytest.raises(InvalidJson):
        prompt(rb"\ud800" * 2_000_000)
    assert time.process_time() - started < 2
    assert msgspec.json.decode(rb'"\ud83d\ude00"') == "😀"  # a pair is JSON as it is


@pytest.mark.parametrize("escapes", [rb"\\" * 6_000_000, rb"\\a" * 4_000_000, rb"\"" * 6_000_000])
def test_twelve_megabytes_of_backslashes_hold_nobody_up(escapes):
    """Before a lone surrogate, which makes the body be read again."""
    started = time.process_time()
    with contextlib.suppress(InvalidJson):
        prompt(escapes + rb"\ud800")
    assert time.process_time() - started < 2
