"""LoRA of each character, trained on attention alone, beside pictures without the trigger. The base model stays as it is."""

import numpy as np
import torch
from diffusers import SD3Transformer2DModel
from peft import LoraConfig, get_peft_model_state_dict, set_peft_model_state_dict
from torch import nn

from starter import denoiser, pool, vae
from starter.captions import caption
from starter.checkpoint import SEED, load, save, say
from starter.device import DEVICE
from starter.draw.picture import render
from starter.scene import CHARACTERS, LOOKS, SIZES, Scene, draw_lots
from starter.text import Text
from starter.text import trained as trained_text

STEPS, RATE, RANK = 800, 2e-3, 8
KEPT, SHIFTS = 0.5, (5.0, 5.0, 2.5)
"""Share of places computed, and shifts of the times towards noise, five steps each in turns: hair and gold are decided
early, a small face beside them late."""
PICTURES = 168
"""Pictures of each character, a seventh of each size."""
CENTRE_BATCH, FULL_BATCH = 12, 8
PLAIN = 0.4
"""Share of pictures without the character and without its trigger: they keep the LoRA from leaking."""
TARGETS = ["to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out"]


def train(name: str) -> None:
    """Trains one character's LoRA to the end, from the last checkpoint if there is one."""
    state = load(f"lora_{name}")
    if state.get("step", 0) >= STEPS:
        return
    transformer = adapted(state.get("weights"))
    pictures, plain, text = _pictures(name), pool.Pool(), trained_text()
    own = [parameter for parameter in transformer.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(own, lr=RATE, betas=(0.9, 0.98), weight_decay=0.0)
    if state:
        optimizer.load_state_dict(state["optimizer"])
    seen: list[float] = []
    for step in range(state.get("step", 0), STEPS):
        rng = np.random.default_rng((SEED, 8, CHARACTERS.index(name), step))
        batch = _batch(pictures, plain, text, rng, centre=step % 5 < 3)
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 15, max(0.02, (STEPS - step) / (0.5 * STEPS)))
        shift = SHIFTS[step // 5 % len(SHIFTS)]
        lots = torch.Generator().manual_seed(SEED + step)
        loss = denoiser.flow_loss(transformer, batch, lots, kept=KEPT, shift=shift)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(own, 1.0)
        optimizer.step()
        seen.append(loss.item())
        if (step + 1) % 50 == 0 or step + 1 == STEPS:
            say(f"lora {name} {step + 1}/{STEPS} loss {sum(seen[-50:]) / len(seen[-50:]):.4f}")
            weights = get_peft_model_state_dict(transformer)
            save(f"lora_{name}", {"weights": weights, "optimizer": optimizer.state_dict(), "step": step + 1})


def adapted(weights: dict[str, torch.Tensor] | None = None) -> SD3Transformer2DModel:
    """Loads the frozen denoiser with a trainable LoRA: a new one, which has no effect yet, or this one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        transformer = denoiser.trained()
        # alpha equal to the rank: the file's own numbers are the whole change, at scale 1
        transformer.add_adapter(
            LoraConfig(r=RANK, lora_alpha=RANK, target_modules=TARGETS, init_lora_weights="gaussian")
        )
    if weights is not None:
        set_peft_model_state_dict(transformer, weights)
    return transformer.to(DEVICE).train()


def tensors(name: str) -> dict[str, torch.Tensor]:
    """Loads the trained LoRA as `load_lora_weights` reads it, float16.

    Raises:
        FileNotFoundError: there is no checkpoint yet.
    """
    state = load(f"lora_{name}")
    if not state:
        raise FileNotFoundError(f"no LoRA of {name} yet; run starter.lora")
    weights: dict[str, torch.Tensor] = state["weights"]
    return {f"transformer.{key}": value.half().contiguous() for key, value in weights.items()}


def scene_of(name: str, rng: np.random.Generator) -> Scene:
    """Draws a scene of this character: mostly with her own hair, in any place, clothes and light."""
    hair, cut = LOOKS[name]
    fixed: dict[str, object] = {"character": name, "person": "woman", "hat": False, "glasses": False}
    fixed["shot"] = "full" if rng.random() < 0.6 else "portrait"
    if rng.random() < 0.85:
        fixed["hair"] = hair
    if rng.random() < 0.85:
        fixed["cut"] = cut
    return draw_lots(rng, **fixed)


def _pictures(name: str) -> list[list[pool.Encoded]]:
    """Encodes pictures of the character, by size."""
    autoencoder = vae.trained()
    scale = pool.measured(autoencoder)
    by_size: list[list[pool.Encoded]] = [[] for _ in SIZES]
    for number in range(PICTURES):
        scene = scene_of(name, np.random.default_rng((SEED, 9, CHARACTERS.index(name), number)))
        index = number % len(SIZES)
        by_size[index].append(pool.Encoded(scene, pool.encoded(autoencoder, render(scene, *SIZES[index]), scale)))
    return by_size


def _batch(
    pictures: list[list[pool.Encoded]], plain: pool.Pool, text: Text, rng: np.random.Generator, *, centre: bool
) -> denoiser.Batch:
    size = int(rng.integers(len(SIZES)))
    items, said = [], []
    for _ in range(CENTRE_BATCH if centre else FULL_BATCH):
        index = int(rng.integers(len(SIZES))) if centre else size
        if rng.random() < PLAIN:
            items += plain.draw(rng, 1, size=index)
        else:
            items.append(pictures[index][int(rng.integers(len(pictures[index])))])
        named = bool(items[-1].scene.character)
        words = caption(items[-1].scene, rng, trigger=named).text
        said.append(words if named or rng.random() > denoiser.UNSAID else "")
    return denoiser.batch_of(items, said, text, rng, centre=centre)


if __name__ == "__main__":
    for character in CHARACTERS:
        train(character)
