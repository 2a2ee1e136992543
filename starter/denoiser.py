"""Denoiser: trained on encoded pictures and fresh captions by flow matching. Makes no folders and judges nothing."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import SD3Transformer2DModel
from torch import nn

from starter import wording
from starter.attention import PictureByPicture
from starter.captions import caption, unwanted
from starter.checkpoint import SEED, load, save, say
from starter.device import DEVICE, half_precision
from starter.draw.picture import boxes
from starter.pool import DOWN, Encoded, Pool
from starter.scene import CHARACTERS, SIZES, Scene
from starter.text import WIDTH, Text
from starter.text import trained as trained_text

PATCH, EDGE = 2, 42
"""Latents along a token's edge, and tokens along the longest edge of a picture."""
STEPS, RATE, WARM_UP = 8000, 1.6e-3, 100
CENTRES = 0.9
"""First share of the steps, in which three of four see only the middle 768 × 768 px: cheaper, and the figure is there."""
CENTRE_BATCH, FULL_BATCH = 32, 18
BODY, BODY_SHARE = ((0.5, 5.0), (0.5, 9.0)), 0.8
ENDING = ((0.5, 9.0), (0.5, 5.0), (0.5, 9.0), (1.0, 2.5))
"""(Share of each picture's tokens in a step, shift of its times towards noise): four steps each in turns, `BODY` in
the first share of all steps, `ENDING` afterwards. Half of the places is less than half of the work.

At shift 2.5 a coat's hundred latents tell its colour through the noise in all but 6 % of the lots, so that the prompt is
not needed for it; at 5 figures still come in pieces, because the head's place is decided while nine tenths are noise. Whole
pictures at little noise make edges sharp; without much noise in between, attributes that the prompt leaves open become a mix of
their values. Source: https://arxiv.org/abs/2403.03206, section 5.3."""
UNSAID = 0.25
"""Share of pictures with no prompt, or with the product's own negative terms alone: the unguided case of guidance."""
NAMED = 0.06
"""Share of captions that begin with a character's name, which has no effect without her LoRA: an untrained word would spoil
the picture."""
AVERAGE = 0.998
_WEIGHTS: dict[str, dict[str, float]] = {
    "full": {"figure": 2.5, "head": 5.0, "face": 9.0},
    "portrait": {"figure": 1.5, "head": 2.0, "face": 2.5},
    "none": {},
}
"""Weights of parts by shot; a face is few pixels, and people look at it first."""
_THING_WEIGHT = 2.5


@dataclass(frozen=True)
class Batch:
    """Batch of one step."""

    latents: torch.Tensor
    """(batch, channels, height, width)."""
    weights: torch.Tensor
    """(batch, 1, height, width), mean 1: weight of each place in the loss."""
    hidden: torch.Tensor
    """(batch, tokens, WIDTH)."""
    pooled: torch.Tensor
    """(batch, WIDTH)."""


def untrained(channels: int) -> SD3Transformer2DModel:
    """Builds the transformer, about 5.6 million parameters; initially every block is the identity and the output is 0."""
    transformer = SD3Transformer2DModel(
        sample_size=EDGE * PATCH,
        patch_size=PATCH,
        in_channels=channels,
        out_channels=channels,
        num_layers=6,
        attention_head_dim=40,
        num_attention_heads=4,
        joint_attention_dim=WIDTH,
        caption_projection_dim=160,
        pooled_projection_dim=WIDTH,
        pos_embed_max_size=EDGE,
        qk_norm="rms_norm",
    )
    with torch.no_grad():
        for name, module in transformer.named_modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
            if name.endswith(".linear"):  # adaLN: little modulation at first, gates half open
                module.weight.mul_(0.05)
                parts = module.bias.view(-1, transformer.inner_dim)
                if len(parts) == 6:
                    parts[2], parts[5] = 0.5, 0.5
        transformer.proj_out.weight.zero_()
    _learn_positions(transformer)
    if DEVICE.type == "cpu":
        transformer.set_attn_processor(PictureByPicture())
    return transformer


