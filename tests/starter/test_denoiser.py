"""Training step of the denoiser, against diffusers' own forward pass."""

import pytest
import torch
from diffusers import SD3Transformer2DModel

from starter.denoiser import Batch, flow_loss, velocity

HEIGHT, WIDTH, CHANNELS = 8, 6, 4
TOKENS = HEIGHT * WIDTH // 4


@pytest.fixture(scope="module")
def transformer():
    """Small, with random weights everywhere, so that its answer is not 0."""
    torch.manual_seed(0)
    model = SD3Transformer2DModel(
        sample_size=8, in_channels=CHANNELS, out_channels=CHANNELS, num_layers=2, attention_head_dim=8,
        num_attention_heads=2, joint_attention_dim=12, caption_projection_dim=16, pooled_projection_dim=12,
        pos_embed_max_size=8, qk_norm="rms_norm",
    ).eval()  # fmt: skip
    with torch.no_grad():
        model.proj_out.weight.mul_(5)  # so that the loss depends on the answer, not on what is wanted alone
    return model


@pytest.fixture
def batch():
    """Two pictures whose places count differently."""
    generator = torch.Generator().manual_seed(1)
    weights = torch.rand(2, 1, HEIGHT, WIDTH, generator=generator)
    return Batch(
        torch.randn(2, CHANNELS, HEIGHT, WIDTH, generator=generator),
        weights / weights.mean(),
        torch.randn(2, 5, 12, generator=generator),
        torch.randn(2, 12, generator=generator),
    )


def test_each_place_gets_the_answer_of_its_own_part_of_the_picture(transformer, batch):
    """In whatever order the places are asked for: the patch that the model's own forward pass makes there."""
    order = torch.randperm(TOKENS, generator=torch.Generator().manual_seed(4)).expand(2, -1)
    time = torch.tensor([0.3, 0.8])
    with torch.inference_mode():
        answer = velocity(transformer, batch.latents, batch, time, order)
        (whole,) = transformer(
            hidden_states=batch.latents,
            encoder_hidden_states=batch.hidden,
            pooled_projections=batch.pooled,
            timestep=time * 1000,
            return_dict=False,
        )
    for place, token in enumerate(order[0].tolist()):
        top, left = token // (WIDTH // 2) * 2, token % (WIDTH // 2) * 2
        patch = whole[:, :, top : top + 2, left : left + 2].permute(0, 2, 3, 1).flatten(1)
        torch.testing.assert_close(answer[:, place], patch, atol=1e-5, rtol=1e-4)


def test_the_loss_over_all_places_is_that_of_the_whole_picture(transformer, batch, monkeypatch):
    """The weighted square error of what the model's own forward pass answers."""
    asked = {}

    def remembered(model, mixed, given, time, places):
        asked.update(mixed=mixed, time=time)
        return velocity(model, mixed, given, time, places)

    monkeypatch.setattr("starter.denoiser.velocity", remembered)
    with torch.inference_mode():
        loss = flow_loss(transformer, batch, torch.Generator().manual_seed(2), kept=1.0, shift=5.0)
        (answer,) = transformer(
            hidden_states=asked["mixed"],
            encoder_hidden_states=batch.hidden,
            pooled_projections=batch.pooled,
            timestep=asked["time"] * 1000,
            return_dict=False,
        )
    # mixed = (1 - t) latents + t noise, so noise - latents = (mixed - latents) / t
    wanted = (asked["mixed"] - batch.latents) / asked["time"][:, None, None, None]
    whole = (batch.weights * (answer - wanted).square()).mean()
    torch.testing.assert_close(loss, whole, rtol=0.02, atol=0)  # the loss is taken in bfloat16


def test_places_left_out_have_no_part_in_the_answer(transformer, batch):
    """Neither are they answered for, nor does what lies there change the other places."""
    places = torch.tensor([[1, 4, 9], [0, 2, 11]])
    time = torch.tensor([0.3, 0.8])
    elsewhere = batch.latents.clone()
    elsewhere[0, :, :2, :2] += 5  # token 0 of the first picture
    elsewhere[1, :, 6:, 2:4] += 5  # token 10 of the second
    with torch.inference_mode():
        answer = velocity(transformer, batch.latents, batch, time, places)
        torch.testing.assert_close(velocity(transformer, elsewhere, batch, time, places), answer)
        whole = velocity(transformer, batch.latents, batch, time, torch.arange(TOKENS).expand(2, -1))
    assert answer.shape == (2, 3, 4 * CHANNELS)
    assert not torch.allclose(answer[0], whole[0, places[0]], atol=1e-3)


def test_a_share_of_the_places_is_drawn_for_each_picture(transformer, batch, monkeypatch):
    """Half of them, each once, and not the same for both pictures."""
    drawn = []

    def remembered(model, mixed, given, time, places):
        drawn.append(places)
        return velocity(model, mixed, given, time, places)

    monkeypatch.setattr("starter.denoiser.velocity", remembered)
    flow_loss(transformer, batch, torch.Generator().manual_seed(3), kept=0.5, shift=5.0)
    (places,) = drawn
    assert places.shape == (2, TOKENS // 2)
    assert all(len(set(row)) == TOKENS // 2 for row in places.tolist())
    assert set(places[0].tolist()) != set(places[1].tolist())
