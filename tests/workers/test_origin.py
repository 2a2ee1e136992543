"""Credentials of jobs from words, sources, masks and logos: no photograph is said to be drawn, and each ingredient is told."""

import hashlib
import io
import json
from types import SimpleNamespace

import c2pa
import numpy as np
import pytest
from factories import PLAN, make_job, make_manifest, make_recipe
from msgspec import structs
from PIL import Image

from imgen.domain.job import State
from imgen.domain.recipe import Input, Output, VisibleWatermark
from imgen.provenance import encoding, history
from imgen.provenance.credentials import SETTINGS
from imgen.provenance.fingerprint import fingerprint
from imgen.provenance.inspection import inspect_picture
from imgen.records import jobs, ledger
from workers import tasks
from workers.picture import Picture
from workers.stages import master, origin

DRAWN_AT = 1767323045.0
WHEN = "2026-01-02T03:04:05Z"
SIZE = (672, 384)

CREATED = ("c2pa.created", "trainedAlgorithmicMedia")
REDRAWN = ("c2pa.edited", "compositeWithTrainedAlgorithmicMedia")
RESIZED = ("c2pa.resized", "algorithmicallyEnhanced")
CROPPED = ("c2pa.cropped", "algorithmicallyEnhanced")
OPENED, PLACED, MARKED = ("c2pa.opened", ""), ("c2pa.placed", ""), ("c2pa.watermarked", "")

JOBS = {
    "words": ("jpeg", {}, [CREATED, MARKED]),
    "words, upscale": ("png", {"upscale": 2}, [CREATED, RESIZED, MARKED]),
    "logo": ("webp", {"logo": True}, [CREATED, PLACED, MARKED]),
    "image to image": ("avif", {"strength": 0.6}, [OPENED, REDRAWN, MARKED]),
    "inpainting": ("png", {"strength": 0.6, "mask": True}, [OPENED, REDRAWN, MARKED]),
    "image to image, logo, upscale": (
        "webp",
        {"strength": 0.6, "logo": True, "upscale": 2},
        [OPENED, REDRAWN, RESIZED, PLACED, MARKED],
    ),
    "upscale alone": ("jpeg", {"strength": 0.0, "upscale": 2}, [OPENED, RESIZED, MARKED]),
    "upscale alone, of another shape": (
        "jpeg",
        {"strength": 0.0, "upscale": 2, "source": (300, 300)},
        [OPENED, CROPPED, RESIZED, RESIZED, MARKED],
    ),
    "a source as it is": ("png", {"strength": 0.0}, [OPENED, MARKED]),
    "a mask that keeps all": (
        "png",
        {"strength": 0.6, "mask": True, "redrawn": np.s_[:0]},
        [OPENED, MARKED],
    ),
    "a mask of what is cropped off, upscale": (
        "jpeg",
        {"strength": 0.6, "mask": True, "redrawn": np.s_[:, :64], "source": (672 + 256, 384), "upscale": 2},
        [OPENED, CROPPED, RESIZED, MARKED],
    ),
}
"""Job → format, what it is asked for, and its actions with their source types."""


def noise(width, height):
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)