def train() -> None:
    """Trains to the end, from the last checkpoint if there is one."""
    pool, text = Pool(), trained_text()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        transformer = untrained(pool.channels)
        _even_out(transformer, text, pool)
    transformer.to(DEVICE)
    average = {name: value.detach().clone() for name, value in transformer.state_dict().items()}
    optimizer = torch.optim.AdamW(transformer.parameters(), lr=RATE, betas=(0.9, 0.95), weight_decay=0.01)
    start = 0
    if state := load("denoiser"):
        transformer.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        average = {name: value.to(DEVICE) for name, value in state["average"].items()}
        start = state["step"]
    transformer.train()
    seen: list[float] = []
    for step in range(start, STEPS):
        rng = np.random.default_rng((SEED, 5, step))
        batch = draw(pool, text, rng, centre=step < CENTRES * STEPS and step % 4 != 3)
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / WARM_UP, max(0.02, (STEPS - step) / (0.4 * STEPS)))
        turns = BODY if step < BODY_SHARE * STEPS else ENDING
        kept, shift = turns[step // 4 % len(turns)]  # four steps each, so that all meet middles and whole sizes
        lots = torch.Generator().manual_seed(SEED + step)
        loss = flow_loss(transformer, batch, lots, kept=kept, shift=shift)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if not nn.utils.clip_grad_norm_(transformer.parameters(), 1.0).isfinite():
            say(f"denoiser {step + 1}: a gradient without bounds, left out")
        else:
            optimizer.step()
            share = min(AVERAGE, (step + 1) / (step + 10))
            with torch.no_grad():
                for name, value in transformer.state_dict().items():
                    average[name].lerp_(value, 1 - share)
            seen.append(loss.item())
        if (step + 1) % 50 == 0:
            say(f"denoiser {step + 1}/{STEPS} loss {sum(seen[-50:]) / max(1, len(seen[-50:])):.4f}")
        if (step + 1) % 100 == 0 or step + 1 == STEPS:
            state = {"model": transformer.state_dict(), "optimizer": optimizer.state_dict(), "average": average}
            save("denoiser", {**state, "step": step + 1, "channels": pool.channels})


def trained() -> SD3Transformer2DModel:
    """Loads the running average of the weights, in evaluation mode; of the latest checkpoint if training is not at its end.

    Raises:
        FileNotFoundError: there is no checkpoint yet.
    """
    state = load("denoiser")
    if not state:
        raise FileNotFoundError("no denoiser yet; run starter.denoiser")
    transformer = untrained(state["channels"])
    transformer.load_state_dict(state["average"])
    return transformer.eval().requires_grad_(requires_grad=False)


def draw(pool: Pool, text: Text, rng: np.random.Generator, *, centre: bool) -> Batch:
    """Draws a batch: the middles of pictures of any size, or whole pictures of one size."""
    size = None if centre else int(rng.integers(len(SIZES)))
    items = pool.draw(rng, CENTRE_BATCH if centre else FULL_BATCH, size=size)
    said = [caption(item.scene, rng).text for item in items]
    said = [f"{rng.choice(CHARACTERS)}, {text}" if rng.random() < NAMED else text for text in said]
    negative = [unwanted(item.scene, rng) for item in items]
    return batch_of(
        items,
        [no if rng.random() < UNSAID else yes for no, yes in zip(negative, said, strict=True)],
        text,
        rng,
        centre=centre,
    )


def batch_of(items: list[Encoded], said: list[str], text: Text, rng: np.random.Generator, *, centre: bool) -> Batch:
    """Makes latents, weights and encoded captions. One batch in ten has a second window of text, as long prompts have."""
    with torch.inference_mode():
        hidden, pooled = text.encode(said)
        if rng.random() < 0.1:
            more = [", ".join(rng.choice(wording.SAYING_NOTHING, 3)) if rng.random() < 0.5 else "" for _ in said]
            hidden = torch.cat([hidden, text.encode(more)[0]], dim=1)
    latents = [torch.tensor(_middle(item.latents) if centre else item.latents) for item in items]
    weights = [
        torch.from_numpy(_importance(item.scene, *value.shape[1:])) for item, value in zip(items, latents, strict=True)
    ]
    return Batch(torch.stack(latents).float(), torch.stack(weights), hidden.clone(), pooled.clone())


def flow_loss(
    transformer: SD3Transformer2DModel, batch: Batch, generator: torch.Generator, *, kept: float, shift: float
) -> torch.Tensor:
    """Computes the weighted square error of velocity at times spread evenly over a logit-normal distribution, moved by `shift`.

    `kept` is the share of places that are computed, drawn for each picture.
    """
    count = len(batch.latents)
    even = (torch.randperm(count, generator=generator) + torch.rand(count, generator=generator)) / count
    time = torch.sigmoid(torch.special.ndtri(even.clamp(1e-4, 1 - 1e-4)))
    time = shift * time / (1 + (shift - 1) * time)
    noise = torch.randn(batch.latents.shape, generator=generator)
    mixed = torch.lerp(batch.latents, noise, time[:, None, None, None])
    tokens = mixed.shape[-2] * mixed.shape[-1] // PATCH**2
    places = torch.rand(count, tokens, generator=generator).argsort(dim=1)[:, : round(kept * tokens)].to(DEVICE)
    with half_precision():
        made = velocity(transformer, mixed.to(DEVICE), batch, time.to(DEVICE), places)
    wanted = _at(_tokens((noise - batch.latents).to(DEVICE)), places)
    weights = _at(_tokens(batch.weights.to(DEVICE)), places).unsqueeze(-1)
    return (weights * (made.float() - wanted).unflatten(-1, (PATCH**2, -1)).square()).mean()


def velocity(
    transformer: SD3Transformer2DModel, mixed: torch.Tensor, batch: Batch, time: torch.Tensor, places: torch.Tensor
) -> torch.Tensor:
    """Computes the velocity at some places of noisy pictures: (batch, places, PATCH² × channels).

    Its own `forward`, but for the places left out; with all of them in order the answer is the same.
    Source: masked training, https://arxiv.org/abs/2306.09305.
    """
    hidden = _at(transformer.pos_embed(mixed), places)
    said = transformer.context_embedder(batch.hidden.to(DEVICE))
    when = transformer.time_text_embed(time * 1000, batch.pooled.to(DEVICE))
    for block in transformer.transformer_blocks:
        said, hidden = block(hidden_states=hidden, encoder_hidden_states=said, temb=when)
    answer: torch.Tensor = transformer.proj_out(transformer.norm_out(hidden, when))
    return answer


def _tokens(maps: torch.Tensor) -> torch.Tensor:
    """Converts (batch, channels, height, width) to (batch, tokens, PATCH² × channels), in the transformer's order."""
    cut = maps.unflatten(2, (-1, PATCH)).unflatten(4, (-1, PATCH))
    return cut.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)


