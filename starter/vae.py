"""Autoencoder, 16×, trained on crops of renders. Makes no folders; `starter.export` does."""

import math
from collections import deque

import numpy as np
import torch
from diffusers import AutoencoderTiny
from numpy import uint8
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as fn

from starter.checkpoint import SEED, load, save, say
from starter.device import DEVICE, half_precision
from starter.draw.picture import boxes, centre, render
from starter.scene import CHARACTERS, SIZES, Scene, draw_lots

STEPS, BATCH, CROP, RATE = 5000, 4, 256, 1.5e-3
CHANNELS = 16
"""Channels of a latent. Four times what 32× held, where faces blurred; a token of the denoiser stays 32 px wide."""
FACE_WEIGHTS = {"full": 10.0, "portrait": 1.5, "none": 1.0}
"""Weight of a face's pixel, by shot. A standing figure's eyes are 14 px wide: at weight 1 they stay smears at 29 dB."""
_RESERVOIR = 64
"""Renders kept at a time; one is replaced at each step."""
_GRID = 16


def model() -> AutoencoderTiny:
    """Builds the untrained autoencoder: layers are the identity if they can be; otherwise it does not learn."""
    vae = AutoencoderTiny(
        encoder_block_out_channels=(32,) * 5,
        decoder_block_out_channels=(32,) * 5,
        num_encoder_blocks=(0, 0, 1, 3, 4),
        num_decoder_blocks=(6, 5, 3, 1, 0),
        latent_channels=CHANNELS,
    )
    blur = torch.outer(torch.tensor([1.0, 2, 1]), torch.tensor([1.0, 2, 1])) / 16
    with torch.no_grad():
        for part in vae.modules():
            if type(part).__name__ == "AutoencoderTinyBlock":
                part.conv[-1].weight.mul_(0.1)
                part.conv[-1].bias.zero_()
            if isinstance(part, nn.Conv2d) and part.in_channels == part.out_channels == 32 and part.bias is None:
                part.weight.mul_(0.3)
                for channel in range(32):
                    part.weight[channel, channel] += blur if part.stride == (2, 2) else _dot()
    return vae


