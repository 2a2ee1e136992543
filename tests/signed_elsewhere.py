"""Jobs of a remote engine that signs its pictures, and what the credentials of theirs tell."""

import hashlib

import numpy as np
from factories import PLAN, make_job, make_manifest, make_recipe
from msgspec import structs
from servers.image_engine import png

from imgen.domain.job import State
from imgen.domain.recipe import Input, PromptParts
from imgen.provenance import encoding
from imgen.provenance.inspection import inspect_picture
from imgen.records import jobs, ledger
from workers import tasks

OPENED, MARKED = ("c2pa.opened", ""), ("c2pa.watermarked", "")
CREATED = ("c2pa.created", "trainedAlgorithmicMedia")
REDRAWN = ("c2pa.edited", "compositeWithTrainedAlgorithmicMedia")
RESIZED = ("c2pa.resized", "algorithmicallyEnhanced")
CROPPED = ("c2pa.cropped", "algorithmicallyEnhanced")


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
