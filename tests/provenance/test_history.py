"""Histories of pictures in their credentials: actions, ingredients and source types, as two readers that share no code see them."""

import io
import uuid

import c2pa
import numpy as np
import pytest
from factories import make_manifest
from manifest_readers import actions_of, base, by_another, by_library
from msgspec import structs
from PIL import Image

from imgen.provenance import credentials, encoding
from imgen.provenance.development_chain import make_development_chain
from imgen.provenance.history import (
    ANSWER,
    CROPPED,
    LOGO,
    OPENED,
    OPENED_ANSWER,
    PLACED,
    RESIZED,
    SOURCE,
    WATERMARKED,
    Ingredient,
    created,
    redrawn,
)
from imgen.provenance.manifest import definition
from imgen.provenance.signer import MAX_STORE_BYTES, open_signer

WHEN = "2026-01-02T03:04:05Z"
SMALL = encoding.encode(np.full((16, 24, 3), 90, np.uint8), "jpeg", quality=85)
PARENT = Ingredient(label=SOURCE, relationship="parentOf", thumbnail=SMALL)
MARK = Ingredient(label=LOGO, relationship="componentOf")
OVER = redrawn("eros", WHEN, "Image to image")
INTO = redrawn("eros", WHEN, "Inpainting")
THEIRS = Ingredient(label=ANSWER, relationship="parentOf", thumbnail=SMALL)
INPUT = structs.replace(PARENT, relationship="inputTo")
FROM_INPUT = structs.replace(OVER, ingredient=SOURCE)

DRAWN = ("c2pa.created", "trainedAlgorithmicMedia", None)
REDRAWN = ("c2pa.edited", "compositeWithTrainedAlgorithmicMedia", None)
ENLARGED = ("c2pa.resized", "algorithmicallyEnhanced", None)
CUT = ("c2pa.cropped", "algorithmicallyEnhanced", None)
FROM = ("c2pa.opened", None, "parentOf")
LAID = ("c2pa.placed", None, "componentOf")
MARKED = ("c2pa.watermarked", None, None)
REDRAWN_FROM = ("c2pa.edited", "compositeWithTrainedAlgorithmicMedia", "inputTo")

HISTORIES = {
    "words": ((created("eros", WHEN),), (), [DRAWN]),
    "words, logo": ((created("eros", WHEN), PLACED), (MARK,), [DRAWN, LAID]),
    "words, enlarged": ((created("eros", WHEN), RESIZED), (), [DRAWN, ENLARGED]),
    "source": ((OPENED, OVER), (PARENT,), [FROM, REDRAWN]),
    "source, mask": ((OPENED, INTO), (PARENT,), [FROM, REDRAWN]),
    "source, enlarged, logo": ((OPENED, OVER, RESIZED, PLACED), (PARENT, MARK), [FROM, REDRAWN, ENLARGED, LAID]),
    "engine's picture": ((OPENED_ANSWER, RESIZED), (THEIRS,), [FROM, ENLARGED]),
    "engine's picture, source": ((OPENED_ANSWER, FROM_INPUT), (THEIRS, INPUT), [FROM, REDRAWN_FROM]),
    "source as it is, enlarged": ((OPENED, CROPPED, RESIZED), (PARENT,), [FROM, CUT, ENLARGED]),
}
"""History → its actions, its ingredients, and for each action name, source type and the relationship of its ingredient."""


def ingredients_of(manifest):
    """Ingredients of a manifest by their labels."""
    return {name: body for name, body in manifest["assertions"].items() if base(name) == "c2pa.ingredient.v3"}


def told(manifest):
    """History in a manifest, as in `HISTORIES`."""
    ingredients = ingredients_of(manifest)

    def relationship(action):
        references = action.get("parameters", {}).get("ingredients", [])
        found = [ingredients[reference["url"].rpartition("/")[2]]["relationship"] for reference in references]
        return found[0] if found else None

    return [
        (action["action"], action.get("digitalSourceType", "").rpartition("/")[2] or None, relationship(action))
        for action in actions_of(manifest)
    ]


def sign(signer, pixels, file_format, actions, ingredients):
    manifest = make_manifest(actions=(*actions, WATERMARKED), ingredients=ingredients)
    body = encoding.encode(pixels, file_format, quality=90)
    return signer.sign(body, encoding.MIME[file_format], manifest)


