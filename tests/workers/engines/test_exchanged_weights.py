"""A model's files exchanged under its name: the next job draws with the new ones, once they are whole."""

import shutil

import pytest
from safetensors.torch import load_file, save_file

from imgen.weights.identity import identity
from workers.engines import EngineContext
from workers.memory_pool import MemoryPool
from workers.model_pool import ModelPool


@pytest.fixture
def own(models, tmp_path):
    """A folder of the operator's, with a tiny SD 1.5."""
    shutil.copytree(models / "sd15", tmp_path / "models" / "own")
    return tmp_path / "models" / "own"


def make_pool(*folders, **more):
    return ModelPool(EngineContext(folders=folders, **more), MemoryPool(lambda _device: 2**30))


def test_other_weights_are_loaded_for_the_next_job(own, entry):
    """Their digest is that of the files; while they are copied, the model in memory goes on."""
    pool, model = make_pool(own.parent), entry("own")
    first = pool.engine(model)
    before = pool.weights(model, "")
    assert pool.engine(model) is first
    file = own / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = {name: tensor + 1 for name, tensor in load_file(file).items()}
    save_file(tensors, file)
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])
    assert pool.engine(model) is first
    assert pool.weights(model, "") == before
    file.write_bytes(whole)
    assert pool.engine(model) is not first
    assert pool.weights(model, "") != before
    assert pool.weights(model, "").keys() == {"own"}


def test_other_weights_of_a_component_are_loaded_for_the_next_job(own, entry):
    """Its digest is told under its own name, and is part of what draws."""
    shutil.move(own / "vae", own.parent / "my-vae")
    pool, model = make_pool(own.parent), entry("own", components={"vae": "my-vae"})
    first, before = pool.engine(model), pool.weights(model, "")
    assert before.keys() == {"own", "my-vae"}
    assert all(before.values())
    file = own.parent / "my-vae" / "diffusion_pytorch_model.safetensors"
    tensors = {name: tensor + 1 for name, tensor in load_file(file).items()}
    save_file(tensors, file)
    assert pool.engine(model) is not first
    after = pool.weights(model, "")
    assert (after["own"], after["my-vae"] != before["my-vae"]) == (before["own"], True)
    assert identity(model, "", after) != identity(model, "", before)


def test_a_name_that_becomes_the_operators_is_looked_up_again(own, models, entry):
    """A reload after which models.toml of the data folder has the shipped name itself."""
    from imgen.domain.catalog import Catalog

    shutil.copytree(own, own.parent / "sd15")
    model = entry("sd15")
    pool = make_pool(own.parent, models, shipped=frozenset({"sd15"}))
    catalog = Catalog(models={model.key: model}, characters={}, shipped=frozenset({"sd15"}))
    first = pool.engine(model)
    pool.refresh(catalog)
    assert pool.engine(model) is first
    pool.refresh(Catalog(models={model.key: model}, characters={}))
    assert pool.keys == ()
