"""Inspection of a picture file: its credentials, and the watermark that is left when they were stripped."""

import io

import msgspec
import numpy as np
import pytest
from factories import make_manifest
from PIL import Image

from imgen.domain import errors
from imgen.provenance import encoding, watermark
from imgen.provenance.fingerprint import distance, fingerprint
from imgen.provenance.inspection import inspect_picture
from imgen.provenance.signer import open_signer

ID = "c0ffee123456"


@pytest.fixture(scope="module")
def marked(photo):
    return watermark.embed(photo, ID)


@pytest.mark.parametrize(("file_format", "mime"), encoding.MIME.items())
def test_finished_picture_tells_everything(chain, marked, file_format, mime):
    """Credentials, mark, fingerprint and size are read from the bytes alone."""
    printed = fingerprint(marked)
    manifest = make_manifest(watermark_id=ID, fingerprint=printed.hash)
    signer = open_signer(chain.chain, chain.key)
    signed = signer.sign(encoding.encode(marked, file_format, quality=95), mime, manifest)
    found = inspect_picture(signed.body, chain.anchor)
    assert (found.credentials.state, found.credentials.manifest_id) == ("Trusted", signed.manifest_id)
    assert found.watermark.id == ID
    assert distance(found.fingerprint.hash, printed.hash) <= 6
    assert (found.width, found.height) == (1344, 768)


def test_stripped_and_recompressed_picture_still_has_its_mark(chain, marked):
    """A picture as a platform leaves it, without credentials and in another format, is known by its id all the same."""
    file = io.BytesIO()
    Image.fromarray(marked).save(file, "JPEG", quality=70)
    found = inspect_picture(file.getvalue(), chain.anchor)
    assert (found.credentials.state, found.watermark.id) == ("None", ID)


def test_grey_and_transparent_pictures_are_read(pictures):
    """Any mode is looked at as RGB, and no mark is seen where none is."""
    for mode in ("L", "P", "RGBA"):
        file = io.BytesIO()
        Image.fromarray(pictures["illustration"](300, 300)).convert(mode).save(file, "PNG")
        found = inspect_picture(file.getvalue())
        assert (found.watermark.id, found.width) == (None, 300)


@pytest.mark.parametrize("body", [b"", b"text" * 50, b"GIF89a" + bytes(50)])
def test_what_is_no_picture_is_refused(body):
    """The message names the field."""
    with pytest.raises(errors.InvalidField, match=r"^Invalid image$"):
        inspect_picture(body)


@pytest.mark.parametrize("file_format", encoding.MIME)
def test_large_pictures_are_refused_by_their_header(file_format):
    """Thirty-three megapixels are not decoded."""
    file = io.BytesIO()
    Image.fromarray(np.zeros((5700, 5800), np.uint8)).save(file, file_format)
    with pytest.raises(errors.InvalidField, match=r"^Invalid image$"):
        inspect_picture(file.getvalue())


def test_the_json_of_an_inspection_has_the_watermark_as_mark(photo):
    """`imgen verify --json` and the panel read these keys."""
    found = inspect_picture(encoding.encode(photo, "png", quality=95))
    assert list(msgspec.to_builtins(found)) == ["credentials", "mark", "fingerprint", "width", "height"]