@pytest.mark.parametrize("reader", [by_library, by_another])
@pytest.mark.parametrize("file_format", encoding.MIME)
@pytest.mark.parametrize("history", HISTORIES)
def test_history_is_told_in_every_format(signer, chain, small, history, file_format, reader):
    """Trusted; each action has its source type and leads to its ingredient, and there is no ingredient beside those."""
    actions, ingredients, expected = HISTORIES[history]
    body = sign(signer, small, file_format, actions, ingredients).body
    manifest = reader(body, encoding.MIME[file_format], chain)[0]
    assert told(manifest) == [*expected, MARKED]
    relationships = sorted(one["relationship"] for one in ingredients_of(manifest).values())
    assert relationships == sorted(one.relationship for one in ingredients)


def test_model_is_named_with_the_step_it_took(signer, chain, small):
    """Software agent, time and kind of what it did stand in the action of drawing; the steps of Imgen itself name nobody."""
    body = sign(signer, small, "png", (OPENED, INTO, RESIZED), (PARENT,)).body
    opened, edited, resized, _ = actions_of(by_library(body, "image/png", chain)[0])
    assert (edited["softwareAgent"], edited["when"], edited["description"]) == ({"name": "eros"}, WHEN, "Inpainting")
    assert not {"softwareAgent", "when", "description"} & (set(opened) | set(resized))


# ------------------------------------------------------------------ ingredients with credentials of their own


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """A signer that nobody here trusts."""
    folder = tmp_path_factory.mktemp("stranger")
    make_development_chain(folder)
    return open_signer((folder / "chain.pem").read_bytes(), (folder / "key.pem").read_bytes())


def source(signer, pixels, file_format="jpeg"):
    """A file with credentials of its own."""
    return sign(signer, pixels, file_format, (created("cam", WHEN),), ())


def opened(signer, pixels, file, file_format="png"):
    """A picture that was drawn over a source file."""
    return sign(
        signer, pixels, file_format, (OPENED, OVER), (Ingredient(label=SOURCE, relationship="parentOf", file=file),)
    )


def failures(ingredient):
    return [failure["code"] for failure in ingredient["validationResults"]["activeManifest"]["failure"]]


@pytest.mark.parametrize("reader", [by_library, by_another])
@pytest.mark.parametrize("source_format", ["jpeg", "png", "webp"])
@pytest.mark.parametrize("file_format", encoding.MIME)
def test_manifest_of_a_source_is_kept(signer, chain, small, file_format, source_format, reader):
    """It lies in the picture's store, the ingredient leads to it, and it was found whole."""
    theirs = source(signer, small, source_format)
    body = opened(signer, small, theirs.body, file_format).body
    ours, *others = reader(body, encoding.MIME[file_format], chain)
    ((_, ingredient),) = ingredients_of(ours).items()
    assert [other["label"] for other in others] == [theirs.manifest_id]
    assert ingredient["activeManifest"]["url"].endswith(theirs.manifest_id)
    assert (ingredient["dc:format"], failures(ingredient)) == (encoding.MIME[source_format], [])
    assert told(others[0])[0] == DRAWN


def test_manifest_of_a_logo_is_kept(signer, chain, small):
    """A brand is a part of the picture, with the credentials that its owner gave it."""
    theirs = source(signer, small, "png")
    logo = Ingredient(label=LOGO, relationship="componentOf", file=theirs.body)
    body = sign(signer, small, "webp", (created("eros", WHEN), PLACED), (logo,)).body
    ours, other = by_another(body, "image/webp", chain)
    assert (other["label"], told(ours)[1]) == (theirs.manifest_id, LAID)


@pytest.mark.parametrize("reader", [by_library, by_another])
@pytest.mark.parametrize(
    ("damage", "failure"), [("pixels", "assertion.dataHash.mismatch"), ("none", "signingCredential.untrusted")]
)
def test_broken_and_untrusted_sources_are_kept_with_their_failure(
    signer, stranger, chain, small, damage, failure, reader
):
    """The failure stands in the ingredient, as C2PA 2.4 wants it (18.16.12.4), and the picture itself is trusted."""
    file = bytearray(source(stranger if damage == "none" else signer, small).body)
    if damage == "pixels":
        file[-200] ^= 1
    body = opened(signer, small, bytes(file)).body
    ((_, ingredient),) = ingredients_of(reader(body, "image/png", chain)[0]).items()
    assert failures(ingredient) == [failure]


