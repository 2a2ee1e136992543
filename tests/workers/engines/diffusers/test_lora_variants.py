"""LoRA files of other kinds at the job: their picture is the one that is meant, or there is none."""

import numpy as np
import pytest
import torch
from drawing import draw_one
from lora_variants import REFUSED, elsewhere, fp8, named
from safetensors.torch import load_file, save_file

from imgen.domain.errors import ModelError
from workers.engines import EngineContext, load

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


@pytest.fixture
def small(entry, models, tmp_path):
    """A tiny SD 1.5."""
    return load(entry("sd15"), EngineContext(folders=(tmp_path, models)))


@pytest.fixture
def tensors(small, lora):
    """A LoRA over its denoiser, all of whose weights eight bits can hold."""
    held = load_file(lora(small._pipe, "plain.safetensors", "unet", rank=4))
    return {name: tensor.to(torch.float8_e4m3fn).to(torch.float32) for name, tensor in held.items()}


@pytest.fixture
def draw(small, ask, tmp_path):
    """Draws with a LoRA file of these tensors, or with none."""

    def make(tensors=None, **overrides):
        if tensors is None:
            return draw_one(small, ask(), lambda *_: None)
        save_file({name: tensor.clone() for name, tensor in tensors.items()}, tmp_path / "a.safetensors")
        return draw_one(small, ask(lora="a.safetensors", **overrides), lambda *_: None)

    return make


def kohya(tensors, alpha_of):
    """The same layers under kohya's names, with an alpha each."""
    renamed = {}
    for name, tensor in tensors.items():
        module, _, half = name.removeprefix("unet.").partition(".lora_")
        stem = f"lora_unet_{module.replace('.', '_')}"
        renamed[f"{stem}.lora_{'down' if half.startswith('A') else 'up'}.weight"] = tensor
        renamed[f"{stem}.alpha"] = torch.tensor(alpha_of(module))
    return renamed


def test_variants_that_mean_the_same_draw_the_same(draw, tensors):
    """An adapter's name in the keys and weights of eight bits change nothing."""
    plain, with_lora = draw(), draw(tensors)
    assert not np.array_equal(plain, with_lora)
    for variant in (named(tensors), named(tensors, "my-adapter"), fp8(tensors), named(fp8(tensors))):
        assert np.array_equal(with_lora, draw(variant))


def test_each_layer_has_its_own_alpha_and_rank(draw, tensors):
    """Alphas that differ by layer, and ranks that do, scale each layer as its own file entry says."""

    def alpha_of(module):
        return 8.0 if "attn1" in module else 2.0 if "to_q" in module else 4.0

    folded = {name: tensor * (alpha_of(name) / 4) if ".lora_B." in name else tensor for name, tensor in tensors.items()}
    assert np.array_equal(draw(folded), draw(kohya(tensors, alpha_of)))
    wide = {
        name: torch.cat([tensor, torch.zeros_like(tensor)], dim=1 if ".lora_B." in name else 0)
        if "to_v" in name
        else tensor
        for name, tensor in tensors.items()
    }
    plain, mixed = (draw(one).astype(int) for one in (tensors, wide))
    assert np.abs(plain - mixed).max() <= 1  # sums of zeros may round


@pytest.mark.parametrize("variant", REFUSED)
def test_variants_that_would_be_used_by_half_draw_nothing(draw, tensors, variant):
    """The message has the name of what would be lost, and the next picture is as before."""
    before = draw(tensors)
    make, word = REFUSED[variant]
    with pytest.raises(ModelError, match=word):
        draw(make(tensors))
    assert np.array_equal(before, draw(tensors))


def test_a_layer_that_the_model_lacks_is_named(draw, tensors):
    """Also under kohya's names, which only diffusers can translate."""
    before = draw()
    with pytest.raises(ModelError, match=r"lacks 1 of its \d+ layers: unet\S+\.77\.\S+"):
        draw(elsewhere(tensors))
    with pytest.raises(ModelError, match=r"lacks 1 of its \d+ layers: unet\S+\.77\.\S+"):
        draw(kohya(elsewhere(tensors), lambda _: 4.0))
    layer = "text_encoder_2.encoder.layers.0.self_attn.q_proj"
    words = {f"{layer}.lora_{half}.weight": torch.ones(4, 4) for half in "AB"}
    with pytest.raises(ModelError, match="text_encoder_2"):
        draw(tensors | words)
    assert np.array_equal(before, draw())
