"""Shipped weights and files of the same name in the data folder: which of them draw, and that it is told."""

import pytest
from servers.command import run_command
from weights_files import write_lora, write_model

from imgen import configuration, settings
from imgen.cli import doctor
from imgen.weights.lookup import find, in_order


@pytest.fixture
def data(tmp_path):
    (tmp_path / "var").mkdir()
    return tmp_path / "var"


def place(data, name):
    """The path that a worker finds for a name."""
    loaded = settings.load(data, environ={})
    shipped = configuration.load_catalog(loaded).shipped
    return find(name, in_order(name, loaded.model_folders, shipped))


def test_an_old_stand_in_does_not_draw(data):
    """The shipped model and its LoRA files do; whatever else lies in the data folder is found there first."""
    stand_in = write_model(data / "models" / "starter")
    write_lora(stand_in / "loras" / "aya.safetensors")
    own = write_model(data / "models" / "own")
    config = settings.load(data, environ={}).config_dir
    assert place(data, "starter") == config / "starter"
    assert place(data, "starter/loras/aya.safetensors") == config / "starter" / "loras" / "aya.safetensors"
    assert place(data, "own") == own


def test_it_is_told(data):
    """By doctor, once for a folder with all that is in it, with the way out; a folder of other things is no shadow."""
    (data / "models" / "starter").mkdir(parents=True)
    assert configuration.shadowed_weights(settings.load(data, environ={})) == []
    write_lora(data / "models" / "starter" / "loras" / "aya.safetensors")
    (told,) = configuration.shadowed_weights(settings.load(data, environ={}))
    assert "starter/loras/aya.safetensors is not used" in told
    write_model(data / "models" / "starter")
    (told,) = configuration.shadowed_weights(settings.load(data, environ={}))
    assert f"{data / 'models' / 'starter'} is not used" in told
    state, text = doctor.check("models", settings.load(data, environ={}))
    assert state == "warning"
    assert told in text
    assert "starter is not used" in " ".join(run_command("doctor", "--data", str(data)).stdout.split())


def test_the_operators_own_file_says_otherwise(data):
    """A name written in the data folder's models.toml or characters.toml is the operator's; that is told, too."""
    stand_in = write_model(data / "models" / "starter")
    own = write_lora(stand_in / "loras" / "bella.safetensors")
    (data / "models.toml").write_text('[eros]\nsource = "starter"\n')
    (data / "characters.toml").write_text('[bella]\nloras = { eros = "starter/loras/bella.safetensors" }\n')
    assert place(data, "starter") == stand_in
    assert place(data, "starter/loras/bella.safetensors") == own
    config = settings.load(data, environ={}).config_dir
    assert place(data, "starter/loras/aya.safetensors") == config / "starter" / "loras" / "aya.safetensors"
    (told,) = configuration.shadowed_weights(settings.load(data, environ={}))
    assert "draws in the place of the shipped" in told


def test_other_fields_of_a_shipped_model_change_nothing(data):
    """Only a source that is written there is the operator's word."""
    write_model(data / "models" / "starter")
    (data / "models.toml").write_text('[eros]\nlabel = "Ours"\n')
    assert place(data, "starter").parent == settings.load(data, environ={}).config_dir


def test_doctor_compares_lora_files_with_their_model(data):
    """A layer that the model lacks and a kind that is not supported are wrong; one that fits is named by its path."""
    write_model(data / "models" / "own")
    (data / "models.toml").write_text(
        '[own]\nlabel = "Own"\nsource = "own"\nsteps = { default = 4 }\nguidance = { default = 3.5 }\n'
        'default_style = "a"\nstyles = { a = { label = "A" } }\n'
    )
    (data / "characters.toml").write_text('[zoe]\nloras = { own = "zoe.safetensors" }\n')
    file = write_lora(data / "models" / "zoe.safetensors")
    state, text = doctor.check("characters", settings.load(data, environ={}))
    assert (state, str(file) in text) == ("ok", True)
    write_lora(file, layer="unet.down_blocks.7.to_q")
    state, text = doctor.check("characters", settings.load(data, environ={}))
    assert (state, "unet.down_blocks.7.to_q" in text) == ("wrong", True)
    file.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    state, text = doctor.check("characters", settings.load(data, environ={}))
    assert (state, "Git LFS pointer" in text) == ("wrong", True)
