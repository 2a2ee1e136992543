"""Every size in every format over real HTTP, Redis and Celery: the files that come out, read back as a stranger would."""

import base64
import hashlib
import io
import itertools
import re
from datetime import UTC, datetime

import httpx2
import numpy as np
import pytest
from PIL import Image

from imgen import composition, settings
from imgen.provenance import credentials
from imgen.provenance.fingerprint import distance
from imgen.provenance.inspection import inspect_picture

SIZES = ((1024, 1024), (1344, 768), (768, 1344), (1216, 832), (832, 1216), (1152, 896), (896, 1152))
FORMATS = {"jpeg": ".jpg", "png": ".png", "webp": ".webp", "avif": ".avif"}
COMBINATIONS = list(itertools.product(SIZES, FORMATS))
META = {
    "id", "gen_id", "time", "prompt", "positive", "negative", "character", "model", "style", "width", "height", "format",
    "quality", "lossless", "optimized", "compliance", "compliance_codes", "compliance_ruleset", "precompliance",
    "fingerprint", "images", "enable_invisimark", "enable_c2pa", "compute_pdq", "wm_position", "wm_scale",
    "wm_transparency", "wm_rotation", "wm_padding_x", "wm_padding_y", "cs_author", "cs_title", "cs_description",
    "cs_organization", "cs_vendor", "seed", "steps", "guidance", "watermark_id", "watermark_verified", "sha256",
    "manifest_id", "timings",
}  # fmt: skip
"""The contract's list, word for word."""


@pytest.fixture(scope="module")
def anchors(server) -> bytes:
    """Certificates that this installation's signatures are trusted by."""
    return composition.trust_anchors(settings.load(server.data, environ={}))


@pytest.fixture(scope="module")
def jobs(server):
    """All combinations, submitted before any is waited for."""
    return {
        (size, name): server.generate("@aya red coat, on a beach, -hat", width=size[0], height=size[1], format=name)
        for size, name in COMBINATIONS
    }


def meta_of(answer: dict) -> dict:
    assert answer["status"] == "COMPLETED", answer
    return answer["meta"]


def download(meta: dict) -> dict[str, bytes]:
    """The files by type, from their signed addresses."""
    return {image["type"]: httpx2.get(image["url"]).raise_for_status().content for image in meta["images"]}


@pytest.mark.parametrize(("size", "file_format"), COMBINATIONS, ids=str)
def test_a_picture_of_each_size_and_format(server, jobs, anchors, size, file_format):
    """The file has the size and format that were asked for, and reads back as ours in every way."""
    job = jobs[size, file_format]
    assert re.fullmatch(r"run_[A-Za-z0-9_-]{22,}", job["id"])
    assert re.fullmatch(r"[a-z0-9]{20}", job["gen_id"])
    meta = meta_of(server.wait(job))
    files = download(meta)
    found = inspect_picture(files["signed"], anchors=anchors)
    assert (found.width, found.height) == size
    assert found.credentials.state == "Trusted"
    assert found.watermark.id == meta["watermark_id"]
    assert distance(found.fingerprint.hash, meta["fingerprint"]) <= 10
    assert hashlib.sha256(files["signed"]).hexdigest() == meta["sha256"]
    thumbnail = inspect_picture(files["thumbnail"], anchors=anchors)
    assert thumbnail.credentials.state == "Trusted"
    assert max(thumbnail.width, thumbnail.height) == 384
    check_meta(meta, job, size, file_format)


