"""A model's files exchanged under its name: the next job draws with the new ones, once they are whole."""

import shutil

import pytest
from safetensors.torch import load_file, save_file

from workers.engines import EngineContext
from workers.model_slot import ModelSlot


@pytest.fixture
def own(models, tmp_path):
    """A folder of the operator's, with a tiny SD 1.5."""
    shutil.copytree(models / "sd15", tmp_path / "models" / "own")
    return tmp_path / "models" / "own"


def test_other_weights_are_loaded_for_the_next_job(own, entry):
    """Their digest is that of the files; while they are copied, the model in memory goes on."""
    slot, model = ModelSlot(EngineContext(folders=(own.parent,))), entry("own")
    first = slot.engine(model)
    before = slot.weights("")
    assert slot.engine(model) is first
    file = own / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = {name: tensor + 1 for name, tensor in load_file(file).items()}
    save_file(tensors, file)
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])
    assert slot.engine(model) is first
    assert slot.weights("") == before
    file.write_bytes(whole)
    assert slot.engine(model) is not first
    assert slot.weights("") != before
    assert slot.weights("").keys() == {"own"}


def test_a_name_that_becomes_the_operators_is_looked_up_again(own, models, entry):
    """A reload after which models.toml of the data folder has the shipped name itself."""
    from imgen.domain.catalog import Catalog

    shutil.copytree(own, own.parent / "sd15")
    folders = (own.parent, models)
    model = entry("sd15")
    slot = ModelSlot(EngineContext(folders=folders, shipped=frozenset({"sd15"})))
    catalog = Catalog(models={model.key: model}, characters={}, shipped=frozenset({"sd15"}))
    first = slot.engine(model)
    slot.refresh(catalog)
    assert slot.engine(model) is first
    slot.refresh(Catalog(models={model.key: model}, characters={}))
    assert slot.key == ""
