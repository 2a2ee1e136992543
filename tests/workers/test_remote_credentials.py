"""Credentials that a remote engine's pictures carry: kept as the picture's parent, or told as a drawing where they cannot be."""

import base64
import hashlib
import io
import json
import struct
import zlib

import numpy as np
import pytest
import structlog
from factories import PLAN, make_job, make_manifest, make_recipe
from msgspec import structs
from PIL import Image
from servers.faulty_http import answer, start_faulty_http
from servers.image_engine import JSON, KEY, pictures, png, start_image_engine

from imgen.domain.errors import Retryable
from imgen.domain.job import State
from imgen.domain.recipe import Input, PromptParts
from imgen.provenance import encoding, history
from imgen.provenance.development_chain import make_development_chain
from imgen.provenance.fingerprint import fingerprint
from imgen.provenance.inspection import inspect_picture
from imgen.provenance.signer import open_signer
from imgen.records import jobs, ledger
from workers import tasks

MODEL = """
[eros]
label = "Eros"
backend = "remote"
engines = [{ engine = "elsewhere", model = "gpt-image-2", edits = "mask" }]
steps = { default = 4 }
guidance = { default = 3.5 }
default_style = "professional"
styles = { professional = { label = "Professional" } }
"""
OPENED, MARKED = ("c2pa.opened", ""), ("c2pa.watermarked", "")
CREATED = ("c2pa.created", "trainedAlgorithmicMedia")
REDRAWN = ("c2pa.edited", "compositeWithTrainedAlgorithmicMedia")
RESIZED = ("c2pa.resized", "algorithmicallyEnhanced")
CROPPED = ("c2pa.cropped", "algorithmicallyEnhanced")


@pytest.fixture
def server():
    with start_image_engine() as started:
        yield started


@pytest.fixture
def resources(make_resources, server, tmp_path, monkeypatch):
    """Resources of a worker process whose model is drawn by the server."""
    monkeypatch.setenv("ELSEWHERE_KEY", KEY)
    (tmp_path / "var" / "models.toml").write_text(MODEL)
    entry = f'[elsewhere]\nkind = "openai"\nbase_url = "{server.url}/v1"\napi_key_env = "ELSEWHERE_KEY"\n'
    (tmp_path / "var" / "engines.toml").write_text(entry)
    return make_resources()


@pytest.fixture
def provider(tmp_path):
    """Signer of a provider, whose chain leads to no root of ours."""
    folder = tmp_path / "provider"
    make_development_chain(folder)
    return open_signer((folder / "chain.pem").read_bytes(), (folder / "key.pem").read_bytes())


def noise(width, height):
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)


def theirs(signer, size=(256, 256), body=b"", **manifest):
    """A picture as a provider signs it; of one colour unless told otherwise."""
    return signer.sign(body or png(size), "image/png", make_manifest(title="Provider", **manifest))


def put(resources, role, pixels):
    """An input of that role."""
    body = encoding.encode(pixels, "png", quality=100)
    resources.objects.put(f"uploads/{role}", body, "image/png")
    return Input(role=role, key=f"uploads/{role}", sha256=hashlib.sha256(body).hexdigest(), strength=0.6)


def added(resources, inputs=(), **changes):
    """A job of a red coat, 256 pixels wide and high, that waits to be drawn."""
    parts = PromptParts(prompt="red coat", original_prompt="red coat", positive="red coat")
    recipe = make_recipe(prompt_parts=parts, **changes)
    sized = {"positive": "red coat", "width": 256, "height": 256, "inputs": tuple(inputs)}
    recipe = structs.replace(recipe, diffusion=structs.replace(recipe.diffusion, **sized))
    job = make_job(recipe=recipe)
    with resources.database.write() as connection:
        jobs.add(connection, job)
        ledger.hold(connection, job, PLAN)
    return job


def found(resources, job):
    with resources.database.read() as connection:
        return jobs.find(connection, job.id)


