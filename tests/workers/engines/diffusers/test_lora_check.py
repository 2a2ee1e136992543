"""LoRA files are judged by their headers: used as meant, or refused by the name of what they are."""

import subprocess
import sys

import pytest
import torch
from lora_variants import REFUSED, elsewhere, fp8, named
from safetensors.torch import save_file

from imgen.domain.errors import ModelError
from workers.engines.diffusers.lora_check import check_fit, check_lora


@pytest.fixture
def tensors(models):
    """A LoRA over the attention of the tiny SD 1.5's first layers."""
    return layers_of(models / "sd15" / "unet" / "diffusion_pytorch_model.safetensors", "unet")


def layers_of(file, component):
    from safetensors import safe_open

    tensors = {}
    with safe_open(file, "pt") as opened:
        for key in opened.keys():  # noqa: SIM118 - no mapping
            if key.endswith(("to_q.weight", "to_v.weight", "q_proj.weight")):
                out, into = opened.get_slice(key).get_shape()
                stem = f"{component}.{key.removesuffix('.weight')}"
                tensors |= {f"{stem}.lora_A.weight": torch.ones(2, into), f"{stem}.lora_B.weight": torch.ones(out, 2)}
    return tensors


@pytest.fixture
def file(tmp_path):
    """Writes a LoRA file."""

    def write(tensors, name="a.safetensors"):
        save_file({key: tensor.clone() for key, tensor in tensors.items()}, tmp_path / name)
        return tmp_path / name

    return write


def test_it_needs_no_torch():
    """Doctor checks LoRA files in a process that never loads torch."""
    code = "import sys, workers.engines.diffusers.lora_check; print('torch' in sys.modules, 'diffusers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_a_file_of_this_model_fits(tensors, file, models):
    """Plain, with an adapter's name in it, and of eight bits."""
    for variant in (tensors, named(tensors), named(tensors, "my-adapter"), fp8(tensors)):
        assert check_fit(file(variant), models / "sd15")
    assert not any("default" in name for name in check_lora(file(named(tensors))).names.values())


@pytest.mark.parametrize("variant", REFUSED)
def test_a_file_that_would_be_used_by_half_is_refused_by_name(tensors, file, variant):
    """Whatever the file would lose is in the message."""
    make, word = REFUSED[variant]
    with pytest.raises(ModelError, match=word):
        check_lora(file(make(tensors)))


def test_layers_that_the_model_lacks_are_named(tensors, file, models):
    """One foreign layer among many is enough, and so are sizes of another model and components that are left out."""
    with pytest.raises(ModelError, match=r"lacks 1 of its \d+ layers: unet\S+\.77\.\S+"):
        check_fit(file(elsewhere(tensors)), models / "sd15")
    with pytest.raises(ModelError, match="does not fit this model"):
        check_fit(file(tensors), models / "sdxl")
    with pytest.raises(ModelError, match=r"does not fit this model, which lacks \d+ of its"):
        check_fit(file(tensors), models / "flux")
    words = layers_of(models / "sd3" / "text_encoder" / "model.safetensors", "text_encoder")
    assert check_fit(file(words), models / "sd3")
    with pytest.raises(ModelError, match="lacks"):
        check_fit(file(words), models / "sd3", leave_out=("text_encoder",))


def test_kohya_names_are_compared_too(tensors, file, models):
    """Underscores for dots, where the rest is as in diffusers' folders; names of the first releases are left to the worker."""
    kohya = {kohya_name(name): tensor for name, tensor in tensors.items()}
    assert check_fit(file(kohya), models / "sd15")
    with pytest.raises(ModelError, match="lacks 1 of its"):
        check_fit(file({kohya_name(name): tensor for name, tensor in elsewhere(tensors).items()}), models / "sd15")
    first = {name.replace("down_blocks", "input_blocks"): tensor for name, tensor in kohya.items()}
    assert not check_fit(file(first), models / "sd15")


def kohya_name(name):
    stem, _, half = name.removeprefix("unet.").partition(".lora_")
    return f"lora_unet_{stem.replace('.', '_')}.lora_{'down' if half.startswith('A') else 'up'}.weight"


def test_another_file_in_the_place_of_a_lora_is_named(file, models):
    """A model's part, a whole checkpoint and a file of nothing known."""
    with pytest.raises(ModelError, match="no LoRA file, but a denoiser"):
        check_lora(models / "sd15" / "unet" / "diffusion_pytorch_model.safetensors")
    with pytest.raises(ModelError, match="no LoRA file, but a VAE"):
        check_lora(models / "sd15" / "vae" / "diffusion_pytorch_model.safetensors")
    whole = {
        "model.diffusion_model.out.2.weight": torch.ones(1),
        "first_stage_model.decoder.conv_in.weight": torch.ones(1),
    }
    with pytest.raises(ModelError, match="no LoRA file, but a whole model"):
        check_lora(file(whole))
    with pytest.raises(ModelError, match="is no LoRA file$"):
        check_lora(file({"something": torch.ones(1)}))
    with pytest.raises(ModelError, match="is no LoRA file$"):
        check_lora(file({}))
