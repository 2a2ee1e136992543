"""Ideogram 4, whose call refuses a guidance scale beside its own default of a schedule."""

import diffusers
import numpy as np
import pytest
import torch
from drawing import draw_one
from transformers import CLIPTextConfig, CLIPTextModel

from starter.tokenizer import tokenizer
from workers.engines.diffusers.adapters import Adapters
from workers.engines.diffusers.engine import DiffusersEngine

TOKENS = 4
WIDTH = 8


class Worded(diffusers.Ideogram4Pipeline):
    """The pipeline with random features in place of those of its large text encoder."""

    def encode_prompt(self, prompt, grid_h, grid_w, max_sequence_length, device):
        embeds = torch.randn(1, TOKENS + grid_h * grid_w, WIDTH, generator=torch.Generator().manual_seed(0))
        return embeds, *self._prepare_ids([TOKENS], grid_h, grid_w, TOKENS, device)


def denoiser():
    return diffusers.Ideogram4Transformer2DModel(
        in_channels=16,
        num_layers=1,
        attention_head_dim=16,
        num_attention_heads=1,
        intermediate_size=16,
        adaln_dim=8,
        llm_features_dim=WIDTH,
        mrope_section=(4, 2, 2),
    )


@pytest.fixture
def engine():
    """Makes an engine with a tiny one."""
    torch.manual_seed(0)
    vae = diffusers.AutoencoderKLFlux2(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4,
        latent_channels=4,
    )
    pipe = Worded(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=vae,
        text_encoder=CLIPTextModel(
            CLIPTextConfig(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
        ),
        tokenizer=tokenizer(),
        transformer=denoiser(),
        unconditional_transformer=denoiser(),
    )
    pipe.set_progress_bar_config(disable=True)
    adapters = Adapters(pipe, lambda _name: (), limit_bytes=0)
    return DiffusersEngine(pipe, adapters, {"max_sequence_length": TOKENS})


def test_the_scale_takes_the_place_of_the_schedule(engine, ask):
    """At any number of steps: another scale is another picture."""
    assert not np.array_equal(*(draw_one(engine, ask(guidance_scale=scale)) for scale in (1.0, 7.0)))