def finished(resources, *inputs, **changes):
    """Credentials of a job's picture, which are trusted, after both phases."""
    job = added(resources, inputs, **changes)
    tasks.run_phase(resources, tasks.RENDER, job.id)
    tasks.run_phase(resources, tasks.FINISH, job.id)
    return credentials_of(resources, found(resources, job))


def credentials_of(resources, job):
    assert job.state is State.COMPLETED
    anchor = (resources.settings.data_dir / "credentials" / "anchor.pem").read_bytes()
    read = inspect_picture(resources.objects.get(job.outcome.images[0].key), anchor).credentials
    assert read.state == "Trusted"
    return read.manifest


def actions(manifest):
    (data,) = (one["data"] for one in manifest["assertions"] if one["label"] == "c2pa.actions.v2")
    return [(one["action"], one.get("digitalSourceType", "").rpartition("/")[2]) for one in data["actions"]]


def agent(manifest):
    (data,) = (one["data"] for one in manifest["assertions"] if one["label"] == "c2pa.actions.v2")
    return [one["softwareAgent"]["name"] for one in data["actions"] if "softwareAgent" in one]


@pytest.mark.parametrize("issuer", ["provider", "ours"])
@pytest.mark.parametrize(
    ("size", "steps"),
    [((256, 256), []), ((512, 512), [RESIZED]), ((384, 256), [CROPPED])],
    ids=["as asked", "larger", "wider"],
)
def test_credentials_of_an_engines_picture_are_its_parents(resources, provider, server, issuer, size, steps):
    """With their own active manifest and a thumbnail; trusted are those of our root alone. What was changed is told."""
    signed = theirs(provider if issuer == "provider" else resources.signer, size)
    server.script.append(pictures(signed.body))
    manifest = finished(resources)
    assert actions(manifest) == [OPENED, *steps, MARKED]
    (parent,) = manifest["ingredients"]
    assert (parent["relationship"], parent["active_manifest"]) == ("parentOf", signed.manifest_id)
    results = parent["validation_results"]["activeManifest"]
    failed = [one["code"] for one in results["failure"]]
    assert failed == (["signingCredential.untrusted"] if issuer == "provider" else [])
    assert parent["thumbnail"]["format"] == "image/jpeg"


def test_a_picture_without_credentials_is_told_as_a_drawing_of_the_engines_model(resources, server):
    """By the engine's own name of it; what we did to its size is told too."""
    server.script.append(pictures(png((512, 384))))
    manifest = finished(resources)
    assert actions(manifest) == [CREATED, CROPPED, RESIZED, MARKED]
    assert agent(manifest) == ["gpt-image-2"]
    assert "ingredients" not in manifest


@pytest.mark.parametrize(("masked", "size"), [(False, (256, 256)), (True, (256, 256)), (True, (300, 200))])
def test_a_source_is_what_the_parent_was_drawn_from(resources, provider, server, masked, size):
    """There is one parent, the engine's picture; the edit names the source, which becomes an input."""
    signed = theirs(provider, size)
    server.script.append(pictures(signed.body))
    inputs = [put(resources, "source", noise(256, 256))]
    if masked:
        inputs.append(put(resources, "mask", np.repeat(np.eye(256, dtype=np.uint8)[..., None] * 255, 3, axis=2)))
    manifest = finished(resources, *inputs)
    steps = [] if size == (256, 256) else [CROPPED, RESIZED]
    assert actions(manifest) == [OPENED, *steps, REDRAWN, MARKED]
    told = {one["relationship"]: one.get("active_manifest") for one in manifest["ingredients"]}
    assert told == {"parentOf": signed.manifest_id, "inputTo": None}
    assert agent(manifest) == ["gpt-image-2"]


def test_without_credentials_a_source_stays_the_parent(resources, server):
    """As where the picture is drawn here."""
    manifest = finished(resources, put(resources, "source", noise(256, 256)))
    assert actions(manifest) == [OPENED, REDRAWN, MARKED]
    assert [one["relationship"] for one in manifest["ingredients"]] == ["parentOf"]