def put(resources, key, pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    resources.objects.put(key, file.getvalue(), "image/png")
    return Input(role=key.rpartition("/")[2], key=key, sha256=hashlib.sha256(file.getvalue()).hexdigest())


def finish(
    resources, output, *, strength=None, source=SIZE, original=b"", lost=False, mask=False, upscale=1, logo=False,
    redrawn=np.s_[:64],
):  # fmt: skip
    """A job of these wishes, rendered already, after its second phase; `redrawn` is what its mask has white."""
    inputs, brand = [], VisibleWatermark()
    if strength is not None:
        key = "uploads/original" if original else ""
        if original and not lost:
            resources.objects.put(key, original, "application/octet-stream")
        given = put(resources, "uploads/source", noise(*source))
        inputs.append(structs.replace(given, strength=strength, original_key=key))
    if mask:
        levels = np.zeros((source[1], source[0]), np.uint8)
        levels[redrawn] = 255
        inputs.append(put(resources, "uploads/mask", levels))
    if logo:
        brand = VisibleWatermark(image_key=put(resources, "brands/logo", noise(32, 32)).key)
    recipe = make_recipe(output=Output(format=output), visible_watermark=brand)
    changes = {"width": SIZE[0], "height": SIZE[1], "inputs": tuple(inputs), "upscale": upscale}
    recipe = structs.replace(recipe, diffusion=structs.replace(recipe.diffusion, **changes))
    job = make_job(state=State.RENDERED, queue="finish", recipe=recipe)
    upscaler = "models/esrgan.safetensors" if upscale > 1 else ""
    drawn = Picture(pixels=noise(SIZE[0] * upscale, SIZE[1] * upscale), drawn_at=DRAWN_AT, upscaler=upscaler)
    kept = master.keep(drawn, SimpleNamespace(job=job, resources=resources))
    job = structs.replace(job, master_key=kept.master_key)
    with resources.database.write() as connection:
        jobs.add(connection, job)
        ledger.hold(connection, job, PLAN)
    tasks.run_phase(resources, tasks.FINISH, job.id)
    with resources.database.read() as connection:
        return jobs.find(connection, job.id)


def credentials_of(resources, job):
    """Credentials of the picture, both files being trusted."""
    anchor = (resources.settings.data_dir / "credentials" / "anchor.pem").read_bytes()
    picture, thumbnail = (
        inspect_picture(resources.objects.get(image.key), anchor).credentials for image in job.outcome.images
    )
    assert (picture.state, thumbnail.state) == ("Trusted", "Trusted")
    assert [parent["active_manifest"] for parent in thumbnail.manifest["ingredients"]] == [picture.manifest_id]
    return picture.manifest


def actions(manifest):
    (data,) = (found["data"] for found in manifest["assertions"] if found["label"] == "c2pa.actions.v2")
    return data["actions"]


@pytest.mark.parametrize("name", JOBS)
def test_credentials_tell_how_the_picture_came_about(resources, name):
    """Actions with their source types, ingredients with their relationships; all files trusted."""
    output, wishes, expected = JOBS[name]
    manifest = credentials_of(resources, finish(resources, output, **wishes))
    told = [(one["action"], one.get("digitalSourceType", "").rpartition("/")[2]) for one in actions(manifest)]
    assert told == expected
    relationships = ["parentOf"] * (OPENED in expected) + ["componentOf"] * (PLACED in expected)
    assert [one["relationship"] for one in manifest.get("ingredients", [])] == relationships


@pytest.mark.parametrize(("mask", "what"), [(False, "Image to image"), (True, "Inpainting")])
def test_step_of_the_model_names_it_and_its_time(resources, mask, what):
    """The model is the software agent of the edit, at the time of drawing; nothing else is attributed to it."""
    _, edited, *others = actions(credentials_of(resources, finish(resources, "jpeg", strength=0.3, mask=mask)))
    assert (edited["softwareAgent"], edited["when"], edited["description"]) == ({"name": "Eros"}, WHEN, what)
    assert not [other for other in others if "softwareAgent" in other]


def test_step_of_the_upscaler_names_it(resources):
    """The name of its file, without its folder."""
    _, resized, _ = actions(credentials_of(resources, finish(resources, "jpeg", upscale=2)))
    assert (resized["action"], resized["softwareAgent"]) == ("c2pa.resized", {"name": "esrgan"})


def test_manifest_of_the_source_is_kept(resources):
    """The upload gate keeps the file of a source with credentials beside it; they lie in the picture's."""
    file = io.BytesIO()
    Image.fromarray(noise(300, 200)).save(file, "JPEG")
    theirs = resources.signer.sign(file.getvalue(), "image/jpeg", make_manifest(title="Harbour"))
    job = finish(resources, "jpeg", strength=0.6, original=theirs.body)
    (parent,) = credentials_of(resources, job)["ingredients"]
    assert (parent["relationship"], parent["active_manifest"]) == ("parentOf", theirs.manifest_id)
    assert b"Harbour" in resources.objects.get(job.outcome.images[0].key)


@pytest.mark.parametrize("is_listed", [True, False])
def test_listed_picture_within_a_manifest_is_not_signed_along(resources, is_listed):
    """The source is harmless, a thumbnail in its credentials is not: they are left out, and the job completes."""
    hidden = encoding.encode(noise(400, 300), "jpeg", quality=90)
    manifest = make_manifest(
        actions=(history.OPENED, history.WATERMARKED),
        ingredients=(history.Ingredient(label=history.SOURCE, relationship="parentOf", thumbnail=hidden),),
    )
    theirs = resources.signer.sign(encoding.encode(noise(300, 200), "jpeg", quality=90), "image/jpeg", manifest)
    folder = resources.settings.data_dir / "matches"
    folder.mkdir()
    listed = np.asarray(Image.open(io.BytesIO(hidden if is_listed else theirs.body)))
    (folder / "list.csv").write_text(fingerprint(np.ascontiguousarray(listed[::-1])).hash)
    job = finish(resources, "jpeg", strength=0.6, original=theirs.body)
    (parent,) = credentials_of(resources, job)["ingredients"]
    assert parent.get("active_manifest") == (None if is_listed else theirs.manifest_id)


@pytest.mark.parametrize("with_credentials", [False, True])
@pytest.mark.parametrize(("output", "mask"), [("jpeg", False), ("avif", True)])
def test_source_has_a_thumbnail(resources, output, mask, with_credentials):
    """A small JPEG of the source as it was stored, whole, beside its own credentials if it has some; attested by the signer."""
    file = io.BytesIO()
    Image.new("RGB", (300, 200), "red").save(file, "JPEG")
    original = resources.signer.sign(file.getvalue(), "image/jpeg", make_manifest()).body if with_credentials else b""
    job = finish(resources, output, strength=0.6, source=(900, 600), original=original, mask=mask)
    (parent,) = credentials_of(resources, job)["ingredients"]
    assert ("active_manifest" in parent) == with_credentials
    body, thumbnail = resources.objects.get(job.outcome.images[0].key), io.BytesIO()
    with c2pa.Reader(f"image/{output}", io.BytesIO(body), context=c2pa.Context.from_dict(SETTINGS)) as reader:
        reader.resource_to_stream(parent["thumbnail"]["identifier"], thumbnail)
        told = json.loads(reader.detailed_json())
    attested = [one["url"] for one in told["manifests"][told["active_manifest"]]["claim"]["created_assertions"]]
    assert "self#jumbf=c2pa.assertions/c2pa.thumbnail.ingredient" in attested
    with Image.open(thumbnail) as image, Image.fromarray(noise(900, 600)) as source:
        assert (image.format, image.size) == ("JPEG", (256, 171))
        expected = source.resize(image.size, Image.Resampling.LANCZOS)
        assert np.abs(np.asarray(image, int) - np.asarray(expected, int)).mean() < 16
    assert len(thumbnail.getvalue()) < 40_000


def test_source_that_is_another_one_now_has_no_thumbnail(resources):
    """Its file is not the one that was reviewed: the picture is signed without it."""
    resources.objects.put("uploads/source", b"", "image/png")
    given = Input(role="source", key="uploads/source", sha256="0" * 64)
    assert origin._thumbnail(resources.objects, given) == b""


def test_broken_manifest_of_a_source_spoils_no_picture(resources):
    """It is told as the ingredient's failure, and the picture stays trusted."""
    file = io.BytesIO()
    Image.fromarray(noise(300, 200)).save(file, "JPEG")
    theirs = resources.signer.sign(file.getvalue(), "image/jpeg", make_manifest())
    broken = theirs.body[:-200] + bytes([theirs.body[-200] ^ 1]) + theirs.body[-199:]
    (parent,) = credentials_of(resources, finish(resources, "webp", strength=0.6, original=broken))["ingredients"]
    failed = [found["code"] for found in parent["validation_results"]["activeManifest"]["failure"]]
    assert failed == ["assertion.dataHash.mismatch"]


def test_source_whose_own_file_is_gone_is_an_ingredient_all_the_same(resources):
    """The job completes; the parent is named without the credentials that it had."""
    job = finish(resources, "jpeg", strength=0.6, original=b"gone", lost=True)
    (parent,) = credentials_of(resources, job)["ingredients"]
    assert (parent["relationship"], parent.get("active_manifest")) == ("parentOf", None)