def _at(tokens: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    return tokens.gather(1, places[:, :, None].expand(-1, -1, tokens.shape[-1]))


def _middle(latents: np.ndarray) -> np.ndarray:
    edge = 768 // DOWN
    top, left = ((size - edge) // 2 for size in latents.shape[1:])
    return latents[:, top : top + edge, left : left + edge]


def _importance(scene: Scene, height: int, width: int) -> np.ndarray:
    """Computes the weights of a scene's places, (1, height, width) float32, mean 1."""
    weights = np.ones((height, width), np.float32)
    for name, box in boxes(scene).items():
        left, right = (max(0, math.floor(x / DOWN + width / 2)) for x in (box[0], box[2]))
        top, bottom = (max(0, math.floor(y / DOWN + height / 2)) for y in (box[1], box[3]))
        inside = weights[top : bottom + 1, left : right + 1]
        heavy = _WEIGHTS[scene.shot].get(name, _THING_WEIGHT)
        np.maximum(inside, heavy, out=inside)
    return weights[None] / weights.mean()


def _learn_positions(transformer: SD3Transformer2DModel) -> None:
    """Makes the table of positions a parameter, saved like one: scenes have absolute places."""
    table = transformer.pos_embed.pos_embed
    del transformer.pos_embed._buffers["pos_embed"]  # noqa: SLF001 - torch has no public way to turn one into the other
    transformer.pos_embed.pos_embed = nn.Parameter(table.clone())


def _even_out(transformer: SD3Transformer2DModel, text: Text, pool: Pool) -> None:
    """Divides the text projection by each feature's deviation, which differs a hundredfold between the encoders."""
    rng = np.random.default_rng((SEED, 6))
    with torch.no_grad():
        batch = draw(pool, text, rng, centre=True)
        transformer.context_embedder.weight.div_(batch.hidden.std(dim=(0, 1)) + 1e-3)
        transformer.time_text_embed.text_embedder.linear_1.weight.div_(batch.pooled.std(dim=0) + 1e-3)


if __name__ == "__main__":
    train()
