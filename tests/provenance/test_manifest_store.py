"""Manifest stores of which one manifest is taken, and files that are none."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgen.provenance.manifest_store import only

UUID = bytes(16)


def box(kind, content):
    return struct.pack(">I4s", 8 + len(content), kind) + content


def superbox(label, *inner):
    return box(b"jumb", box(b"jumd", UUID + b"\x03" + label.encode() + b"\0") + b"".join(inner))


MANIFESTS = [superbox(f"urn:c2pa:{name}", box(b"cbor", name.encode() * 9)) for name in ("first", "second")]
STORE = superbox("c2pa", *MANIFESTS)


@pytest.mark.parametrize(("label", "place"), [("urn:c2pa:first", 0), ("urn:c2pa:second", 1)])
def test_a_store_of_one_manifest(label, place):
    """The description of the store, and that manifest to the byte."""
    assert only(STORE, label) == superbox("c2pa", MANIFESTS[place])


def test_a_manifest_that_is_not_there():
    """Labels count as wholes."""
    assert only(STORE, "urn:c2pa:fir") is None
    assert only(STORE, "") is None


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        STORE[:-1],
        STORE + b"\0",
        STORE * 2,
        box(b"jumb", b""),
        box(b"jumb", MANIFESTS[0]),
        box(b"free", STORE[8:]),
        superbox("c2pa", box(b"jumb", b"")),
        superbox("c2pa", box(b"jumb", box(b"jumd", UUID + b"\0urn:c2pa:first\0"))),
        superbox("c2pa", box(b"jumb", box(b"jumd", UUID))),
        struct.pack(">I4s", 0, b"jumb") + STORE[8:],
    ],
)
def test_what_is_no_store_has_no_manifest(broken):
    """Cut, of other boxes, without descriptions or labels."""
    assert only(broken, "urn:c2pa:first") is None


@given(st.binary(max_size=64), st.integers(0, len(STORE) - 1))
def test_no_bytes_break_it(noise, at):
    """Noise is no store, and a store with noise in it is none or another."""
    assert only(noise, "urn:c2pa:first") is None
    found = only(STORE[:at] + noise + STORE[at + len(noise) :], "urn:c2pa:second")
    assert found is None or b"urn:c2pa:second" in found
