"""Components of a model's own: in place of the source's, which is then neither needed nor read; compared before and at the load."""

import json
import re
import shutil

import numpy as np
import pytest
import torch
from drawing import draw_one
from first_release_names import VAE, renamed
from safetensors.torch import load_file, save_file

from imgen.domain.errors import ModelError
from workers import engines
from workers.engines import EngineContext

# numpy 2 warns at how diffusers' schedulers turn tensors into arrays; nothing we can call differently.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def load(models, entry, tmp_path):
    """Loads a model of the tiny ones, or of the test's own folder."""
    return lambda source, **more: engines.load(entry(source, **more), EngineContext(folders=(tmp_path, models)))


@pytest.fixture
def taken_out(models, tmp_path):
    """Copies a model's folder without some components; these lie beside it, changed a little if asked for. Returns its name."""

    def take(family, *parts, add=0.0):
        shutil.copytree(models / family, tmp_path / f"{family}-base")
        for part in parts:
            shutil.move(tmp_path / f"{family}-base" / part, tmp_path / part)
            for file in (tmp_path / part).glob("*.safetensors"):
                save_file({name: tensor + add for name, tensor in load_file(file).items()}, file, {"format": "pt"})
        return f"{family}-base"

    return take


@pytest.mark.parametrize(
    ("family", "parts"),
    [
        ("sd15", ("unet", "scheduler")),
        ("sdxl", ("vae", "text_encoder_2", "tokenizer_2")),
        ("sd3", ("transformer", "text_encoder", "text_encoder_3")),
        ("flux", ("transformer", "vae", "text_encoder", "text_encoder_2")),
    ],
)
def test_folders_draw_what_they_draw_in_the_model(family, parts, load, taken_out, ask):
    """The base folder needs no copy of its own."""
    plain = draw_one(load(family), ask())
    base = taken_out(family, *parts)
    with pytest.raises(ModelError):
        load(base)
    assert np.array_equal(draw_one(load(base, components={part: part for part in parts}), ask()), plain)


@pytest.mark.parametrize(
    ("family", "parts"), [("flux", ("transformer", "vae", "text_encoder", "text_encoder_2")), ("sdxl", ("unet", "vae"))]
)
@pytest.mark.parametrize("config_is", ["in the base", "beside the file"])
def test_single_files_draw_what_their_folders_draw(family, parts, config_is, load, taken_out, ask, tmp_path):
    """Their configuration is that of the base folder, or lies in a folder of the file's name."""
    plain = draw_one(load(family), ask())
    base = taken_out(family, *parts)
    for part in parts:
        (weights,) = (tmp_path / part).glob("*.safetensors")
        weights.rename(tmp_path / f"{part}-file.safetensors")
        folder = tmp_path / base / part if config_is == "in the base" else tmp_path / f"{part}-file"
        folder.mkdir()
        shutil.copy(tmp_path / part / "config.json", folder)
    components = {part: f"{part}-file.safetensors" for part in parts}
    assert np.array_equal(draw_one(load(base, components=components), ask()), plain)


def test_the_component_draws_and_not_the_models_own(load, taken_out, ask, models, tmp_path):
    """A VAE of other weights beside a whole model; the model's own is not even opened."""
    taken_out("sdxl", "vae", add=0.05)
    shutil.copytree(models / "sdxl", tmp_path / "whole")
    (tmp_path / "whole" / "vae" / WEIGHTS).write_bytes(b"broken")
    engine = load("whole", components={"vae": "vae"})
    assert not np.array_equal(draw_one(engine, ask()), draw_one(load("sdxl"), ask()))


def test_a_vae_that_is_safe_in_float16_works_in_float16(load, taken_out, tmp_path, ask):
    """Its configuration says so, as that of sdxl-vae-fp16-fix; SDXL's own goes on in float32."""
    base = taken_out("sdxl", "vae")
    own = load(base, dtype="float16", components={"vae": "vae"})._pipe.vae
    assert own.dtype is torch.float32
    config = tmp_path / "vae" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"force_upcast": False}))
    engine = load(base, dtype="float16", components={"vae": "vae"})
    assert engine._pipe.vae.dtype is torch.float16
    assert draw_one(engine, ask()).std() > 0
    assert engine._pipe.vae.dtype is torch.float16


def test_a_vae_of_the_first_releases_is_translated(load, taken_out, tmp_path, ask):
    """Most single files have its names."""
    plain = draw_one(load("sd15"), ask())
    base = taken_out("sd15", "vae")
    (tmp_path / "old").mkdir()
    shutil.copy(tmp_path / "vae" / "config.json", tmp_path / "old")
    tensors = renamed(load_file(tmp_path / "vae" / WEIGHTS), VAE)
    save_file(tensors, tmp_path / "old.safetensors")
    assert np.array_equal(draw_one(load(base, components={"vae": "old.safetensors"}), ask()), plain)


def load_checked(model, context):
    engines.check(model, context)
    engines.load(model, context)


