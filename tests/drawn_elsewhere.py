"""Jobs of a model that an engine elsewhere draws, for tests of workers in one process."""

from factories import PLAN, make_job, make_recipe
from msgspec import UNSET, structs

from imgen.domain.recipe import PromptParts
from imgen.records import jobs, ledger
from imgen.records.tables.jobs import jobs as table
from workers import tasks

MODEL = """
[eros]
label = "Eros"
backend = "remote"
engines = [{ engine = "elsewhere", model = "gpt-image-2" }]
steps = { default = 4 }
guidance = { default = 3.5 }
default_style = "professional"
styles = { professional = { label = "Professional" } }
"""


def configure(data, url, models=MODEL):
    """Writes the files of models and engines: the models are drawn by the OpenAI-compatible server at a URL."""
    (data / "models.toml").write_text(models)
    entry = f'[elsewhere]\nkind = "openai"\nbase_url = "{url}/v1"\napi_key_env = "ELSEWHERE_KEY"\n'
    (data / "engines.toml").write_text(entry)


def submitted(resources, model="eros", *, frame=UNSET, upscale=1):
    """A job that waits."""
    parts = PromptParts(prompt="red coat", original_prompt="red coat", positive="red coat")
    recipe = make_recipe(prompt_parts=parts, model=model, frame=frame)
    diffusion = structs.replace(recipe.diffusion, positive="red coat", width=256, height=256, upscale=upscale)
    recipe = structs.replace(recipe, diffusion=diffusion)
    job = make_job(recipe=recipe)
    with resources.database.write() as connection:
        jobs.add(connection, job)
        ledger.hold(connection, job, PLAN)
    return job


def attempted(resources, job=None):
    """A job, by default a new one, after its next attempt to be drawn."""
    job = job or submitted(resources)
    with resources.database.write() as connection:
        connection.execute(table.update().where(table.c.id == job.id).values(available_at=0))  # a wait is over
    tasks.run_phase(resources, tasks.RENDER, job.id)
    return found(resources, job)


def found(resources, job):
    """The job as it is now."""
    with resources.database.read() as connection:
        return jobs.find(connection, job.id)
