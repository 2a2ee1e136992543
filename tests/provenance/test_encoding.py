"""File formats: what comes out is what was asked for, and nothing but pixels."""

import io

import numpy as np
import pytest
from PIL import Image

from imgen.provenance import encoding


def opened(body):
    return Image.open(io.BytesIO(body))


@pytest.mark.parametrize("file_format", encoding.MIME)
def test_format_is_the_one_asked_for(photo, file_format):
    """Each name gives a file of that format, in the picture's size, near to the picture."""
    body = encoding.encode(photo, file_format, quality=95)
    image = opened(body)
    assert (image.format.lower(), image.get_format_mimetype()) == (file_format, encoding.MIME[file_format])
    assert image.size == (1344, 768)
    assert np.abs(encoding.decode(body).astype(int) - photo).mean() < 3


@pytest.mark.parametrize("file_format", encoding.MIME)
def test_same_pixels_give_same_bytes(photo, file_format):
    """Encoding again gives the same file, so a retried job overwrites nothing."""
    small = photo[:256, :256]
    assert encoding.encode(small, file_format, quality=95) == encoding.encode(small, file_format, quality=95)


@pytest.mark.parametrize("file_format", encoding.MIME)
def test_file_holds_no_metadata(photo, file_format):
    """No EXIF, no profile, no XMP."""
    image = opened(encoding.encode(photo[:256, :256], file_format, quality=95))
    assert not dict(image.getexif())
    assert not {"exif", "icc_profile", "xmp"} & set(image.info)


@pytest.mark.parametrize("file_format", ["jpeg", "webp", "avif"])
@pytest.mark.parametrize(("better", "worse"), [(100, 95), (95, 50), (50, 1)])
def test_quality_costs_bytes(photo, file_format, better, worse):
    """The whole range of quality is accepted, and more of it makes a larger file."""
    small = photo[:256, :256]
    sizes = [len(encoding.encode(small, file_format, quality=quality)) for quality in (better, worse)]
    assert sizes[0] > sizes[1]


@pytest.mark.parametrize(("file_format", "levels"), [("png", 0), ("webp", 0), ("avif", 3)])
def test_lossless_keeps_every_pixel(pictures, file_format, levels):
    """PNG always and WebP on request are exact; AVIF is as near as its library goes."""
    noise = pictures["noise"](256, 256)
    decoded = encoding.decode(encoding.encode(noise, file_format, quality=20, lossless=True))
    assert np.abs(decoded.astype(int) - noise).max() <= levels


def test_lossless_means_nothing_to_jpeg(photo):
    """The contract counts `lossless` for WebP and AVIF only."""
    small = photo[:256, :256]
    assert encoding.encode(small, "jpeg", quality=80, lossless=True) == encoding.encode(small, "jpeg", quality=80)


@pytest.mark.parametrize("file_format", encoding.MIME)
@pytest.mark.parametrize(
    ("shape", "size"), [((768, 1344), (384, 219)), ((1344, 768), (219, 384)), ((100, 50), (50, 100))]
)
def test_thumbnail_is_384_at_its_long_edge(photo, file_format, shape, size):
    """A thumbnail keeps format and proportions, and a small picture is not blown up."""
    pixels = np.ascontiguousarray(np.resize(photo, (*shape, 3)))
    image = opened(encoding.thumbnail(pixels, file_format))
    assert (image.format.lower(), image.size) == (file_format, size)