def test_forged_credentials_spoil_no_picture(resources, provider, server):
    """Pixels that the provider never signed are told as the ingredient's failure."""
    body = theirs(provider).body
    start = body.rindex(b"IDAT") - 4
    length = int.from_bytes(body[start : start + 4], "big")
    data = _recoloured(body[start + 8 : start + 8 + length])
    chunk = struct.pack(">I", len(data)) + b"IDAT" + data + struct.pack(">I", zlib.crc32(b"IDAT" + data))
    forged = body[:start] + chunk + body[start + 12 + length :]
    server.script.append(pictures(forged))
    (parent,) = finished(resources)["ingredients"]
    failed = [one["code"] for one in parent["validation_results"]["activeManifest"]["failure"]]
    assert "assertion.dataHash.mismatch" in failed


def _recoloured(data):
    """The pixels of an IDAT, each byte but a row's filter made darker."""
    raw = bytearray(zlib.decompress(data))
    raw[1] ^= 1
    return zlib.compress(bytes(raw))


@pytest.mark.parametrize("content", [b"\0\0\0\x10jumbc2pa", b"\0\0\0\x20jumb" + b"\xff" * 200, b""])
def test_credentials_that_cannot_be_read_are_told_and_left_out(resources, server, content):
    """The picture is a drawing by its own credentials, and the log says that the engine's were left out."""
    chunk = struct.pack(">I", len(content)) + b"caBX" + content
    chunk += struct.pack(">I", zlib.crc32(b"caBX" + content))
    plain = png((256, 256))
    server.script.append(pictures(plain[:33] + chunk + plain[33:]))
    with structlog.testing.capture_logs() as logs:
        manifest = finished(resources)
    assert actions(manifest) == [CREATED, MARKED]
    assert [one for one in logs if "cannot be kept" in one["event"]]


def test_credentials_of_five_megabytes_are_left_out(resources, provider, server):
    """All that is made from the picture would carry them on; it is a drawing by its own credentials."""
    large = encoding.encode(noise(1500, 1200), "png", quality=100)
    thumbnail = history.Ingredient(label=history.SOURCE, relationship="parentOf", thumbnail=large)
    manifest = {"actions": (history.OPENED, history.WATERMARKED), "ingredients": (thumbnail,)}
    signed = theirs(provider, **manifest)
    assert len(signed.manifest_store) > 5_000_000
    server.script.append(pictures(signed.body))
    assert actions(finished(resources)) == [CREATED, MARKED]


def test_credentials_with_a_listed_picture_are_left_out(resources, provider, server):
    """A thumbnail within them is on a match list: nobody gets it, and the job completes."""
    hidden = encoding.encode(noise(400, 300), "jpeg", quality=90)
    thumbnail = history.Ingredient(label=history.SOURCE, relationship="parentOf", thumbnail=hidden)
    body = encoding.encode(noise(256, 256), "png", quality=100)  # of one colour it would be like any other
    signed = theirs(provider, body=body, actions=(history.OPENED, history.WATERMARKED), ingredients=(thumbnail,))
    folder = resources.settings.data_dir / "matches"
    folder.mkdir()
    with Image.open(io.BytesIO(hidden)) as image:
        (folder / "list.csv").write_text(fingerprint(np.asarray(image)).hash)
    server.script.append(pictures(signed.body))
    assert actions(finished(resources)) == [CREATED, MARKED]


def test_a_manifest_elsewhere_is_never_fetched(resources, server):
    """The URL in a file's XMP is asked for nothing."""
    with start_faulty_http(answer(200, b"manifest")) as elsewhere:
        packet = (
            '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            f'<rdf:Description xmlns:dcterms="http://purl.org/dc/terms/" dcterms:provenance="{elsewhere.url}/c2pa"/>'
            "</rdf:RDF></x:xmpmeta>"
        )
        file = io.BytesIO()
        Image.new("RGB", (256, 256), "red").save(file, "JPEG", xmp=packet.encode())
        server.script.append(pictures(file.getvalue()))
        assert actions(finished(resources)) == [CREATED, MARKED]
        assert not elsewhere.requests