def train() -> AutoencoderTiny:
    """Trains to the end, from the last checkpoint if there is one; returns the finished model in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        vae = model().to(DEVICE, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0.0)
    start = 0
    if state := load("vae"):
        vae.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        start = state["step"]
    shown: deque[tuple[Scene, NDArray[uint8]]] = deque(maxlen=_RESERVOIR)
    losses: deque[float] = deque(maxlen=50)
    for step in range(start, STEPS):
        first = step if shown else step - _RESERVOIR + 1
        shown.extend(_picture(number + _RESERVOIR) for number in range(first, step + 1))
        rng = np.random.default_rng((SEED, step))
        crops = [_crop(*shown[int(rng.integers(len(shown)))], rng) for _ in range(BATCH)]
        pixels, weights = (torch.from_numpy(np.stack(part)).permute(0, 3, 1, 2) for part in zip(*crops, strict=True))
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 50) * (0.02 + 0.49 * (1 + math.cos(math.pi * step / STEPS)))
        noise = torch.Generator().manual_seed(SEED + step)
        level = 0.1 if step < STEPS / 2 else 0.04
        loss, error = _loss(vae, pixels.float() / 127.5 - 1, weights, noise, level)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        losses.append(error)
        if (step + 1) % 50 == 0:
            say(
                f"vae {step + 1}/{STEPS} loss {loss.item():.4f} crops {-10 * math.log10(sum(losses) / len(losses) / 4):.2f} dB"
            )
        if (step + 1) % 100 == 0 or step + 1 == STEPS:
            save("vae", {"model": vae.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1})
    return vae.cpu().eval()


def trained() -> AutoencoderTiny:
    """Loads the autoencoder as `train` left it, in evaluation mode.

    Raises:
        FileNotFoundError: it is not trained to its end yet.
    """
    state = load("vae")
    if state.get("step") != STEPS:
        raise FileNotFoundError("no autoencoder yet; run starter.vae")
    vae = model()
    vae.load_state_dict(state["model"])
    return vae.to(memory_format=torch.channels_last).eval().requires_grad_(requires_grad=False)


def psnr(vae: AutoencoderTiny, count: int) -> float:
    """Computes the mean PSNR over held-out renders at full size, in dB, of unscaled latents."""
    total = 0.0
    for number in range(count):
        rng = np.random.default_rng((SEED, 7, number))
        pixels = render(draw_lots(rng), *SIZES[number % len(SIZES)])
        true = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
        with torch.inference_mode():
            made = vae.decoder(vae.encoder(true)).clamp(-1, 1)
        total += -10 * math.log10(((made - true) / 2).square().mean().item())
    return total / count


def _picture(number: int) -> tuple[Scene, NDArray[uint8]]:
    rng = np.random.default_rng((SEED, 1, number))
    character = str(rng.choice(CHARACTERS)) if rng.random() < 0.12 else ""
    scene = draw_lots(rng, **({"character": character, "person": "woman"} if character else {}))
    return scene, render(scene, *SIZES[int(rng.integers(len(SIZES)))])


def _crop(scene: Scene, pixels: NDArray[uint8], rng: np.random.Generator) -> tuple[NDArray[uint8], NDArray[np.float32]]:
    """Draws a crop, (CROP, CROP, 3), on the latents' grid, and its pixels' weights, (CROP, CROP, 1).

    Two in five at the head, a third about the figure, the others anywhere.
    """
    height, width = pixels.shape[:2]
    x0, y0 = centre(width, height)
    places = boxes(scene)
    left, top, right, bottom = places.get("head", (0, 0, 0, 0))
    aim = rng.random()
    if scene.shot == "none" or aim < 0.27:
        x, y = rng.uniform(0, width), rng.uniform(0, height)
    elif aim < 0.6:
        x, y = x0 + rng.uniform(-340, 340), y0 + rng.uniform(-200, 340)
    else:
        x, y = x0 + rng.uniform(left, right), y0 + rng.uniform(top, bottom)
    x, y = (int(np.clip((at - CROP / 2) // _GRID * _GRID, 0, end - CROP)) for at, end in ((x, width), (y, height)))
    weights = np.ones((CROP, CROP, 1), np.float32)
    left, top, right, bottom = (int(edge) for edge in places.get("face", (0, 0, 0, 0)))
    columns, rows = (
        slice(max(0, a), max(0, b)) for a, b in ((left + x0 - x, right + x0 - x), (top + y0 - y, bottom + y0 - y))
    )
    weights[rows, columns] = FACE_WEIGHTS[scene.shot]
    return pixels[y : y + CROP, x : x + CROP], weights


def _loss(
    vae: AutoencoderTiny, true: torch.Tensor, weights: torch.Tensor, noise: torch.Generator, level: float
) -> tuple[torch.Tensor, float]:
    true, weights = true.to(DEVICE, memory_format=torch.channels_last), weights.to(DEVICE)
    with half_precision():
        latents = vae.encoder(true)
        made = vae.decoder(latents + level * torch.randn(latents.shape, generator=noise).to(DEVICE))
    made, latents = made.float(), latents.float()
    gap = made - true
    heavy = gap * weights
    edges = sum(heavy.diff(dim=axis).abs().mean() for axis in (2, 3))
    pooled = fn.avg_pool2d(gap, 8).abs().mean()
    pull = latents.mean(dim=(0, 2, 3)).square().mean() + (latents.std(dim=(0, 2, 3)) - 0.8).square().mean()
    loss = heavy.abs().mean() + 0.6 * edges + 0.5 * pooled + 1.5 * (heavy * gap).mean() + 0.02 * pull
    return loss, gap.square().mean().item()


def _dot() -> torch.Tensor:
    kernel = torch.zeros(3, 3)
    kernel[1, 1] = 1
    return kernel


if __name__ == "__main__":
    say(f"vae {psnr(train(), 50):.2f} dB on 50 held-out renders")
