"""Files that are given as a model and are none are named as what they are."""

import shutil

import pytest
import torch
from safetensors.torch import save_file

from imgen.domain.errors import ModelError
from workers.engines.diffusers.model_files import check_file, find_lora, find_model

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
STRANGERS = {
    LFS: "Git LFS pointer",
    b"/annex/objects/SHA256E-s1--0.safetensors\n": "git-annex pointer",
    b"<!DOCTYPE html>\n<html><head><title>Sign in</title>": "web page",
    b"\n<html>": "web page",
    b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>': "web page or a server's error",
    b'{"error": "Repository not found"}': "JSON text",
    b"Invalid username or password.": "a text",
    b"": "it is empty",
    b"PK\x03\x04" + bytes(60): "zip archive",
    b"\x80\x02}q\x00.": "a pickle",
    b"GGUF\x03\x00\x00\x00" + bytes(60): "GGUF",
}
"""First bytes → the word that names such a file."""

OTHERS = {
    "a LoRA, not a model": ["unet.down_blocks.0.attn.to_q.lora_A.weight", "unet.down_blocks.0.attn.to_q.lora_B.weight"],
    "a LoRA, not a model ": ["lora_unet_down_blocks_0_to_q.lora_down.weight", "lora_unet_down_blocks_0_to_q.alpha"],
    "LoHa": ["lora_unet_down_blocks_0_to_q.hada_w1_a"],
    "a VAE": ["encoder.conv_in.weight", "decoder.up_blocks.0.resnets.0.conv1.weight", "post_quant_conv.weight"],
    "a VAE ": ["first_stage_model.decoder.conv_in.weight"],
    "a text encoder": ["text_model.encoder.layers.0.self_attn.q_proj.weight"],
    "a text encoder ": ["shared.weight", "encoder.block.0.layer.0.SelfAttention.q.weight"],
    "a text encoder  ": ["model.layers.0.self_attn.q_proj.weight", "model.embed_tokens.weight"],
    "a ControlNet": ["controlnet_cond_embedding.conv_in.weight", "down_blocks.0.resnets.0.conv1.weight"],
    "a ControlNet ": ["control_model.input_hint_block.0.weight", "model.diffusion_model.out.2.weight"],
    "an upscaler": ["conv_first.weight", "body.0.rdb1.conv1.weight", "conv_last.weight"],
    "an upscaler ": ["model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight"],
    "an image encoder": ["vision_model.embeddings.patch_embedding.weight"],
    "an IP-Adapter": ["image_proj.proj.weight", "ip_adapter.1.to_k_ip.weight"],
    "a textual inversion": ["emb_params"],
    "a safety checker": ["concept_embeds", "vision_model.vision_model.embeddings.patch_embedding.weight"],
}
"""Kind → names of tensors."""


@pytest.mark.parametrize("content", STRANGERS)
def test_a_file_that_a_download_left_is_named(content, tmp_path):
    """As a model, as a LoRA and as a part of a folder."""
    (tmp_path / "a.safetensors").write_bytes(content)
    for check in (
        lambda: check_file(tmp_path / "a.safetensors"),
        lambda: find_lora("a.safetensors", (tmp_path,)),
        lambda: find_model("a.safetensors", (tmp_path,), allow_downloads=False),
    ):
        with pytest.raises(ModelError, match=STRANGERS[content]):
            check()


def test_a_file_that_is_cut_off_is_named_with_its_sizes(tmp_path):
    """Before anything is loaded."""
    save_file({"lora_A": torch.zeros(1000)}, tmp_path / "a.safetensors")
    whole = (tmp_path / "a.safetensors").read_bytes()
    (tmp_path / "a.safetensors").write_bytes(whole[:-1000])
    with pytest.raises(ModelError, match=rf"ends after {len(whole) - 1000:,} of {len(whole):,} bytes"):
        check_file(tmp_path / "a.safetensors")


@pytest.mark.parametrize("kind", OTHERS)
def test_another_kind_of_file_is_no_model(kind, tmp_path):
    """In one file, and as the content of a folder that has no index."""
    (tmp_path / "folder").mkdir()
    for place in ("a.safetensors", "folder/a.safetensors"):
        save_file({name: torch.zeros(2, 2) for name in OTHERS[kind]}, tmp_path / place)
    for source in ("a.safetensors", "folder"):
        with pytest.raises(ModelError, match=kind.strip()):
            find_model(source, (tmp_path,), allow_downloads=False)


def test_a_folder_of_one_part_is_no_model(models, tmp_path):
    """A component's own folder, and a whole checkpoint in a folder, are told with their way out."""
    with pytest.raises(ModelError, match="a denoiser without the rest"):
        find_model("sd15/unet", (models,), allow_downloads=False)
    (tmp_path / "folder").mkdir()
    names = ("model.diffusion_model.out.2.weight", "cond_stage_model.transformer.text_model.x.weight")
    save_file({name: torch.zeros(1) for name in names}, tmp_path / "folder" / "all.safetensors")
    with pytest.raises(ModelError, match="give that file"):
        find_model("folder", (tmp_path,), allow_downloads=False)


@pytest.mark.parametrize(
    "name", ["double_blocks.0.img_attn.qkv.weight", "model.diffusion_model.input_blocks.0.0.weight"]
)
def test_a_denoiser_alone_is_a_component(name, tmp_path):
    """In one file or in a folder: told with the setting that takes it; beside a VAE of the entry's own it may be the source."""
    (tmp_path / "folder").mkdir()
    for place in ("flux.safetensors", "folder/flux.safetensors"):
        save_file({name: torch.zeros(1)}, tmp_path / place)
    for source, named in (
        ("flux.safetensors", "flux.safetensors"),
        ("folder", str(tmp_path / "folder/flux.safetensors")),
    ):
        with pytest.raises(ModelError, match="without the rest of its model") as caught:
            find_model(source, (tmp_path,), allow_downloads=False)
        assert f'under `components` transformer = "{named}"' in str(caught.value)
    found = find_model("flux.safetensors", (tmp_path,), allow_downloads=False, leave_out=("vae",))
    assert found == tmp_path / "flux.safetensors"


@pytest.mark.parametrize(
    "place", ["unet/diffusion_pytorch_model.safetensors", "tokenizer/tokenizer.json", "model_index.json"]
)
def test_pointers_within_a_folder_are_named(place, models, tmp_path):
    """A clone without Git LFS has pointers in the place of any large file."""
    shutil.copytree(models / "sd15", tmp_path / "clone")
    (tmp_path / "clone" / place).write_bytes(LFS)
    with pytest.raises(ModelError, match="Git LFS pointer"):
        find_model("clone", (tmp_path,), allow_downloads=False)


def test_a_folder_in_the_place_of_a_lora_is_named(tmp_path):
    """The name of the file in it is wanted."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(ModelError, match="is a folder"):
        find_lora("folder", (tmp_path,))
