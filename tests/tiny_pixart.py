"""Tiny PixArt-Sigma with random weights: its call takes no step callback, and texts alone."""

import diffusers


def pixart(parts):
    """Builds the pipeline of T5 and VAE of a tiny SD3."""
    channels = parts.vae.config.latent_channels
    transformer = diffusers.PixArtTransformer2DModel(
        sample_size=16,
        num_layers=1,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=2,
        caption_channels=32,
        in_channels=channels,
        cross_attention_dim=16,
        out_channels=2 * channels,
        norm_type="ada_norm_single",
        use_additional_conditions=False,
    )
    return diffusers.PixArtSigmaPipeline(
        tokenizer=parts.tokenizer_3,
        text_encoder=parts.text_encoder_3,
        vae=parts.vae,
        transformer=transformer,
        scheduler=diffusers.DDIMScheduler(),
    )