def check_meta(meta: dict, job: dict, size: tuple[int, int], file_format: str) -> None:
    """Every field of the contract is there and says what was asked for."""
    assert meta.keys() >= META
    asked = {
        "id": job["id"],
        "gen_id": job["gen_id"],
        "prompt": "@aya red coat, on a beach, -hat",
        "character": "aya",
        "model": "eros",
        "style": "professional",
        "width": size[0],
        "height": size[1],
        "format": file_format,
        "quality": 95,
        "lossless": False,
        "optimized": False,
        "compliance": "safe",
        "compliance_codes": [],
        "compliance_ruleset": "default",
        "watermark_verified": True,
    }
    assert {name: meta[name] for name in asked} == asked
    assert meta["positive"].startswith("aya, ")
    assert "red coat, on a beach" in meta["positive"]
    assert meta["negative"].endswith("hat")
    stem = f"{job['gen_id']}_{meta['fingerprint']}_00001"
    extension = FORMATS[file_format]
    assert [(image["type"], image["filename"]) for image in meta["images"]] == [
        ("signed", f"{stem}{extension}"),
        ("thumbnail", f"{stem}_thumb{extension}"),
    ]
    made_at = datetime.strptime(meta["time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - made_at).total_seconds()) < 600
    assert set(meta["timings"]) == {"queue", "render", "review", "finish", "upload"}
    assert all(seconds >= 0 for seconds in meta["timings"].values())


@pytest.mark.parametrize("file_format", FORMATS)
def test_one_changed_byte_voids_the_signature(server, jobs, anchors, file_format):
    """A byte changed in the middle of the picture's data turns Trusted into Invalid."""
    body = bytearray(download(meta_of(server.wait(jobs[SIZES[0], file_format])))["signed"])
    body[len(body) * 3 // 4] ^= 1
    mime = f"image/{file_format}"
    assert credentials.read(bytes(body), mime, anchors).state == "Invalid"


def test_the_callers_words_are_in_the_manifest(server, anchors):
    """`cs_*` replace the configured defaults, letters of any alphabet included."""
    said = {
        "cs_title": "Plakat „Früh“",
        "cs_author": "山田 花子",
        "cs_description": 'A "quoted" <b>line</b>',
        "cs_organization": "Agência & Co",
        "cs_vendor": "Shop 7",
    }
    meta = meta_of(server.wait(server.generate(**said)))
    assert {name: meta[name] for name in said} == said
    found = inspect_picture(download(meta)["signed"], anchors=anchors).credentials
    told = repr(found.manifest)
    for words in said.values():
        assert words in told


@pytest.mark.parametrize("file_format", ["webp", "avif"])
def test_lossless_keeps_the_mark_and_says_so(server, anchors, file_format):
    """A lossless file is of its lossless kind, and its mark reads."""
    meta = meta_of(server.wait(server.generate(format=file_format, lossless=True)))
    body = download(meta)["signed"]
    assert meta["lossless"] is True
    assert meta["watermark_verified"] is True
    assert inspect_picture(body, anchors=anchors).watermark.id == meta["watermark_id"]
    if file_format == "webp":
        assert b"VP8L" in body[:64]


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("quality", [1, 30])
def test_a_mark_that_low_quality_destroyed_is_not_claimed(server, anchors, file_format, quality):
    """`watermark_verified` is what a reader of the file finds, whichever it is; all else holds at any quality."""
    meta = meta_of(server.wait(server.generate(format=file_format, quality=quality)))
    found = inspect_picture(download(meta)["signed"], anchors=anchors)
    assert meta["quality"] == quality
    assert meta["watermark_verified"] is (found.watermark.id == meta["watermark_id"])
    assert found.credentials.state == "Trusted"
    if file_format == "png":
        assert meta["watermark_verified"] is True
    if file_format == "jpeg" and quality == 1:
        assert meta["watermark_verified"] is False


def test_addresses_are_signed_anew(server, jobs):
    """Each poll signs its own addresses; a tampered one is refused."""
    job = jobs[SIZES[0], "jpeg"]
    meta = meta_of(server.wait(job))
    url = meta["images"][0]["url"]
    assert httpx2.get(url).status_code == 200
    assert httpx2.get(url.replace("expires=", "expires=9")).status_code == 403
    assert httpx2.get(url.partition("?")[0]).status_code == 403


def test_the_brand_is_in_the_picture(server, tmp_path):
    """A red mark of half the picture's width, opaque and centred, is there; without one it is not."""
    file = io.BytesIO()
    Image.new("RGBA", (64, 64), (255, 0, 0, 255)).save(file, "PNG")
    uri = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
    shape = {"width": 1024, "height": 1024, "format": "png", "seed": 5}
    branded = server.generate(wm_image=uri, wm_position="center", wm_scale=50, **shape)
    plain = server.generate(**shape)
    pictures = []
    for job in (branded, plain):
        body = download(meta_of(server.wait(job)))["signed"]
        pictures.append(np.asarray(Image.open(io.BytesIO(body)).convert("RGB")).astype(int))
    with_mark, without = pictures
    middle = with_mark[300:724, 300:724].reshape(-1, 3).mean(axis=0)
    assert middle[0] > 230
    assert middle[1:].max() < 25
    assert np.abs(with_mark[:200] - without[:200]).mean() < 3
    assert np.abs(with_mark[300:724, 300:724] - without[300:724, 300:724]).mean() > 30
