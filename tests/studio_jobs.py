"""Jobs of Studio, put into the database as the API would, and run by a worker's phases."""

import hashlib
import io

import numpy as np
from factories import PLAN, make_job, make_recipe
from msgspec import structs
from PIL import Image

from imgen.domain.recipe import Frame, Input, PromptParts
from imgen.provenance.inspection import inspect_picture
from imgen.records import jobs, ledger
from workers import tasks


def noise(width, height):
    """Pixels at random."""
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)


def put(resources, role, pixels, strength=1.0):
    """Stores an input as the gate does."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    sha256 = hashlib.sha256(file.getvalue()).hexdigest()
    key = f"inputs/ten_1/2026-01-01/{sha256}"
    resources.objects.put(key, file.getvalue(), "image/png")
    return Input(role=role, key=key, sha256=sha256, strength=strength)


def studio_job(resources, source, *, mode="style", size=(384, 256), frame, mask=None, strength=0.6, **diffusion):
    """A queued job of a mode: the size that is drawn, and that of the finished picture."""
    inputs = [put(resources, "source", source, strength)]
    if mask is not None:
        inputs.append(put(resources, "mask", mask))
    recipe = make_recipe(mode=mode, frame=Frame(width=frame[0], height=frame[1]))
    if mode == "enhance":
        recipe = structs.replace(recipe, prompt_parts=PromptParts(prompt="", original_prompt=""))
        diffusion = {"positive": "", "negative": "", "num_inference_steps": 0, **diffusion}
    changes = {"width": size[0], "height": size[1], "inputs": tuple(inputs), **diffusion}
    job = make_job(
        recipe=structs.replace(recipe, diffusion=structs.replace(recipe.diffusion, **changes)), surface="studio"
    )
    with resources.database.write() as connection:
        jobs.add(connection, job)
        ledger.hold(connection, job, PLAN)
    return job


def finish(resources, job):
    """Runs both phases; returns the job as it is then."""
    tasks.run_phase(resources, tasks.RENDER, job.id)
    tasks.run_phase(resources, tasks.FINISH, job.id)
    return found(resources, job)


def found(resources, job):
    """The job as it is now."""
    with resources.database.read() as connection:
        return jobs.find(connection, job.id)


def inspected(resources, job):
    """Facts that the finished file tells."""
    anchor = (resources.settings.data_dir / "credentials" / "anchor.pem").read_bytes()
    return inspect_picture(signed_file(resources, job), anchor)


def signed_file(resources, job):
    """The finished file."""
    return resources.objects.get(job.outcome.images[0].key)


def told_actions(inspection):
    """Actions of the credentials with their source types, without prefixes."""
    (data,) = (
        one["data"] for one in inspection.credentials.manifest["assertions"] if one["label"] == "c2pa.actions.v2"
    )
    return [
        (one["action"].removeprefix("c2pa."), one.get("digitalSourceType", "").rpartition("/")[2])
        for one in data["actions"]
    ]
