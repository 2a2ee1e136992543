"""Regional compilation: the same pictures, no further graph for another LoRA, and a model that goes on without a compiler.

Graphs are counted with the backend `eager`, which needs no compiler: what torch compiles them to is its own business.
"""

import gc
import weakref
from types import SimpleNamespace

import diffusers
import numpy as np
import pytest
import torch
from drawing import draw_one
from safetensors.torch import load_file, save_file
from structlog.testing import capture_logs
from torch._dynamo.utils import counters
from torch._inductor import config as inductor

from imgen.domain.errors import ModelError
from workers.engines import EngineContext, load
from workers.engines.diffusers.compilation import compile_blocks
from workers.engines.diffusers.engine import DiffusersEngine
from workers.engines.diffusers.lora_slot import SlotAdapters
from workers.engines.diffusers.pipelines import build

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

DENOISER = {"sd15": "unet", "sdxl": "unet", "sd3": "transformer", "flux": "transformer"}


@pytest.fixture(params=DENOISER)
def family(request):
    return request.param


@pytest.fixture
def context(models, tmp_path):
    torch.compiler.reset()
    return EngineContext(folders=(tmp_path, models))


@pytest.fixture
def plain(family, entry, context):
    return load(entry(family), context)


@pytest.fixture
def compiled(family, entry, context):
    model = entry(family)
    pipe = build(model, model.engine, context)
    compile_blocks(model.key, pipe, backend="eager")
    return DiffusersEngine(pipe, SlotAdapters(pipe, context.folders_of, limit_bytes=2**30), {})


def quietly(_done, _steps, _preview):
    pass


def graphs():
    return counters["stats"]["unique_graphs"]


def assert_alike(one, other):
    """Compares pictures whose sums were made in another order."""
    assert np.abs(one.astype(int) - other).max() <= 1


def test_switches_compile_nothing(family, plain, compiled, ask, lora, tmp_path):
    """Of the LoRA files after the first none compiles, whatever its scale, rank and choice of layers, and each draws as uncompiled."""
    part = DENOISER[family]
    lora(plain._pipe, "a.safetensors", part, rank=4, seed=1)
    lora(plain._pipe, "b.safetensors", part, rank=8, seed=2)
    few = load_file(lora(plain._pipe, "c.safetensors", part, rank=2, seed=3))
    save_file({name: tensor for name, tensor in few.items() if ".to_q." in name}, tmp_path / "c.safetensors")
    asked = [ask(), ask(lora="a.safetensors"), ask()]
    asked += [
        ask(lora=f"{name}.safetensors", lora_scale=scale) for name, scale in zip("bcab", (1, 1, 0.5, 0), strict=True)
    ]
    asked += [ask(lora="a.safetensors"), ask()]
    seen = []
    for diffusion in asked:
        assert_alike(draw_one(plain, diffusion, quietly), draw_one(compiled, diffusion, quietly))
        seen.append(graphs())
    assert seen[0] > 0
    assert seen[1] > seen[0]
    assert set(seen[2:]) == {seen[2]}
    assert not counters["graph_break"]
    weights = [draw_one(compiled, one, quietly) for one in (asked[0], asked[1])]
    assert not np.array_equal(*weights)


def test_a_larger_file_compiles_once(family, plain, compiled, ask, lora, tmp_path):
    """A file of more layers or a larger rank than all before makes the slot anew; the former ones draw as before with it."""
    part = DENOISER[family]
    whole = load_file(lora(plain._pipe, "all.safetensors", part, rank=2, seed=1))
    save_file({name: tensor for name, tensor in whole.items() if ".to_q." in name}, tmp_path / "few.safetensors")
    lora(plain._pipe, "wide.safetensors", part, rank=40, seed=2)
    seen = []
    for name in ("few", "all", "wide", "few", "all", "wide"):
        diffusion = ask(lora=f"{name}.safetensors")
        assert_alike(draw_one(plain, diffusion, quietly), draw_one(compiled, diffusion, quietly))
        seen.append(graphs())
    assert seen[0] < seen[1] < seen[2]
    assert set(seen[2:]) == {seen[2]}


