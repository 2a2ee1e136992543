"""Masters: lossless, small, and with what is told of every picture made from them."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from factories import make_job, make_recipe
from PIL import Image

from workers.picture import Picture
from workers.stages import master


def grain(height=96, width=160):
    """Soft waves with a grain, (height, width, 3)."""
    waves = np.sin(np.arange(width) / 9)[None, :, None] * 90 + np.sin(np.arange(height) / 7)[:, None, None] * 30 + 128
    noise = np.random.default_rng(1).integers(-3, 4, (height, width, 3))
    return (waves + noise).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("upscaler", "idle"),
    [("", ()), ("lanczos", ("negative",)), ("models/RealESRGAN_x4.safetensors", ("negative", "guidance"))],
)
def test_comes_back_as_it_was(resources, upscaler, idle):
    """Pixels of a master, and all that it tells of them, are those that were stored, and it takes less than the pixels."""
    pixels = grain()
    context = SimpleNamespace(job=make_job(), resources=resources)
    stored = master.keep(Picture(pixels=pixels, drawn_at=1767323045.0, upscaler=upscaler, idle=idle), context)
    context.job = make_job(master_key=stored.master_key)
    fetched = master.fetch(Picture(), context)
    assert np.array_equal(fetched.pixels, pixels)
    assert (fetched.drawn_at, fetched.upscaler, fetched.idle) == (1767323045.0, upscaler, idle)
    assert len(resources.objects.get(stored.master_key)) < pixels.nbytes


@pytest.mark.parametrize("kind", ["tiff", "png"])
def test_of_an_earlier_version_is_read(kind):
    """Masters in the formats of earlier versions give their pixels and their time."""
    exif = Image.Exif()
    exif[0x0132] = "2026:01:02 03:04:05"
    file = io.BytesIO()
    Image.fromarray(grain()).save(file, kind, exif=exif)
    read = master.decoded(Picture(), file.getvalue())
    assert np.array_equal(read.pixels, grain())
    assert (read.drawn_at, read.upscaler, read.idle) == (1767323045.0, "", ())


def test_kept_for_reuse_tells_its_upscaler(resources):
    """A master of the semantic cache has the upscaler for later pictures."""
    context = SimpleNamespace(job=make_job(recipe=make_recipe(cache_entry_id="ent_1")), resources=resources)
    verdict = SimpleNamespace(safe=True, flags=(), codes=())
    kept = master.keep_for_reuse(Picture(pixels=grain(), upscaler="lanczos", verdict=verdict), context).kept
    body = resources.objects.get(kept.key)
    assert kept.size_bytes == len(body)
    assert master.decoded(Picture(), body).upscaler == "lanczos"


def as_png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_of_an_engines_file_is_that_file(resources):
    """A PNG that takes the place of pixels is stored byte by byte, and all told comes back."""
    pixels, png = grain(), as_png(grain())
    context = SimpleNamespace(job=make_job(), resources=resources)
    stored = master.keep(Picture(drawn_at=1767323045.0, idle=("seed",), drawn_png=png), context)
    context.job = make_job(master_key=stored.master_key)
    fetched = master.fetch(Picture(), context)
    assert stored.master_key.endswith(".png")
    assert png[33:] in resources.objects.get(stored.master_key)
    assert np.array_equal(fetched.pixels, pixels)
    assert (fetched.drawn_at, fetched.idle) == (1767323045.0, ("seed",))