def test_source_whose_manifest_cannot_be_read_is_named_alone(signer, chain, small):
    """Its kind of file is told, and nothing of the wreck is carried on."""
    file = bytearray(source(signer, small).body)
    at = file.index(b"c2pa.hash.data")
    file[at + 20 : at + 60] = b"\xff" * 40
    body = opened(signer, small, bytes(file)).body
    ours, *others = by_library(body, "image/png", chain)
    ((_, ingredient),) = ingredients_of(ours).items()
    assert (others, ingredient["relationship"], ingredient["dc:format"]) == ([], "parentOf", "image/jpeg")
    assert "activeManifest" not in ingredient


def test_manifest_that_is_too_large_is_left_out(signer, chain, small):
    """A thumbnail of megabytes would be carried on by all that is made from the picture."""
    thumbnail = {"thumbnail": {"format": "image/png", "identifier": "big"}}
    context = c2pa.Context.from_dict(credentials.SETTINGS)
    info = c2pa.C2paSignerInfo("es256", chain.chain, chain.key, None)
    file = io.BytesIO()
    with (
        c2pa.Signer.from_info(info) as theirs,
        c2pa.Builder(definition(make_manifest(), f"urn:c2pa:{uuid.uuid4()}") | thumbnail, context) as builder,
    ):
        builder.add_resource("big", io.BytesIO(bytes(MAX_STORE_BYTES)))
        builder.sign(theirs, "image/jpeg", io.BytesIO(encoding.encode(small, "jpeg", quality=90)), file)
    assert credentials.read(file.getvalue(), "image/jpeg", chain.anchor).state == "Trusted"
    ours, *others = by_library(opened(signer, small, file.getvalue()).body, "image/png", chain)
    assert (others, told(ours)[0]) == ([], FROM)


def test_damaged_sources_leave_every_picture_trusted(signer, chain, small):
    """Eighty sources with damaged manifests: picture and thumbnail are trusted, whatever became of the ingredient."""
    theirs = source(signer, small[:64, :64])
    rng = np.random.default_rng(0)
    kept = 0
    for number in range(80):
        file = np.frombuffer(theirs.body, np.uint8).copy()
        places = rng.integers(20, len(theirs.manifest_store), 1 + number % 4)
        file[places] = rng.integers(0, 256, len(places))
        picture = opened(signer, small[:64, :64], file.tobytes())
        thumbnail = encoding.encode(small[:16, :16], "png", quality=90)
        thumbnail = signer.sign_thumbnail(thumbnail, "image/png", make_manifest(), picture)
        for body in (picture.body, thumbnail):
            held = by_library(body, "image/png", chain)
            assert len(held) == len(by_another(body, "image/png", chain))
        kept += len(held) == 3
    assert 10 < kept < 80


XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/" xmlns:dcterms="http://purl.org/dc/terms/" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" dc:title="Ada at home" xmpMM:DocumentID="xmp.did:Ada" '
    'xmpMM:InstanceID="xmp.iid:Ada" dcterms:provenance="{url}/ada"/></rdf:RDF></x:xmpmeta>'
)


def test_metadata_of_a_source_stay_out_and_nothing_is_fetched(signer, chain, small, canary):
    """XMP and EXIF beside the source's own manifest: not a word of them is in the picture, and their URL is not asked."""
    address, requests = canary
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x013B] = "Ada Artist"
    Image.fromarray(small).save(file, "JPEG", xmp=XMP.format(url=address).encode(), exif=exif)
    theirs = source(signer, small).body
    end = theirs.index(b"\xff\xdb")  # the source's manifest, before the tables, put into the file with metadata
    metadata = file.getvalue()
    mixed = metadata[: metadata.index(b"\xff\xdb")] + theirs[20:end] + metadata[metadata.index(b"\xff\xdb") :]
    assert credentials.read(mixed, "image/jpeg").manifest_id
    body = opened(signer, small, mixed).body
    by_library(body, "image/png", chain)
    assert b"activeManifest" in body
    assert b"Ada" not in body
    assert requests == []
