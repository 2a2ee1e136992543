"""Pictures in manifest stores: each that comes along is given, and what cannot be looked at is told."""

import io

import numpy as np
import pytest
from bombs import saved
from factories import make_manifest
from PIL import Image

from imgen.provenance.carried import MAX_TRIED, carried_pictures
from imgen.provenance.history import OPENED, SOURCE, WATERMARKED, Ingredient
from imgen.provenance.signer import open_signer

RED, BLUE = (200, 30, 30), (30, 30, 200)


def picture(colour, file_format="JPEG", **options):
    return saved(Image.new("RGB", (64, 48), colour), file_format, **options)


def box(kind, content):
    return (len(content) + 8).to_bytes(4, "big") + kind + content


def colours(store, known=()):
    """Name of the colour of each picture; None: of a file that cannot be looked at."""
    found = list(carried_pictures(store, known))
    return [None if one is None else ("red" if one[5, 5, 0] > one[5, 5, 2] else "blue") for one in found]


@pytest.fixture(scope="module")
def signer(chain):
    return open_signer(chain.chain, chain.key, anchors=chain.anchor)


def signed(signer, thumbnail, file=b""):
    """A file whose manifest has an ingredient with a thumbnail."""
    parent = Ingredient(label=SOURCE, relationship="parentOf", thumbnail=thumbnail, file=file)
    manifest = make_manifest(actions=(OPENED, WATERMARKED), ingredients=(parent,))
    return signer.sign(picture((0, 0, 0), "PNG"), "image/png", manifest)


def test_thumbnails_of_all_generations_are_given(signer):
    """That of the ingredient, and that of the ingredient's own ingredient; known ones are passed over."""
    red, blue = picture(RED), picture(BLUE)
    first = signed(signer, red)
    second = signed(signer, blue, first.body)
    assert colours(first.manifest_store) == ["red"]
    assert sorted(colours(second.manifest_store)) == ["blue", "red"]
    assert colours(second.manifest_store, [blue]) == ["red"]
    assert colours(second.manifest_store, [blue, red]) == []


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "AVIF"])
def test_every_format_is_found_in_any_box(file_format):
    """As an embedded file, and within a box of another type."""
    body = picture(RED, file_format)
    assert colours(box(b"bidb", body)) == ["red"]
    assert colours(box(b"cbor", b"\xa1ddata\x59\x01\x00" + body)) == ["red"]


@pytest.mark.parametrize(
    "content",
    [
        b"<svg/>",
        b"",
        picture(RED)[:200],
        picture(RED, "GIF"),
        saved(Image.new("RGB", (64, 48)), "WEBP", save_all=True, append_images=[Image.new("RGB", (64, 48), RED)]),
    ],
    ids=["SVG", "nothing", "cut off", "GIF", "several frames"],
)
def test_a_file_that_cannot_be_looked_at_is_told(content):
    """Whoever shows the credentials might be able to show it."""
    assert None in colours(box(b"bidb", content))


def test_compressed_boxes_and_countless_files_are_told():
    """They are not unpacked, and not all tried."""
    assert colours(box(b"brob", bytes(20))) == [None]
    assert colours(b"\xff\xd8\xff\xe0" * (MAX_TRIED + 1)) == [None]


def test_what_only_looks_like_a_picture_is_passed_over():
    """The first bytes of one within a hash or a signature."""
    assert colours(b"hash \xff\xd8\xff\xe0 RIFF1234WEBP \x89PNG\r\n\x1a\n") == []


def test_large_pictures_are_reduced():
    """To what reviewers look at; transparency stays."""
    file = io.BytesIO()
    Image.new("RGBA", (4000, 40), (9, 9, 9, 7)).save(file, "PNG")
    (pixels,) = carried_pictures(box(b"bidb", file.getvalue()))
    assert pixels.shape == (20, 2048, 4)
    assert np.unique(pixels[..., 3]).tolist() == [7]


def test_refused_pictures_are_not_signed_along(signer):
    """Credentials with one are left out, and the ingredient is named alone; the own thumbnail is not asked about again."""
    red, blue = picture(RED), picture(BLUE)
    file = signed(signer, red).body
    manifest = make_manifest(
        actions=(OPENED, WATERMARKED),
        ingredients=(Ingredient(label=SOURCE, relationship="parentOf", thumbnail=blue, file=file),),
    )
    for answer in (True, False):
        asked = []
        made = signer.sign(
            picture(RED, "PNG"),
            "image/png",
            manifest,
            admits=lambda one, asked=asked, answer=answer: asked.append(one) or answer,
        )
        assert [bool(one[5, 5, 0] > one[5, 5, 2]) for one in asked] == [True]
        assert (red in made.manifest_store, blue in made.manifest_store) == (answer, True)