def test_the_engines_file_lies_beside_the_master_until_the_job_has_ended(resources, provider, server):
    """It is the file as it came, and goes with the master."""
    signed = theirs(provider)
    server.script.append(pictures(signed.body))
    job = added(resources)
    tasks.run_phase(resources, tasks.RENDER, job.id)
    kept = {one.key.rpartition(".")[2]: one.key for one in resources.objects.list(f"work/{job.id}/")}
    assert resources.objects.get(kept["answer"]) == signed.body
    tasks.run_phase(resources, tasks.FINISH, job.id)
    assert not list(resources.objects.list(f"work/{job.id}/"))


def test_a_file_that_is_gone_leaves_a_drawing(resources, provider, server):
    """The job completes, and its picture says itself that it is drawn."""
    server.script.append(pictures(theirs(provider).body))
    job = added(resources)
    tasks.run_phase(resources, tasks.RENDER, job.id)
    (key,) = (one.key for one in resources.objects.list(f"work/{job.id}/") if one.key.endswith(".answer"))
    resources.objects.delete(key)
    tasks.run_phase(resources, tasks.FINISH, job.id)
    assert actions(credentials_of(resources, found(resources, job))) == [CREATED, MARKED]


def test_a_cache_hit_has_the_engines_credentials_too(resources, provider, server):
    """They lie beside the cached master, and count with its size."""
    signed = theirs(provider)
    data = {"b64_json": base64.b64encode(signed.body).decode(), "revised_prompt": "a crimson coat"}
    server.script.append(answer(200, json.dumps({"data": [data]}).encode(), JSON))
    finished(resources, cache_entry_id="ent_1")
    kept = {one.key.rpartition(".")[2]: one.key for one in resources.objects.list("cache/ent_1/")}
    assert sorted(kept) == ["answer", "webp"]
    hit = make_job(state=State.RENDERED, queue="finish", master_key=kept["webp"], recipe=make_recipe())
    with resources.database.write() as connection:
        jobs.add(connection, hit)
        ledger.hold(connection, hit, PLAN)
    tasks.run_phase(resources, tasks.FINISH, hit.id)
    ended = found(resources, hit)
    (parent,) = credentials_of(resources, ended)["ingredients"]
    assert parent["active_manifest"] == signed.manifest_id
    meta = ended.outcome.meta
    assert (meta.engine, meta.drawn_width, meta.drawn_height, meta.seed) == ("elsewhere", 256, 256, None)
    assert meta.revised_prompt == "a crimson coat"


class FullStore:
    """The store behind it, which takes nothing."""

    def __init__(self, store):
        self.store = store

    def __getattr__(self, name):
        return getattr(self.store, name)

    def put(self, *_):
        raise Retryable("full")


def test_pixels_that_the_store_did_not_take_keep_their_credentials(resources, provider, server):
    """The next attempt on this host has the master and the engine's file out of the spool, and asks nobody."""
    signed = theirs(provider)
    server.script.append(pictures(signed.body))
    job = added(resources)
    store, resources.objects = resources.objects, FullStore(resources.objects)
    tasks.run_phase(resources, tasks.RENDER, job.id)
    resources.objects = store
    assert len(list((resources.settings.data_dir / "spool").iterdir())) == 2
    with resources.database.write() as connection:  # its pause is over
        connection.execute(jobs.jobs.update().where(jobs.jobs.c.id == job.id).values(available_at=0))
    tasks.run_phase(resources, tasks.RENDER, job.id)
    tasks.run_phase(resources, tasks.FINISH, job.id)
    (parent,) = credentials_of(resources, found(resources, job))["ingredients"]
    assert parent["active_manifest"] == signed.manifest_id
    assert (len(server.requests), list((resources.settings.data_dir / "spool").iterdir())) == (1, [])
