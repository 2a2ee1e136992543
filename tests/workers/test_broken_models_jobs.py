"""Jobs of models that cannot be loaded fail with the reason, and the models that other jobs wait for stay loaded."""

import pytest
from factories import make_job, make_recipe
from msgspec import structs
from weights_files import write_lora, write_model

from imgen.domain.job import State
from imgen.records import jobs
from workers import tasks

STARTER = """
[starter]
label = "Starter"
source = "starter"
backend = "diffusers"
leave_out = ["text_encoder_3", "tokenizer_3"]
steps = { default = 1 }
guidance = { default = 3.5 }
default_style = "professional"
styles = { professional = { label = "Professional" } }
"""


@pytest.fixture
def resources(make_resources):
    """Resources of a worker that has no room beside its two loaded models."""
    data = make_resources().settings.data_dir
    healthy = (data / "models.toml").read_text().replace("step_s = 0.0", "memory_mib = 600")
    broken = STARTER.replace("[starter]", "[broken]").replace('source = "starter"', 'source = "broken"')
    (data / "models.toml").write_text(healthy + healthy.replace("[eros]", "[other]") + STARTER + broken)
    write_model(data / "models" / "broken")
    write_lora(data / "models" / "stranger.safetensors")
    made = make_resources("[workers]\nmemory_gib = 1.172\n")
    for key in ("eros", "other"):
        made.models.engine(made.catalog.models[key])
    return made


@pytest.mark.parametrize(
    ("model", "lora", "code", "words"),
    [
        ("broken", "", "model_not_loaded", "models.toml: broken: "),
        ("starter", "stranger.safetensors", "model", "stranger.safetensors does not fit this model"),
    ],
)
def test_a_job_that_cannot_be_drawn_unloads_no_model(resources, model, lora, code, words):
    """Whether its model is broken, or its LoRA is of another base; the next one fails as the first did."""
    for _ in range(2):
        recipe = make_recipe(model=model)
        job = make_job(recipe=structs.replace(recipe, diffusion=structs.replace(recipe.diffusion, lora=lora)))
        with resources.database.write() as connection:
            jobs.add(connection, job)
        tasks.run_phase(resources, tasks.RENDER, job.id)
        with resources.database.read() as connection:
            ended = jobs.find(connection, job.id)
        assert (ended.state, ended.error_code) == (State.FAILED, code)
        assert words in ended.error_reason
        assert resources.models.keys == ("eros", "other")
