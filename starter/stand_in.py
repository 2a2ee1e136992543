"""Builds a tiny pipeline of the starter's folder layout with random weights: the whole path runs before training.

It draws noise and says so in a file beside the weights. Nothing is downloaded; everything comes from one seed.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save_file

from starter.vocabulary import WORDS, byte_pairs
from workers.backends.quiet import quiet

if TYPE_CHECKING:  # loaded where they are used, after `quiet`: loading them already talks
    from diffusers import AutoencoderTiny, SD3Transformer2DModel, StableDiffusion3Pipeline
    from transformers import CLIPTextModelWithProjection, CLIPTokenizer

SEED = 20240607
CHARACTERS = ("aaliyah", "aya", "bella")
LORA_RANK = 4
MARKER = "ABOUT.txt"
ABOUT = """\
This folder holds no trained model. The weights are random numbers from a fixed seed, laid out as the starter model
will be, so that every part of the path to a signed picture is real. Its pictures are noise, whatever the prompt says,
and the three LoRA files change that noise a little. Built by starter/stand_in.py.
"""


def build(folder: Path) -> None:
    """Writes the pipeline and its LoRA files (`loras/<character>.safetensors`); does nothing if they are there.

    Built beside the folder and moved there as a whole, so that nobody ever sees half of it.

    Raises:
        FileExistsError: something else lies there.
    """
    if (folder / MARKER).is_file():
        return
    if folder.exists():
        raise FileExistsError(f"{folder} is there and is no stand-in model; move it away or choose another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    quiet()
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        pipe = pipeline()
        pipe.save_pretrained(work, safe_serialization=True)
        (work / "loras").mkdir()
        for number, name in enumerate(CHARACTERS):
            lora = lora_tensors(pipe.transformer, seed=SEED + 1 + number)
            save_file(lora, work / "loras" / f"{name}.safetensors", metadata={"format": "pt"})
        (work / MARKER).write_text(ABOUT)
        for path in (work, *work.rglob("*")):  # temporary folders and safetensors files are their owner's alone
            path.chmod(0o755 if path.is_dir() else 0o644)
        try:
            work.rename(folder)
        except OSError:
            if not (folder / MARKER).is_file():  # else another process was faster, and its folder is as good
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def pipeline() -> "StableDiffusion3Pipeline":
    """An SD3 pipeline without T5, about 3.7 million random parameters, float16."""
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        words = tokenizer()
        encoders = [_text_encoder(words, width) for width in (128, 64)]
        transformer = SD3Transformer2DModel(
            sample_size=24,
            patch_size=2,
            in_channels=16,
            out_channels=16,
            num_layers=4,
            attention_head_dim=32,
            num_attention_heads=4,
            joint_attention_dim=192,  # both encoders' widths, side by side
            caption_projection_dim=128,
            pooled_projection_dim=192,
            pos_embed_max_size=48,
            qk_norm="rms_norm",
        )
        vae = _vae()
    return StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=2.0),
        vae=vae,
        text_encoder=encoders[0],
        tokenizer=words,
        text_encoder_2=encoders[1],
        tokenizer_2=words,
        text_encoder_3=None,
        tokenizer_3=None,
    ).to(torch.float16)


def tokenizer() -> "CLIPTokenizer":
    """CLIP's tokenizer over the word list's vocabulary, 77 tokens at most."""
    from transformers import CLIPTokenizer

    vocabulary, merges = byte_pairs(WORDS, merges=400)
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77)


def lora_tensors(transformer: "SD3Transformer2DModel", *, seed: int) -> dict[str, torch.Tensor]:
    """A random LoRA on the attention projections of every block, named as `load_lora_weights` reads it, float16."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, module in transformer.named_modules():
        if name.rpartition(".")[2] in {"to_q", "to_k", "to_v", "add_q_proj", "add_k_proj", "add_v_proj"}:
            down = torch.randn(LORA_RANK, module.in_features, generator=generator) / module.in_features**0.5
            up = torch.randn(module.out_features, LORA_RANK, generator=generator) / LORA_RANK**0.5
            tensors[f"transformer.{name}.lora_A.weight"] = down.half()
            tensors[f"transformer.{name}.lora_B.weight"] = up.half()
    return tensors


def _text_encoder(words: "CLIPTokenizer", width: int) -> "CLIPTextModelWithProjection":
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    return CLIPTextModelWithProjection(
        CLIPTextConfig(
            vocab_size=len(words),
            hidden_size=width,
            intermediate_size=width * 4,
            projection_dim=width,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=77,
            bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id,
            pad_token_id=words.pad_token_id,
        )
    ).eval()


def _vae() -> "AutoencoderTiny":
    """A 32× autoencoder whose decoder spreads its output over the range of a picture instead of grey."""
    from diffusers import AutoencoderTiny

    vae = AutoencoderTiny(
        encoder_block_out_channels=(32,) * 6,
        decoder_block_out_channels=(32,) * 6,
        num_encoder_blocks=(0, 0, 1, 1, 1, 1),
        num_decoder_blocks=(1, 1, 1, 1, 0, 0),
        latent_channels=16,
    ).eval()
    convolutions = [module for module in vae.decoder.modules() if isinstance(module, torch.nn.Conv2d)]
    with torch.no_grad():
        for convolution in convolutions:
            torch.nn.init.kaiming_normal_(convolution.weight)
        picture = vae.decode(torch.randn(1, 16, 24, 24), return_dict=False)[0]
        spread = picture.std(dim=(0, 2, 3))  # wanted: .3 around 0; the decoder doubles its last layer and subtracts 1
        convolutions[-1].weight.mul_((0.3 / spread)[:, None, None, None])
        convolutions[-1].bias.zero_()
        picture = vae.decode(torch.randn(1, 16, 24, 24), return_dict=False)[0]
        convolutions[-1].bias.sub_(picture.mean(dim=(0, 2, 3)) / 2)
    return vae


if __name__ == "__main__":
    target = Path(sys.argv[1])
    build(target)
    print(
        json.dumps(
            {"folder": str(target), "size_bytes": sum(f.stat().st_size for f in target.rglob("*") if f.is_file())}
        )
    )
