"""Text encoders: trained to classify the fields that a caption names, and frozen afterwards. Draws nothing."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as fn
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

from starter import scene
from starter.captions import Caption, caption
from starter.checkpoint import SEED, load, save, say
from starter.tokenizer import WINDOW, tokenizer

STEPS, BATCH, RATE = 1500, 96, 1.5e-3
LAYERS = {128: 3, 64: 1}
"""Layers of each encoder, by width."""
WIDTH = sum(LAYERS)
VALUES: dict[str, tuple[str, ...]] = {
    "place": scene.PLACES,
    "time": scene.TIMES,
    "style": scene.STYLES,
    "shot": scene.SHOTS,
    "person": scene.PEOPLE,
    "colour": scene.COLOURS,
    "garment": scene.GARMENTS,
    "hair": scene.HAIRS,
    "cut": scene.CUTS,
    "skin": scene.SKINS,
    "pose": scene.POSES,
    "character": scene.CHARACTERS,
    **dict.fromkeys(("glasses", "hat", "pet", *scene.THINGS), ("yes",)),
}
"""Values that a caption can name, by field; "not named" is one more."""


@dataclass(frozen=True)
class Text:
    """Tokenizer and both encoders."""

    words: CLIPTokenizer
    encoders: tuple[CLIPTextModelWithProjection, ...]

    def encode(self, texts: list[str], *, length: int = WINDOW) -> tuple[torch.Tensor, torch.Tensor]:
        """Encodes texts: states (batch, length, WIDTH), pooled (batch, WIDTH), as the SD3 pipeline does without T5."""
        tokens = self.words(texts, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
        made = [encoder(tokens.input_ids, output_hidden_states=True) for encoder in self.encoders]
        hidden = torch.cat([output.hidden_states[-2] for output in made], dim=-1)
        return hidden, torch.cat([output.text_embeds for output in made], dim=-1)


class Namer(nn.Module):
    """Classifier of every field, once from the pooled output and once from the token that shows it most clearly."""

    def __init__(self) -> None:
        super().__init__()
        count = sum(len(values) + 1 for values in VALUES.values())
        self.pooled, self.tokens = nn.Linear(WIDTH, count), nn.Linear(WIDTH, count)

    def forward(self, hidden: torch.Tensor, pooled: torch.Tensor) -> list[tuple[torch.Tensor, ...]]:
        """Computes two sets of logits for each field: (batch, values and one more for "not named")."""
        sizes = [len(values) + 1 for values in VALUES.values()]
        views = self.pooled(pooled), self.tokens(hidden).amax(dim=1)
        return list(zip(*(view.split(sizes, dim=1) for view in views), strict=True))


def untrained() -> Text:
    """Builds both encoders with random weights."""
    words = tokenizer()
    return Text(words, tuple(_encoder(words, width, layers) for width, layers in LAYERS.items()))


def trained() -> Text:
    """Loads the encoders as `train` left them, in evaluation mode.

    Raises:
        FileNotFoundError: they are not trained yet.
    """
    state = load("text")
    if not state:
        raise FileNotFoundError("no text encoders yet; run starter.text")
    text = untrained()
    for encoder, weights in zip(text.encoders, state["encoders"], strict=True):
        encoder.load_state_dict(weights)
        encoder.eval().requires_grad_(requires_grad=False)
    return text


def train() -> Text:
    """Trains in one run of a few minutes; it cannot be resumed."""
    if load("text").get("step") == STEPS:
        return trained()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        text, namer = untrained(), Namer()
    parts = nn.ModuleList([*text.encoders, namer])
    optimizer = torch.optim.AdamW(parts.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0.01)
    for step in range(STEPS):
        rng = np.random.default_rng((SEED, 2, step))
        captions = [_lot(rng) for _ in range(BATCH)]
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 50) * min(1, (STEPS - step) / (0.5 * STEPS))
        named = namer(*text.encode([item.text for item in captions], length=48))
        truth = targets(captions)
        loss = sum(fn.cross_entropy(view, true) for views, true in zip(named, truth, strict=True) for view in views)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parts.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % 100 == 0:
            say(f"text {step + 1}/{STEPS} loss {loss.item():.3f}")
    save("text", {"encoders": [encoder.state_dict() for encoder in text.encoders], "step": STEPS})
    for encoder in text.encoders:
        encoder.eval().requires_grad_(requires_grad=False)
    for field, share in score(text, namer.eval()).items():
        say(f"text {field} {share:.3f}")
    return text


def targets(captions: list[Caption]) -> list[torch.Tensor]:
    """Returns for each field (batch,): the value's place in VALUES, or one past the last where the caption does not tell."""
    return [
        torch.tensor([values.index(item.told[field]) if field in item.told else len(values) for item in captions])
        for field, values in VALUES.items()
    ]


def score(text: Text, namer: Namer) -> dict[str, float]:
    """Computes by field the share of 1,000 fresh captions classified correctly from the pooled output."""
    rng = np.random.default_rng((SEED, 3))
    captions = [_lot(rng) for _ in range(1000)]
    with torch.inference_mode():
        named = namer(*text.encode([item.text for item in captions]))
    right = (
        (views[0].argmax(1) == true).float().mean().item() for views, true in zip(named, targets(captions), strict=True)
    )
    return dict(zip(VALUES, right, strict=True))


def _lot(rng: np.random.Generator) -> Caption:
    named = rng.random() < 0.2
    who = {"character": str(rng.choice(scene.CHARACTERS)), "person": "woman"} if named else {}
    return caption(scene.draw_lots(rng, **who), rng, trigger=named)


def _encoder(words: CLIPTokenizer, width: int, layers: int) -> CLIPTextModelWithProjection:
    encoder = CLIPTextModelWithProjection(
        CLIPTextConfig(
            vocab_size=len(words),
            hidden_size=width,
            intermediate_size=width * 4,
            projection_dim=width,
            num_hidden_layers=layers,
            num_attention_heads=4,
            max_position_embeddings=WINDOW,
            bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id,
            pad_token_id=words.pad_token_id,
        )
    )
    with torch.no_grad():  # CLIP begins with deviation .02, at which so small a model learns its words late
        for table in (module for module in encoder.modules() if isinstance(module, nn.Embedding)):
            table.weight.mul_(5)
    return encoder


if __name__ == "__main__":
    train()
