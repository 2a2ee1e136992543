"""Tiny cascades with random weights, as in diffusers' own tests: a prior makes embeddings, of which the pictures are drawn."""

from typing import Any

import diffusers
import torch
import transformers

from starter.tokenizer import tokenizer

WIDTH = 32
"""Width of CLIP's embeddings."""


def kandinsky_22() -> Any:
    """Makes Kandinsky 2.2 with its prior."""
    return diffusers.KandinskyV22CombinedPipeline(**_kandinsky_22_decoder(), **_prior())


def kandinsky_22_decoder() -> Any:
    """Makes its second half alone, which draws from an image's embeddings."""
    return diffusers.KandinskyV22Pipeline(**_kandinsky_22_decoder())


def stable_unclip(parts: Any) -> Any:
    """Makes Stable unCLIP, whose call takes no step callback, over the parts of a Stable Diffusion pipeline."""
    prior = {name: part for name, part in _prior().items() if "image" not in name}
    return diffusers.StableUnCLIPPipeline(
        **(prior | {"prior": prior.pop("prior_prior")}),
        image_normalizer=diffusers.pipelines.stable_diffusion.StableUnCLIPImageNormalizer(embedding_dim=WIDTH),
        image_noising_scheduler=diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
        tokenizer=parts.tokenizer,
        text_encoder=parts.text_encoder,
        unet=diffusers.UNet2DConditionModel(
            sample_size=16,
            block_out_channels=(16, 32),
            layers_per_block=1,
            norm_num_groups=8,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=WIDTH,
            attention_head_dim=8,
            class_embed_type="projection",
            projection_class_embeddings_input_dim=2 * WIDTH,
        ),
        scheduler=diffusers.DDIMScheduler(),
        vae=parts.vae,
    )


def _text_encoder() -> Any:
    words = tokenizer()
    config = transformers.CLIPTextConfig(
        vocab_size=len(words), hidden_size=WIDTH, intermediate_size=WIDTH, projection_dim=WIDTH, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=77, bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id, pad_token_id=words.pad_token_id,
    )  # fmt: skip
    return transformers.CLIPTextModelWithProjection(config).eval()


def _prior() -> dict[str, Any]:
    prior = diffusers.PriorTransformer(num_attention_heads=2, attention_head_dim=12, embedding_dim=WIDTH, num_layers=1)
    prior.clip_std = torch.nn.Parameter(
        torch.ones(prior.clip_std.shape)
    )  # untrained it is 0, and the embeddings with it
    vision = transformers.CLIPVisionConfig(
        hidden_size=WIDTH, image_size=28, projection_dim=WIDTH, intermediate_size=WIDTH, num_attention_heads=4,
        num_hidden_layers=1, patch_size=14,
    )  # fmt: skip
    return {
        "prior_prior": prior,
        "prior_image_encoder": transformers.CLIPVisionModelWithProjection(vision).eval(),
        "prior_text_encoder": _text_encoder(),
        "prior_tokenizer": tokenizer(),
        "prior_scheduler": diffusers.UnCLIPScheduler(
            variance_type="fixed_small_log", prediction_type="sample", clip_sample_range=10.0
        ),
        "prior_image_processor": transformers.CLIPImageProcessorPil(size=28, crop_size=28),
    }


def _kandinsky_22_decoder() -> dict[str, Any]:
    return {
        "unet": diffusers.UNet2DConditionModel(
            in_channels=4,
            out_channels=8,
            addition_embed_type="image",
            down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
            up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
            mid_block_type="UNetMidBlock2DSimpleCrossAttn",
            block_out_channels=(32, 64),
            layers_per_block=1,
            encoder_hid_dim=WIDTH,
            encoder_hid_dim_type="image_proj",
            cross_attention_dim=WIDTH,
            attention_head_dim=4,
            resnet_time_scale_shift="scale_shift",
        ),
        "scheduler": diffusers.DDIMScheduler(clip_sample=False, steps_offset=1),
        "movq": diffusers.VQModel(
            block_out_channels=(32, 64),
            down_block_types=("DownEncoderBlock2D", "AttnDownEncoderBlock2D"),
            up_block_types=("AttnUpDecoderBlock2D", "UpDecoderBlock2D"),
            latent_channels=4,
            norm_num_groups=8,
            norm_type="spatial",
            num_vq_embeddings=12,
            vq_embed_dim=4,
        ),
    }