@pytest.fixture
def refused(entry, models, tmp_path):
    """Returns the one line with which an entry is refused, before or at its load."""

    def run(source, **more):
        context = EngineContext(folders=(tmp_path, models))
        with pytest.raises(ModelError) as raised:
            load_checked(entry(source, **more), context)
        assert "\n" not in str(raised.value)
        assert len(str(raised.value)) < 500
        return str(raised.value)

    return run


def test_a_name_that_is_no_component_is_refused(refused):
    """With those that the model has."""
    told = refused("flux", components={"unet": "sdxl/unet"})
    assert told.startswith("models.toml: tiny: components: unet: FluxPipeline has no such component; it has ")
    assert "transformer, vae" in told
    assert "no such component" in refused("flux", components={"_class_name": "sdxl/unet"})


@pytest.mark.parametrize(
    ("components", "words"),
    [
        ({"vae": "gone"}, "components: vae: no file or folder 'gone' in "),
        ({"vae": "../sdxl/vae"}, "leaves the folders"),
        ({"vae": "someone/vae"}, "downloads are off"),
        ({"vae": "sd3"}, "is a whole model: give .*sd3/vae"),
        ({"vae": "sdxl/unet"}, "is of the class UNet2DConditionModel, and the model has AutoencoderKL there"),
        ({"vae": f"sdxl/unet/{WEIGHTS}"}, "is a denoiser without the rest of its model, not a VAE"),
        ({"unet": f"sdxl/vae/{WEIGHTS}"}, "is a VAE, not a denoiser"),
        ({"scheduler": f"sdxl/vae/{WEIGHTS}"}, "is a single file; scheduler has to be a folder"),
        ({"vae": "sd3/vae"}, "its latent_channels is 16, and the model's is 4"),
        ({"unet": "sd15/unet"}, "its cross_attention_dim is 32, and the model's is 64"),
        ({"text_encoder": "sd3/text_encoder_3"}, "does not fit the model's CLIPTextModel: it lacks"),
        ({"text_encoder": "sd3/text_encoder_3/model.safetensors"}, "does not fit the model's CLIPTextModel: it lacks"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(components, words, refused):
    """With the name of the setting."""
    assert re.search(words, told := refused("sdxl", components=components)), told


def test_weights_that_would_be_dropped_or_random_are_refused(refused, taken_out, tmp_path):
    """A file with more or fewer weights than its configuration has places for, such as FLUX dev's beside schnell's."""
    base = taken_out("flux", "transformer")
    (tmp_path / base / "transformer").mkdir()
    shutil.copy(tmp_path / "transformer" / "config.json", tmp_path / base / "transformer")
    tensors = load_file(tmp_path / "transformer" / WEIGHTS)
    guidance = {"time_text_embed.guidance_embedder.linear_1.weight": torch.zeros(2, 2)}
    save_file(tensors | guidance, tmp_path / "more.safetensors")
    told = refused(base, components={"transformer": "more.safetensors"})
    assert "FluxTransformer2DModel: it has more than it: time_text_embed.guidance_embedder" in told
    del tensors["proj_out.weight"]
    save_file(tensors, tmp_path / "fewer.safetensors")
    assert "it lacks proj_out.weight" in refused(base, components={"transformer": "fewer.safetensors"})
    save_file(tensors, tmp_path / "transformer" / WEIGHTS, {"format": "pt"})
    assert "it lacks proj_out.weight" in refused(base, components={"transformer": "transformer"})


def test_pickles_and_pointers_are_not_opened(refused, taken_out, tmp_path):
    """In a component's folder or file as in a model's."""
    base = taken_out("sdxl", "vae")
    weights = tmp_path / "vae" / WEIGHTS
    (tmp_path / "vae.safetensors").write_bytes(b"\x80\x04K\x01.")
    assert "a pickle" in refused(base, components={"vae": "vae.safetensors"})
    weights.rename(weights.with_suffix(".bin"))
    assert "only as diffusion_pytorch_model.bin" in refused(base, components={"vae": "vae"})
    weights.with_suffix(".bin").unlink()
    assert "has no weights" in refused(base, components={"vae": "vae"})
    (tmp_path / "vae" / "config.json").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    assert "Git LFS pointer" in refused(base, components={"vae": "vae"})


def test_capabilities_are_those_of_the_component(entry, models, tmp_path):
    """A denoiser with a place for guidance, in a model whose own has none."""
    context = EngineContext(folders=(tmp_path, models))
    shutil.copytree(models / "flux" / "transformer", tmp_path / "dev")
    config = tmp_path / "dev" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"guidance_embeds": True}))
    known = [
        engines.capabilities([entry("flux", **more)], context)["tiny"].guidance
        for more in (
            {},
            {"components": {"transformer": "dev"}},
            {"components": {"transformer": f"flux/transformer/{WEIGHTS}"}},
        )
    ]
    assert known == [False, True, False]