@pytest.mark.parametrize("family", ["sdxl"])
def test_text_encoders_and_biases(family, plain, compiled, ask, lora, tmp_path):
    """Layers of text encoders, and biases, act in the slot as they do alone, and are gone with the file."""
    encoders = lora(plain._pipe, "words.safetensors", "text_encoder", "text_encoder_2", seed=4)
    lines = load_file(lora(plain._pipe, "lines.safetensors", "unet", seed=5))
    biases = {
        name.replace(".weight", ".bias"): tensor[:, 0].contiguous()
        for name, tensor in lines.items()
        if ".lora_B." in name
    }
    save_file(lines | biases, tmp_path / "biased.safetensors")
    assert encoders.exists()
    pictures = []
    for name in ("", "words", "biased", "lines", "words", ""):
        diffusion = ask(lora=name and f"{name}.safetensors")
        pictures.append(draw_one(compiled, diffusion, quietly))
        assert_alike(draw_one(plain, diffusion, quietly), pictures[-1])
    assert np.array_equal(pictures[0], pictures[-1])
    assert not np.array_equal(pictures[2], pictures[3])


@pytest.mark.parametrize("family", ["sd15"])
def test_a_misfit_leaves_the_slot_as_it_was(family, compiled, ask, lora, tmp_path):
    """A file that does not fit is refused, and the pictures with and without the former one stay the same."""
    fitting = lora(compiled._pipe, "a.safetensors", "unet")
    before = [draw_one(compiled, ask(lora=name), quietly) for name in ("", "a.safetensors")]
    tensors = {name: torch.cat([tensor, tensor], dim=-1) for name, tensor in load_file(fitting).items()}
    save_file(tensors, tmp_path / "wide.safetensors")
    with pytest.raises(ModelError):
        draw_one(compiled, ask(lora="wide.safetensors"), quietly)
    for picture, name in zip(before, ("", "a.safetensors"), strict=True):
        assert np.array_equal(picture, draw_one(compiled, ask(lora=name), quietly))


@pytest.mark.parametrize("family", ["sd15"])
def test_unloading_frees_the_weights(family, compiled, ask, lora):
    """Compiled blocks keep no weights alive: the memory is another model's. What is held of LoRA counts until then."""
    lora(compiled._pipe, "a.safetensors", "unet")
    before = compiled.memory_bytes
    draw_one(compiled, ask(lora="a.safetensors"), quietly)
    assert compiled.memory_bytes > before + compiled._adapters.separate_bytes > before
    denoiser = weakref.ref(compiled._pipe.unet)
    compiled.unload()
    gc.collect()
    assert denoiser() is None


def test_a_denoiser_without_repeated_blocks():
    """A model whose blocks are not known to repeat is refused with its entry's name."""
    unet = diffusers.UNet2DModel(
        block_out_channels=(8, 8),
        norm_num_groups=4,
        down_block_types=("DownBlock2D",) * 2,
        up_block_types=("UpBlock2D",) * 2,
    )
    with pytest.raises(ModelError, match=r"models.toml: odd: compile: UNet2DModel of \w+ has no blocks"):
        compile_blocks("odd", SimpleNamespace(unet=unet))


@pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")  # torch's own, when it loads its compiler
def test_without_a_compiler(entry, context, ask, monkeypatch):
    """A machine without a compiler says so in one line, and draws the pictures that the model draws uncompiled."""
    monkeypatch.setattr(inductor.cpp, "cxx", ("no-such-compiler",))
    with capture_logs() as lines:
        engine = load(entry("sd15", compile="regional"), context)
    told = [line for line in lines if line["event"] == "model_not_compiled"]
    assert [(line["model"], line["log_level"]) for line in told] == [("tiny", "warning")]
    assert "\n" not in told[0]["reason"]
    assert "ompiler" in told[0]["reason"]
    picture = draw_one(engine, ask(), quietly)
    assert np.array_equal(picture, draw_one(load(entry("sd15"), context), ask(), quietly))


def test_an_unknown_kind_is_refused(entry):
    """Another kind of compilation than the one there is makes the entry invalid."""
    with pytest.raises(ValueError, match="compile"):
        entry("sd15", compile="whole")
