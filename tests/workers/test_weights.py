"""Weights that draw: workers tell their digest, and keep no picture under the digest of others."""

import pytest
from factories import make_job, make_recipe
from msgspec import structs

from imgen.domain.job import State
from imgen.live import weights
from imgen.records import cache, jobs
from imgen.records.cache import PendingEntry
from imgen.weights.digest import WeightDigests, joined
from workers import tasks

LORA = "starter/loras/aya.safetensors"


@pytest.fixture
def resources(make_resources, tmp_path):
    """Resources of a worker that draws with the shipped model."""
    (tmp_path / "var" / "models.toml").unlink()
    return make_resources()


@pytest.fixture
def drawn(resources):
    """Renders one small picture that the cache is to keep as of these weights; returns whether its entry is kept."""

    def run(digest, *, lora=""):
        recipe = make_recipe(cache_entry_id=cache.new_entry_id(), weights=digest)
        small = {"width": 192, "height": 256, "num_inference_steps": 1, "lora": lora}
        job = make_job(recipe=structs.replace(recipe, diffusion=structs.replace(recipe.diffusion, **small)))
        entry = PendingEntry(tenant_id="ten_1", model="eros", partition="p", embedder="m", text="coat", vector=b"1234")
        with resources.database.write() as connection:
            jobs.add(connection, job)
            cache.add_pending(connection, entry, job)
        tasks.run_phase(resources, tasks.RENDER, job.id)
        with resources.database.write() as connection:
            assert jobs.find(connection, job.id).state is State.RENDERED
            return cache.purge(connection, entry_ids=[job.recipe.cache_entry_id]) == 1

    return run


def test_a_picture_is_kept_under_the_digest_of_its_own_weights(resources, drawn):
    """Model and LoRA count; a picture of others under the same names is not kept. API processes can read both digests."""
    digests, config = WeightDigests(), resources.settings.config_dir
    model, lora = digests.of(config / "starter"), digests.of(config / LORA)
    assert drawn(model)
    assert not drawn("digest of others")
    assert drawn(joined(model, lora), lora=LORA)
    assert not drawn(joined(model, "digest of others"), lora=LORA)
    assert resources.live.run(weights.read(["starter", LORA, "nothing"])) == [model, lora, ""]
