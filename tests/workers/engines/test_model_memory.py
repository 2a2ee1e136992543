"""Memory of models with weights: known from their files, kept within the budget, shared with their LoRA files."""

import shutil

import pytest
import torch
from safetensors.torch import save_file

from workers import engines
from workers.engines import EngineContext, Shot
from workers.engines.diffusers import pipelines
from workers.memory_pool import MemoryPool
from workers.model_pool import ModelPool


@pytest.fixture
def loads(monkeypatch):
    """Folders of the pipelines that were built, in order."""
    built = []
    build = pipelines._from_folder
    monkeypatch.setattr(
        pipelines, "_from_folder", lambda path, *rest, **more: built.append(path.name) or build(path, *rest, **more)
    )
    return built


@pytest.fixture
def make_pool(models, tmp_path):
    def make(budget):
        return ModelPool(EngineContext(folders=(tmp_path, models)), MemoryPool(lambda _device: budget))

    return make


@pytest.fixture
def named(entry):
    """Makes an entry with a key of its own."""
    from msgspec import structs

    return lambda source, **more: structs.replace(entry(source, **more), key=source)


@pytest.mark.parametrize("family", ["sd15", "sdxl", "sd3", "flux"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_size_of_a_model_is_known_before_it_is_loaded(family, dtype, models, entry):
    """By the tensors of its files and the dtype, to within the few buffers that no file has."""
    model, context = entry(family, dtype=dtype), EngineContext(folders=(models,))
    estimated = engines.check(model, context).memory_bytes
    engine = engines.load(model, context)
    assert estimated == pytest.approx(engine.memory_bytes, rel=0.02)
    engine.unload()


@pytest.mark.parametrize("component", ["sdxl/vae", "sdxl/vae/diffusion_pytorch_model.safetensors"])
def test_a_component_counts_in_place_of_the_models_own(component, models, entry, tmp_path):
    """Whatever lies in the model's folder under its name."""
    shutil.copytree(models / "sdxl", tmp_path / "model")
    save_file({"large": torch.zeros(2**20)}, tmp_path / "model" / "vae" / "diffusion_pytorch_model.safetensors")
    model, context = entry("model", components={"vae": component}), EngineContext(folders=(tmp_path, models))
    estimated = engines.check(model, context).memory_bytes
    engine = engines.load(model, context)
    assert estimated == pytest.approx(engine.memory_bytes, rel=0.02)
    assert estimated == engines.check(entry("sdxl"), context).memory_bytes
    engine.unload()


def test_two_models_alternate_within_their_budget(make_pool, named, loads):
    """Each is loaded once if both fit; if one does, each change is a load, and the sum never exceeds the budget."""
    sizes = {name: make_pool(2**30).engine(named(name)).memory_bytes for name in ("sd15", "sdxl")}
    loads.clear()
    roomy = make_pool(sum(sizes.values()))
    for name in ("sd15", "sdxl") * 3:
        roomy.engine(named(name))
    assert loads == ["sd15", "sdxl"]
    assert roomy.memory.used_bytes() == sum(sizes.values())
    loads.clear()
    narrow = make_pool(sum(sizes.values()) - 1)
    for name in ("sd15", "sdxl") * 2:
        narrow.engine(named(name))
        assert narrow.memory.used_bytes() == sizes[name]
    assert loads == ["sd15", "sdxl"] * 2


def test_a_lora_makes_another_model_go(make_pool, named, ask, lora, models):
    """It is counted with its model; the other one is unloaded before the sum exceeds the budget."""
    pool = make_pool(2**30)
    engine = pool.engine(named("sd15"))
    plain = engine.memory_bytes
    file = lora(engine._pipe, "one.safetensors", "unet")
    shots = [Shot(diffusion=ask(lora=file.name))]
    engine.render(shots, lambda *_: None)
    grown = engine.memory_bytes
    assert grown > plain
    pool = make_pool(plain + pool.engine(named("sdxl")).memory_bytes)
    pool.engine(named("sdxl"))
    engine = pool.engine(named("sd15"))
    assert pool.keys == ("sdxl", "sd15")
    engine.render(shots, lambda *_: None)
    assert pool.keys == ("sd15",)
    assert pool.memory.used_bytes() == grown
