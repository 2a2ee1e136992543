"""The invisible watermark: bit-compatible, invisible, and still there after what happens to pictures."""

import io

import numpy as np
import pytest
from PIL import Image

from imgen.domain import errors
from imgen.domain.catalog import SIZES
from imgen.provenance import bch_code, encoding, watermark

ID = "0123456789ab"


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


def saved(pixels, file_format, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, file_format, **options)
    return np.asarray(Image.open(file).convert("RGB"))


@pytest.mark.parametrize(("size", "content"), [*((size, "photo") for size in SIZES), ((1000, 1003), "illustration")])
def test_reference_package_decodes_our_mark(pictures, size, content):
    """invisible-watermark's own decoder reads every bit of the codeword, at every size, multiples of 8 or not."""
    imwatermark = pytest.importorskip("imwatermark")
    width, height = size
    marked = watermark.embed(pictures[content](height, width), ID)
    decoded = imwatermark.WatermarkDecoder("bits", bch_code.BITS).decode(marked[..., ::-1].copy(), "dwtDctSvd")
    assert decoded.astype(int).tolist() == bch_code.encode(ID).tolist()


def test_reference_package_decodes_every_kind_of_picture(pictures):
    """Full and empty channels, flat areas and noise hide no bit from the package's decoder at the smallest size."""
    imwatermark = pytest.importorskip("imwatermark")
    for name, make in pictures.items():
        marked = watermark.embed(make(256, 256), ID)
        decoded = imwatermark.WatermarkDecoder("bits", bch_code.BITS).decode(marked[..., ::-1].copy(), "dwtDctSvd")
        assert decoded.astype(int).tolist() == bch_code.encode(ID).tolist(), name


@pytest.mark.parametrize("file_format", encoding.MIME)
def test_mark_holds_at_default_quality_in_every_size(pictures, file_format):
    """The default quality of each format leaves the mark readable in all contract sizes."""
    names = list(pictures)
    for index, (width, height) in enumerate(SIZES):
        # Each size with two other contents
        for name in names[index * 2 : index * 2 + 2]:
            marked = watermark.embed(pictures[name](height, width), ID)
            found = watermark.decode(encoding.decode(encoding.encode(marked, file_format, quality=95)))
            assert found.id == ID, (name, width, height)
            assert found.confidence > 0.9, (name, width, height)


@pytest.mark.parametrize("file_format", encoding.MIME)
def test_mark_holds_at_default_quality_in_small_pictures(pictures, file_format):
    """Eight votes a bit are enough at the default quality; pure noise alone is not asked to survive at this size."""
    for name, make in pictures.items():
        if name != "noise":
            marked = watermark.embed(make(256, 256), ID)
            assert watermark.decode(encoding.decode(encoding.encode(marked, file_format, quality=95))).id == ID, name


@pytest.mark.parametrize(
    ("file_format", "options"),
    [
        ("JPEG", {"quality": 75}),
        ("JPEG", {"quality": 60}),
        ("WEBP", {"quality": 75}),
        ("WEBP", {"quality": 60}),
        ("AVIF", {"quality": 65, "speed": 8}),
        ("AVIF", {"quality": 50, "speed": 8}),
    ],
)
@pytest.mark.parametrize("name", ["photo", "dark", "gradient", "illustration"])
def test_mark_holds_where_platforms_compress(pictures, name, file_format, options):
    """The mark stays readable after all that sites do to uploads, in pictures as models make them."""
    marked = watermark.embed(pictures[name](768, 1344), ID)
    assert watermark.decode(saved(marked, file_format, **options)).id == ID


def test_mark_cannot_be_seen(pictures):
    """Every kind of picture keeps 37.5 dB, pure blue being the worst; ordinary ones keep 42."""
    measured = {name: psnr(make(512, 512), watermark.embed(make(512, 512), ID)) for name, make in pictures.items()}
    assert min(measured.values()) > 37.5, measured
    assert min(measured[name] for name in ("photo", "dark", "bright", "gradient", "illustration")) > 42, measured


def test_pictures_without_mark_have_none(pictures):
    """Nothing is found in noise, gradients, flat colours and photographs that were never marked."""
    for name, make in pictures.items():
        for height, width in ((256, 256), (768, 1344)):
            assert watermark.decode(make(height, width)) == watermark.DecodedWatermark(id=None, confidence=0.0), name


def test_foreign_mark_is_not_taken_for_ours(photo):
    """A picture marked by the package with another payload carries no id of ours."""
    imwatermark = pytest.importorskip("imwatermark")
    encoder = imwatermark.WatermarkEncoder()
    encoder.set_watermark("bytes", b"sixteen bytes in")
    foreign = encoder.encode(np.ascontiguousarray(photo[:256, :256, ::-1]), "dwtDctSvd")[..., ::-1]
    assert watermark.decode(foreign).id is None


def test_embedding_leaves_its_input_alone(photo):
    """The picture handed in is not written to, and the marked one is another array."""
    before = photo.copy()
    marked = watermark.embed(photo, ID)
    assert np.array_equal(photo, before)
    assert not np.shares_memory(photo, marked)


def test_second_mark_replaces_the_first(photo):
    """A picture that is finished anew from a marked source answers with its new id."""
    again = watermark.embed(watermark.embed(photo, ID), "ffffffffffff")
    assert watermark.decode(again).id == "ffffffffffff"


@pytest.mark.parametrize("shape", [(64, 64, 3), (255, 256, 3), (7, 20_000, 3)])
def test_too_small_pictures_are_refused_and_read_as_unmarked(shape):
    """Too few blocks for the codeword: embedding says so, reading finds nothing."""
    pixels = np.full(shape, 90, np.uint8)
    with pytest.raises(errors.ModelError, match="too small"):
        watermark.embed(pixels, ID)
    assert watermark.decode(pixels).id is None
