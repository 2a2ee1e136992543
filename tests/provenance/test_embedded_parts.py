"""Parts of files beside their pixels: ICC profiles and C2PA manifest stores."""

import io
import struct
import zlib

import pytest
from bombs import chunk, saved
from color_profiles import wide_rgb
from factories import make_manifest
from PIL import Image

from imgen.provenance import embedded_parts
from imgen.provenance.signer import open_signer

IMAGE = Image.new("RGB", (64, 64), (10, 20, 30))
FORMATS = ("PNG", "JPEG", "WEBP")


@pytest.fixture(scope="module")
def signed(chain):
    """Format → a signed file."""
    signer = open_signer(chain.chain, chain.key, anchors=chain.anchor)
    manifest = make_manifest()
    return {
        name: signer.sign(saved(IMAGE, name), f"image/{name.lower()}", manifest).body for name in (*FORMATS, "AVIF")
    }


@pytest.mark.parametrize("name", FORMATS)
def test_a_profile_is_found(name):
    """Whole, as it was written; a JPEG has a large one in several parts."""
    for profile in (wide_rgb(), wide_rgb() + bytes(100_000)):
        assert embedded_parts.icc_profile(saved(IMAGE, name, icc_profile=profile)) == profile
    assert embedded_parts.icc_profile(saved(IMAGE, name)) == b""


@pytest.mark.parametrize("name", FORMATS)
def test_a_profile_of_a_broken_file_is_none(name):
    """Wherever the file is cut off, at most the whole profile is found."""
    body, profile = saved(IMAGE, name, icc_profile=wide_rgb()), wide_rgb()
    assert {embedded_parts.icc_profile(body[:length]) for length in range(0, len(body), 7)} <= {b"", profile}


def test_a_profile_that_unfolds_to_much_is_none():
    """Neither a text of 30 MB in a PNG nor a broken one is held."""
    body = saved(IMAGE, "PNG")
    for packed in (zlib.compress(bytes(30_000_000)), b"\xff" * 50, zlib.compress(wide_rgb())[:-9]):
        assert embedded_parts.icc_profile(body[:33] + chunk(b"iCCP", b"x\0\0" + packed) + body[33:]) == b""


@pytest.mark.parametrize("name", [*FORMATS, "AVIF"])
def test_a_manifest_store_is_seen(signed, name):
    """In a signed file of each format, and in no other."""
    assert embedded_parts.has_manifest(signed[name])
    assert not embedded_parts.has_manifest(saved(IMAGE, name))
    assert not embedded_parts.has_manifest(signed[name][:20])


def test_another_app11_is_no_manifest_store():
    """JPEG XT keeps other things in such segments, and words alone are none."""
    body = saved(IMAGE, "JPEG")
    for content in (b"JP\0\1\0\0\0\1jxt ", b"c2pa jumb", b"HDR_RI ver=11"):
        assert not embedded_parts.has_manifest(
            body[:2] + b"\xff\xeb" + struct.pack(">H", len(content) + 2) + content + body[2:]
        )
    assert not embedded_parts.has_manifest(b"c2pa" + io.BytesIO(body).read())
