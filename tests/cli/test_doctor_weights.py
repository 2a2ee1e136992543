"""`imgen doctor` and `imgen models list`: components and upscalers that the configuration names are tried, a line each."""

import shutil

import numpy as np
import pytest
from safetensors.numpy import save_file
from servers.command import run_command
from upscaling import save_esrgan
from weights_files import write_lora, write_model

from imgen import settings
from imgen.cli import doctor

ENTRY = """
[own]
label = "Own"
source = "own"
components = {{ {components} }}
steps = {{ default = 4 }}
guidance = {{ default = 2 }}
default_style = "p"
styles = {{ p = {{ label = "P" }} }}
"""


@pytest.fixture
def data(tmp_path):
    """A data folder with a model whose VAE lies beside it."""
    models = tmp_path / "var" / "models"
    write_model(models / "own")
    shutil.move(models / "own" / "vae", models / "my-vae")
    return tmp_path / "var"


@pytest.fixture
def found(data):
    """Runs the check of one part with these components, or this imgen.toml; returns state and text, one behind the other."""

    def run(part, components="", text=""):
        (data / "models.toml").write_text(ENTRY.format(components=components))
        (data / "imgen.toml").write_text(text)
        return ": ".join(doctor.check(part, settings.load(data, environ={})))

    return run


def test_components_are_found_in_place_of_the_models_own(data, found):
    """With their paths; LoRA files are compared with them."""
    said = found("models", 'vae = "my-vae"')
    assert said.startswith("ok")
    assert f"own vae: {data / 'models' / 'my-vae'}" in said
    shutil.move(data / "models" / "own" / "unet", data / "models" / "my-unet")
    (data / "characters.toml").write_text('[zoe]\ntrigger = "zoe"\nloras = { own = "zoe.safetensors" }\n')
    both = 'vae = "my-vae", unet = "my-unet"'
    write_lora(data / "models" / "zoe.safetensors")
    assert found("characters", both).startswith("ok")
    write_lora(data / "models" / "zoe.safetensors", size=8)
    assert "does not fit this model: unet.to_q is (4, 4) here and (8, 8) there" in found("characters", both)


@pytest.mark.parametrize(
    ("components", "words"),
    [
        ('vae = "gone"', "own vae: no file or folder 'gone'"),
        ('vae = "my-vae", tea = "my-vae"', "own tea: StableDiffusionPipeline has no such"),
        ('vae = "own"', "is a whole model"),
        ('vae = "some/vae"', "downloads are off"),
    ],
)
def test_a_wrong_component_is_one_line(components, words, found, data):
    """With the setting's name, in the doctor's table and beside the list of models."""
    said = found("models", components)
    assert said.startswith("wrong")
    assert words in said
    done = run_command("models", "list", "--data", str(data))
    assert done.returncode == 0
    assert "own" in done.stdout
    assert [words in line for line in done.stderr.splitlines()] == [True]


def test_a_component_that_is_fetched_later_is_no_failure(found):
    """Downloads have to be allowed, and the name has to be one that a repository may have."""
    allowed = "[workers]\nallow_downloads = true\n"
    assert "own vae: is fetched by the first worker" in found("models", 'vae = "some/vae"', allowed)
    assert found("models", 'vae = "gone"', allowed).startswith("wrong")


def test_a_model_that_is_here_and_wrong_is_not_fetched_later(data, found):
    """With downloads allowed only what the hub may have, and is not here, is left to the first worker."""
    allowed = "[workers]\nallow_downloads = true\n"
    models = data / "models"
    shutil.move(models / "own", models / "held")
    said = found("models", text=allowed)
    assert said.startswith("wrong")
    assert "\nown: no model 'own' in " in said
    (models / "held" / "vae").mkdir()
    (models / "held" / "vae" / "a.bin").write_bytes(b"\x80\x04K\x01.")
    shutil.move(models / "held", models / "own")
    assert "own: " + str(models / "own" / "vae") + " has its weights only as a.bin" in found("models", text=allowed)
    (data / "models.toml").write_text(ENTRY.format(components="").replace('source = "own"', 'source = "some/own"'))
    said = ": ".join(doctor.check("models", settings.load(data, environ={})))
    assert said.startswith("ok")
    assert "\nown: is fetched by the first worker" in said


def test_half_a_cascade_is_wrong(data, found):
    """Its call needs what no request has."""
    index = data / "models" / "own" / "model_index.json"
    index.write_text(index.read_text().replace("StableDiffusionPipeline", "KandinskyV22Pipeline"))
    said = found("models", 'vae = "my-vae"')
    assert "own does not draw from words: the call of KandinskyV22Pipeline needs image_embeds and negative_" in said


def test_upscalers_are_loaded(data, found):
    """Missing and unreadable files, other kinds, unknown networks and other factors are wrong; each is named by its setting."""
    models = data / "models"
    text = '[workers]\nupscalers = { 2 = "two.safetensors", 4 = "four.safetensors" }\n'
    assert found("upscalers") == "ok: none: Lanczos enlarges"
    said = found("upscalers", text=text)
    assert said.startswith("wrong: [workers] upscalers 2: no upscaler 'two.safetensors' in ")
    assert "\n[workers] upscalers 4: no upscaler 'four.safetensors' in " in said
    save_esrgan(models / "two.safetensors", scale=2)
    save_esrgan(models / "four.safetensors")
    assert found("upscalers", text=text) == (
        f"ok: [workers] upscalers 2: {models / 'two.safetensors'}\n[workers] upscalers 4: {models / 'four.safetensors'}"
    )
    save_esrgan(models / "four.safetensors", scale=2)
    assert "enlarges by 2, not by 4: mend [workers] upscalers" in found("upscalers", text=text)
    save_file({"x": np.zeros(1, np.float32)}, models / "four.safetensors")
    assert "four.safetensors is of no architecture that spandrel knows" in found("upscalers", text=text)
    write_lora(models / "four.safetensors")
    assert "four.safetensors is a LoRA, not an upscaler" in found("upscalers", text=text)
    (models / "four.safetensors").write_bytes(b"\x80\x04K\x01.")
    assert "[workers] upscalers 4: four.safetensors is not a safetensors file" in found("upscalers", text=text)
    done = run_command("models", "list", "--data", str(data))
    assert "imgen: [workers] upscalers 4: four.safetensors is not a safetensors file" in done.stderr
