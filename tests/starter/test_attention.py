"""The training's own attention computes what PyTorch's does."""

import pytest
import torch
from diffusers import SD3Transformer2DModel
from torch.nn import functional as fn

from starter.attention import PictureByPicture, attend


def test_result_and_gradients_are_pytorchs():
    """To rounding, for every input."""
    generator = torch.Generator().manual_seed(1)
    inputs = [torch.randn(3, 2, 19, 8, generator=generator, requires_grad=True) for _ in range(3)]
    change = torch.randn(3, 2, 19, 8, generator=generator)
    ours, theirs = attend(*inputs), fn.scaled_dot_product_attention(*inputs)
    torch.testing.assert_close(ours, theirs)
    for mine, known in zip(
        torch.autograd.grad(ours, inputs, change), torch.autograd.grad(theirs, inputs, change), strict=True
    ):
        torch.testing.assert_close(mine, known)


@pytest.mark.parametrize("tokens", [5, 77])
def test_the_denoiser_answers_the_same_with_either(tokens):
    """All blocks, the last one, which has no text after it, included."""
    torch.manual_seed(0)
    transformer = SD3Transformer2DModel(
        sample_size=8, in_channels=4, out_channels=4, num_layers=2, attention_head_dim=8, num_attention_heads=2,
        joint_attention_dim=12, caption_projection_dim=16, pooled_projection_dim=12, pos_embed_max_size=8,
        qk_norm="rms_norm",
    ).eval()  # fmt: skip
    asked = {
        "hidden_states": torch.randn(2, 4, 8, 6),
        "encoder_hidden_states": torch.randn(2, tokens, 12),
        "pooled_projections": torch.randn(2, 12),
        "timestep": torch.tensor([100.0, 900.0]),
        "return_dict": False,
    }
    with torch.inference_mode():
        (theirs,) = transformer(**asked)
        transformer.set_attn_processor(PictureByPicture())
        (ours,) = transformer(**asked)
    assert theirs.std() > 0.01
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
