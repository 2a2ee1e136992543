"""Models that cannot be loaded: each fails with its reason before a model that works is unloaded for it."""

import json
import os
import shutil

import pytest
import torch
from first_release_names import VAE, renamed
from msgspec import structs
from safetensors.torch import load_file, save_file

from imgen.domain.errors import ModelError, ModelNotLoaded
from workers import engines
from workers.engines import EngineContext
from workers.engines.diffusers import pipelines
from workers.engines.diffusers.placement import Placement
from workers.memory_pool import MemoryPool
from workers.model_pool import ModelPool

UNET = "unet/diffusion_pytorch_model.safetensors"
HEALTHY = ("sdxl", "sd15")


@pytest.fixture
def loads(monkeypatch):
    """Folders whose weights were loaded, in order."""
    built = []
    build = pipelines._from_folder
    monkeypatch.setattr(
        pipelines, "_from_folder", lambda path, *rest, **more: built.append(path.name) or build(path, *rest, **more)
    )
    return built


@pytest.fixture
def named(entry):
    """Makes an entry with a key of its own."""
    return lambda source, **more: structs.replace(entry(source, **more), key=source)


@pytest.fixture
def pool(models, tmp_path, named, loads):
    """Pool without room beside its two models, which are loaded."""
    context = EngineContext(folders=(tmp_path, models))
    budget = sum(engines.check(named(name), context).memory_bytes for name in HEALTHY) + 2**12
    made = ModelPool(context, MemoryPool(lambda _device: budget))
    for name in HEALTHY:
        made.engine(named(name))
    assert made.keys == HEALTHY
    return made


@pytest.fixture
def broken(models, tmp_path):
    """A folder "broken", which is a copy of SDXL's as long as a test leaves it whole."""
    shutil.copytree(models / "sdxl", tmp_path / "broken")
    return tmp_path / "broken"


@pytest.fixture
def healthy_stay(pool, named, loads):
    """Checks that both models are loaded still, and were loaded once."""

    def check():
        for name in HEALTHY:
            pool.engine(named(name))
        assert loads == [*HEALTHY]

    return check


def cut(folder, _models):
    os.truncate(folder / UNET, (folder / UNET).stat().st_size - 1)


def lose_weights(folder, _models):
    (folder / UNET).unlink()


def lose_component(folder, _models):
    shutil.rmtree(folder / "text_encoder_2")


def lose_shard(folder, _models):
    tensors = load_file(folder / UNET)
    (folder / UNET).unlink()
    first, second = (f"diffusion_pytorch_model-0000{number}-of-00002.safetensors" for number in (1, 2))
    save_file(tensors, folder / "unet" / first, {"format": "pt"})
    index = {"metadata": {}, "weight_map": dict.fromkeys(tensors, first) | {"conv_in.bias": second}}
    (folder / "unet" / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))


def lose_names(folder, _models):
    tensors = load_file(folder / "text_encoder" / "model.safetensors")
    del tensors["text_model.embeddings.position_embedding.weight"]
    save_file(tensors, folder / "text_encoder" / "model.safetensors", {"format": "pt"})


def take_shapes_of_another(folder, models):
    shutil.copy(models / "sd15" / UNET, folder / UNET)


def take_another_component(folder, models):
    shutil.copy(models / "sdxl" / "vae" / "diffusion_pytorch_model.safetensors", folder / UNET)


def take_the_denoiser_of_another(folder, models):
    shutil.rmtree(folder / "unet")
    shutil.copytree(models / "sd15" / "unet", folder / "unet")


def take_the_vae_of_another(folder, models):
    shutil.rmtree(folder / "vae")
    shutil.copytree(models / "sd3" / "vae", folder / "vae")


def take_an_architecture_without_its_parts(folder, _models):
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"_class_name": "StableDiffusion3Pipeline"}))


def take_an_unknown_architecture(folder, _models):
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"_class_name": "FancyPipeline"}))


def spoil_the_tokenizer(folder, _models):
    for file in (folder / "tokenizer").iterdir():
        file.write_text("spoilt")


def spoil_the_configuration(folder, _models):
    (folder / "unet" / "config.json").write_text("spoilt")


KINDS = {
    cut: "download it again",
    lose_weights: "broken/unet has no weights",
    lose_component: "broken/text_encoder_2 is missing",
    lose_shard: "broken/unet lacks diffusion_pytorch_model-00002-of-00002",
    lose_names: "CLIPTextModel: it lacks text_model.embeddings.position_embedding.weight",
    take_shapes_of_another: "broken/unet does not fit the model's UNet2DConditionModel: it lacks",
    take_another_component: "broken/unet does not fit the model's UNet2DConditionModel: it lacks",
    take_the_denoiser_of_another: "cross_attention_dim 32 of unet does not fit hidden_size 32 of text_encoder and hidden_size",
    take_the_vae_of_another: "out_channels 4 of unet does not fit latent_channels 16 of vae",
    take_an_architecture_without_its_parts: "lacks text_encoder_3, tokenizer_3, transformer, which StableDiffusion3Pi",
    take_an_unknown_architecture: "diffusers has no FancyPipeline",
    spoil_the_tokenizer: "broken/tokenizer cannot be loaded",
    spoil_the_configuration: "broken/unet cannot be loaded",
}
"""Way to break a folder → words of the error."""


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_broken_folder_unloads_nobody(kind, pool, named, broken, models, loads, healthy_stay):
    """At the first job as at those after it."""
    kind(broken, models)
    for _ in range(2):
        with pytest.raises(ModelNotLoaded, match=KINDS[kind]):
            pool.engine(named("broken"))
    assert pool.keys == HEALTHY
    healthy_stay()


