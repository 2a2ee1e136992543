"""Pipelines of SDXL's and FLUX-schnell's shapes, with random weights made where they are to lie. Measures nothing itself."""

from typing import Any

import diffusers
import torch
import transformers

from starter.tokenizer import tokenizer
from starter.wording import every_word


def sdxl(*, narrow: bool = False, depths: tuple[int, int, int] = (1, 2, 10)) -> Any:
    """Makes SDXL's module tree; `narrow`: with layers so small that what is left is Python's time.

    `depths` are the numbers of transformer layers in the blocks of each width.
    """
    widths, groups = ((32, 64, 128), 8) if narrow else ((320, 640, 1280), 32)
    first, second = (32, 32) if narrow else (768, 1280)
    unet = diffusers.UNet2DConditionModel(
        sample_size=128,
        block_out_channels=widths,
        norm_num_groups=groups,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=depths,
        attention_head_dim=(2, 4, 8) if narrow else (5, 10, 20),
        cross_attention_dim=first + second,
        addition_embed_type="text_time",
        addition_time_embed_dim=8 if narrow else 256,
        projection_class_embeddings_input_dim=second + 6 * (8 if narrow else 256),
        use_linear_projection=True,
    )
    return diffusers.StableDiffusionXLPipeline(
        vae=_vae(narrow=narrow, latent_channels=4, scaling_factor=0.13025),
        text_encoder=_clip(first, 2 if narrow else 12),
        text_encoder_2=_clip(second, 2 if narrow else 32, transformers.CLIPTextModelWithProjection),
        tokenizer=tokenizer(),
        tokenizer_2=tokenizer(),
        unet=unet,
        scheduler=_scheduler(
            diffusers.EulerDiscreteScheduler, beta_schedule="scaled_linear", timestep_spacing="leading"
        ),
    )


def flux_schnell(*, narrow: bool = False) -> Any:
    """Makes FLUX-schnell's module tree; `narrow`: with few and small layers."""
    width = 32 if narrow else 4096
    transformer = diffusers.FluxTransformer2DModel(
        in_channels=64,
        num_layers=1 if narrow else 19,
        num_single_layers=1 if narrow else 38,
        attention_head_dim=16 if narrow else 128,
        num_attention_heads=2 if narrow else 24,
        joint_attention_dim=width,
        pooled_projection_dim=32 if narrow else 768,
        guidance_embeds=False,
        axes_dims_rope=(4, 4, 8) if narrow else (16, 56, 56),
    )
    words = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    words += [(f"▁{word}", -3.0) for word in sorted(set(every_word().split()))]
    t5 = transformers.T5Config(
        vocab_size=max(len(words), 64 if narrow else 32128),
        d_model=width,
        d_kv=8 if narrow else 64,
        d_ff=32 if narrow else 10240,
        num_layers=1 if narrow else 24,
        num_heads=2 if narrow else 64,
        feed_forward_proj="gated-gelu",
    )
    return diffusers.FluxPipeline(
        transformer=transformer,
        scheduler=_scheduler(diffusers.FlowMatchEulerDiscreteScheduler),
        vae=_vae(narrow=narrow, latent_channels=16, scaling_factor=0.3611, shift_factor=0.1159),
        text_encoder=_clip(32 if narrow else 768, 2 if narrow else 12),
        tokenizer=tokenizer(),
        text_encoder_2=transformers.T5EncoderModel(t5).eval(),
        tokenizer_2=transformers.T5Tokenizer(vocab=words, extra_ids=0, model_max_length=512),
    )


def make(shape: Any, *, device: str, dtype: torch.dtype, narrow: bool = False) -> Any:
    """Makes a pipeline of a shape with weights in the device's memory, never on disk or in main memory."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    torch.manual_seed(0)
    try:
        with torch.device(device):
            pipe = shape(narrow=narrow)
    finally:
        torch.set_default_dtype(before)
    pipe.to(device, dtype)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _scheduler(kind: Any, **options: Any) -> Any:
    """Makes a scheduler whose numbers are in main memory, as they are after loading, whatever device weights are made on."""
    with torch.device("cpu"):
        return kind(**options)


def _vae(*, narrow: bool, **more: Any) -> Any:
    widths, groups = ((8, 8, 8, 8), 4) if narrow else ((128, 256, 512, 512), 32)
    return diffusers.AutoencoderKL(
        block_out_channels=widths,
        norm_num_groups=groups,
        layers_per_block=2,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        sample_size=1024,
        **more,
    ).eval()


def _clip(width: int, layers: int, kind: type = transformers.CLIPTextModel) -> Any:
    words = tokenizer()
    config = transformers.CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=width,
        intermediate_size=4 * width,
        projection_dim=width,
        num_hidden_layers=layers,
        num_attention_heads=max(2, width // 64),
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    return kind(config).eval()
