"""Tiny cascades with random weights, as in diffusers' own tests: a prior makes embeddings, of which the pictures are drawn."""

from typing import Any

import diffusers
import torch
import transformers
from diffusers.pipelines.deprecated.wuerstchen.modeling_paella_vq_model import PaellaVQModel
from diffusers.pipelines.kandinsky.text_encoder import MCLIPConfig, MultilingualCLIP

from starter.tokenizer import tokenizer
from starter.wording import every_word

WIDTH = 32
"""Width of CLIP's embeddings."""


def kandinsky_22() -> Any:
    """Makes Kandinsky 2.2 with its prior."""
    return diffusers.KandinskyV22CombinedPipeline(**_kandinsky_decoder(), **_prior())


def kandinsky_22_decoder() -> Any:
    """Makes its second half alone, which draws from an image's embeddings."""
    return diffusers.KandinskyV22Pipeline(**_kandinsky_decoder())


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


def kandinsky_21() -> Any:
    """Makes Kandinsky 2.1 with its prior, whose calls take no step callback."""
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), ("<mask>", 0.0)]
    pieces += [(f"▁{word}", -3.0) for word in sorted(set(every_word().split()))] + [
        (chr(c), -9.0) for c in range(33, 127)
    ]
    words = transformers.XLMRobertaTokenizer(vocab=pieces, model_max_length=77)
    config = MCLIPConfig(
        transformerDimSize=WIDTH, imageDimSize=WIDTH, hidden_size=WIDTH, intermediate_size=WIDTH,
        num_attention_heads=2, num_hidden_layers=1, vocab_size=len(words),
    )  # fmt: skip
    return diffusers.KandinskyCombinedPipeline(
        text_encoder=MultilingualCLIP(config).eval(),
        tokenizer=words,
        **_kandinsky_decoder(text_image=True),
        **_prior(),
    )


def stable_cascade() -> Any:
    """Makes Stable Cascade, which diffusers cannot load again once such a small one is saved."""
    attention = ("SDCascadeResBlock", "SDCascadeTimestepBlock", "SDCascadeAttnBlock")
    prior = diffusers.StableCascadeUNet(
        conditioning_dim=32,
        block_out_channels=(32, 32),
        num_attention_heads=(2, 2),
        down_num_layers_per_block=(1, 1),
        up_num_layers_per_block=(1, 1),
        block_types_per_layer=(attention, attention),
        clip_image_in_channels=WIDTH,
        clip_text_in_channels=WIDTH,
        clip_text_pooled_in_channels=WIDTH,
        switch_level=(False,),
    )
    decoder = diffusers.StableCascadeUNet(
        in_channels=4,
        out_channels=4,
        conditioning_dim=32,
        block_out_channels=(16, 32),
        num_attention_heads=(-1, 2),
        down_num_layers_per_block=(1, 1),
        up_num_layers_per_block=(1, 1),
        down_blocks_repeat_mappers=(1, 1),
        up_blocks_repeat_mappers=(1, 1),
        block_types_per_layer=(attention[:2], attention),
        clip_text_pooled_in_channels=WIDTH,
        dropout=(0.0, 0.0),
        switch_level=None,
    )
    encoder = _text_encoder()
    return diffusers.StableCascadeCombinedPipeline(
        tokenizer=tokenizer(),
        text_encoder=encoder,
        decoder=decoder,
        scheduler=diffusers.DDPMWuerstchenScheduler(),
        vqgan=PaellaVQModel(bottleneck_blocks=1, num_vq_embeddings=2),
        prior_prior=prior,
        prior_text_encoder=encoder,
        prior_tokenizer=tokenizer(),
        prior_scheduler=diffusers.DDPMWuerstchenScheduler(),
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


def _kandinsky_decoder(*, text_image: bool = False) -> dict[str, Any]:
    """Makes the half that draws: of 2.2 from an image's embeddings, of 2.1 from those and the prompt's."""
    return {
        "unet": diffusers.UNet2DConditionModel(
            in_channels=4,
            out_channels=8,
            addition_embed_type="text_image" if text_image else "image",
            down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
            up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
            mid_block_type="UNetMidBlock2DSimpleCrossAttn",
            block_out_channels=(32, 64),
            layers_per_block=1,
            encoder_hid_dim=WIDTH,
            encoder_hid_dim_type="text_image_proj" if text_image else "image_proj",
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