def test_a_whole_folder_takes_the_room(pool, named, broken, loads):
    """The copy that the tests above break is loaded, and another model has to go."""
    pool.engine(named("broken"))
    assert pool.keys == ("sd15", "broken")
    assert loads == [*HEALTHY, "broken"]


@pytest.mark.parametrize(
    "family", ["sd15", "sd3", "flux", "sd15-inpainting", "sdxl-inpainting", "lcm", "qwen", "starter"]
)
def test_a_whole_folder_passes_its_trial(family, models, entry):
    """Whatever its architecture."""
    engines.try_out(entry(family), EngineContext(folders=(models,)))


def test_a_model_larger_than_the_budget_unloads_nobody(pool, named, models, tmp_path, healthy_stay):
    """The error says both sizes and the setting."""
    shutil.copytree(models / "sd15", tmp_path / "large")
    tensors = load_file(tmp_path / "large" / UNET)
    save_file(tensors | {"more": torch.zeros(2**22)}, tmp_path / "large" / UNET, {"format": "pt"})
    with pytest.raises(ModelNotLoaded, match=r"it takes 0\.\d+ GiB, and 0\.\d+ GiB is the most on cpu: .*memory_gib"):
        pool.engine(named("large"))
    healthy_stay()


@pytest.mark.parametrize(
    ("components", "words"),
    [
        ({"unet": "wrong"}, "wrong does not fit the model's UNet2DConditionModel: it lacks conv_in.weight"),
        ({"vae": "vae.safetensors"}, "vae.safetensors does not fit the model's AutoencoderKL: it lacks decoder"),
    ],
)
def test_a_component_that_does_not_fit_unloads_nobody(
    components, words, pool, named, models, tmp_path, broken, healthy_stay
):
    """A folder in place of the model's own, and a single file with the names of the first releases."""
    shutil.copytree(broken / "unet", tmp_path / "wrong")
    tensors = load_file(tmp_path / "wrong" / "diffusion_pytorch_model.safetensors")
    del tensors["conv_in.weight"]
    save_file(tensors, tmp_path / "wrong" / "diffusion_pytorch_model.safetensors", {"format": "pt"})
    vae = renamed(load_file(broken / "vae" / "diffusion_pytorch_model.safetensors"), VAE)
    vae.pop(next(name for name in sorted(vae) if name.startswith("decoder.")))
    save_file(vae, tmp_path / "vae.safetensors")
    with pytest.raises(ModelNotLoaded, match=words):
        pool.engine(named("broken", components=components))
    healthy_stay()


def test_a_lora_of_another_base_unloads_nobody(pool, named, lora, models, tmp_path, broken, healthy_stay):
    """Of a model that is loaded, and of one that would have to be; a file that is missing neither."""
    lora(pool.engine(named("sd15"))._pipe, "sd15.safetensors", "unet")
    for file, words in (("sd15.safetensors", "does not fit this model"), ("gone.safetensors", "no LoRA file")):
        with pytest.raises(ModelError, match=words):
            pool.engine(named("broken"), lora=file)
    healthy_stay()


def test_a_model_that_was_mended_is_loaded(pool, named, broken, models):
    """As soon as its files have changed."""
    kept = (broken / UNET).read_bytes()
    take_shapes_of_another(broken, models)
    with pytest.raises(ModelNotLoaded):
        pool.engine(named("broken"))
    (broken / UNET).write_bytes(kept)
    assert pool.engine(named("broken")).architecture == "StableDiffusionXLPipeline"


@pytest.fixture
def fails_late(broken):
    """An entry whose trial tells nothing: its pipeline has no such component to leave out."""
    return {"leave_out": ["fancy"]}


def test_a_load_for_a_gpu_that_fails_unloads_nobody(fails_late, pool, named, monkeypatch, models, tmp_path, loads):
    """Room is made on the GPU once all files are read; here main memory is taken for one."""
    monkeypatch.setattr(Placement, "memory", "cuda:0")
    pool = ModelPool(pool._context, MemoryPool(pool.memory._budget))
    for name in HEALTHY:
        pool.engine(named(name))
    with pytest.raises(ModelNotLoaded, match="has no fancy"):
        pool.engine(named("broken", **fails_late))
    assert pool.keys == HEALTHY
    pool.engine(named("broken"))
    assert pool.keys == ("sd15", "broken")


def test_a_load_that_fails_late_costs_others_once(fails_late, pool, named, loads):
    """In main memory, whose room was needed to read the files: the next jobs find the reason remembered."""
    for _ in range(3):
        with pytest.raises(ModelNotLoaded, match="has no fancy"):
            pool.engine(named("broken", **fails_late))
        for name in HEALTHY:
            pool.engine(named(name))
    assert loads == [*HEALTHY, "broken", "sdxl"]
