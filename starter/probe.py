"""Probe: a small classifier of pictures, the judge of the scores. Trained on renders alone, never on the model."""

from itertools import pairwise

import cv2
import numpy as np
import torch
from numpy import uint8
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as fn

from starter import scene
from starter.checkpoint import SEED, load, save, say
from starter.device import DEVICE, half_precision
from starter.draw.picture import render
from starter.lora import scene_of as character_scene

STEPS, BATCH, RATE = 3600, 12, 2e-3
DOWN = 4
"""Reduction of pictures for the probe: a quarter of their edge."""

VALUES: dict[str, tuple[str, ...]] = {
    "place": scene.PLACES,
    "time": scene.TIMES,
    "style": scene.STYLES,
    "figure": ("no", "yes"),
    "person": scene.PEOPLE,
    "colour": scene.COLOURS,
    "garment": scene.GARMENTS,
    "hair": scene.HAIRS,
    "hat": ("no", "yes"),
    "character": ("none", *scene.CHARACTERS),
    **dict.fromkeys(scene.THINGS, ("no", "yes")),
}


def truth(shown: scene.Scene) -> dict[str, str]:
    """Returns a scene's values by field; those of the figure only if there is one."""
    figure = shown.shot != "none"
    told = {"place": shown.place, "time": shown.time, "style": shown.style, "figure": "yes" if figure else "no"}
    told |= {thing: "yes" if thing in shown.things else "no" for thing in scene.THINGS}
    told["hat"] = "yes" if figure and shown.hat else "no"
    if figure:
        told |= {"person": shown.person, "colour": shown.colour, "garment": shown.garment, "hair": shown.hair}
        told["character"] = shown.character or "none"
    return told


class Probe(nn.Module):
    """Classifier: (batch, 3, height, width) in 0…1 to logits for each field of VALUES."""

    def __init__(self) -> None:
        super().__init__()
        widths = (5, 24, 48, 96, 128, 128)
        layers: list[nn.Module] = []
        for number, (before, after) in enumerate(pairwise(widths)):
            layers += [nn.Conv2d(before, after, 3, stride=2 if number < 4 else 1, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(after), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1] * 2, sum(map(len, VALUES.values())))

    def forward(self, pictures: torch.Tensor) -> dict[str, torch.Tensor]:
        """Computes the logits, see the class."""
        count, _, height, width = pictures.shape
        rows = torch.linspace(-height / 192, height / 192, height, device=pictures.device)[:, None]
        rows = rows.expand(count, 1, height, width)
        columns = torch.linspace(-width / 192, width / 192, width, device=pictures.device)
        columns = columns.expand(count, 1, height, width)
        seen = self.body(torch.cat([pictures * 2 - 1, rows, columns], dim=1))
        logits = self.head(torch.cat([seen.mean(dim=(2, 3)), seen.amax(dim=(2, 3))], dim=1))
        return dict(zip(VALUES, logits.split([len(values) for values in VALUES.values()], dim=1), strict=True))

    @torch.inference_mode()
    def name(self, pixels: NDArray[uint8]) -> dict[str, str]:
        """Classifies one picture, (height, width, 3), by field; the figure's fields are meaningless without a figure."""
        logits = self(torch.from_numpy(_small(pixels)).permute(2, 0, 1)[None].float() / 255)
        return {field: VALUES[field][int(view.argmax())] for field, view in logits.items()}


def train() -> Probe:
    """Trains to the end, from the last checkpoint if there is one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        probe = Probe().to(DEVICE)
    optimizer = torch.optim.AdamW(probe.parameters(), lr=RATE, betas=(0.9, 0.99), weight_decay=0.02)
    start = 0
    if state := load("probe"):
        probe.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        start = state["step"]
    for step in range(start, STEPS):
        rng = np.random.default_rng((SEED, 10, step))
        pictures, truths = _batch(rng)
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 50, max(0.02, (STEPS - step) / (0.6 * STEPS)))
        with half_precision():
            logits = probe(pictures.to(DEVICE))
        loss = sum(
            fn.cross_entropy(view.float(), truths[field].to(DEVICE), ignore_index=-1) for field, view in logits.items()
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if (step + 1) % 200 == 0 or step + 1 == STEPS:
            say(f"probe {step + 1}/{STEPS} loss {loss.item():.3f}")
            save("probe", {"model": probe.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1})
    return probe.cpu().eval()


def scores(probe: Probe, count: int) -> dict[str, float]:
    """Computes by field the share classified correctly on fresh renders that have the field."""
    right: dict[str, list[bool]] = {field: [] for field in VALUES}
    for number in range(count):
        rng = np.random.default_rng((SEED, 11, number))
        shown = _lot(rng)
        named = probe.name(render(shown, *scene.SIZES[number % len(scene.SIZES)]))
        for field, value in truth(shown).items():
            right[field].append(named[field] == value)
    return {field: sum(answers) / max(1, len(answers)) for field, answers in right.items()}


def _lot(rng: np.random.Generator) -> scene.Scene:
    return character_scene(str(rng.choice(scene.CHARACTERS)), rng) if rng.random() < 0.25 else scene.draw_lots(rng)


def _batch(rng: np.random.Generator) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Draws renders of one size, blurred and roughened a little, as a model's pictures are."""
    size = scene.SIZES[int(rng.integers(len(scene.SIZES)))]
    shown = [_lot(rng) for _ in range(BATCH)]
    pictures = torch.from_numpy(np.stack([_small(_worn(render(item, *size), rng)) for item in shown]))
    truths = [truth(item) for item in shown]
    places = {
        field: torch.tensor([values.index(told[field]) if field in told else -1 for told in truths])
        for field, values in VALUES.items()
    }
    return pictures.permute(0, 3, 1, 2).float() / 255, places


def _worn(pixels: NDArray[uint8], rng: np.random.Generator) -> NDArray[uint8]:
    if rng.random() < 0.5:
        pixels = cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.5, 5))
    gain, lift = rng.uniform(0.94, 1.06), rng.uniform(-8, 8)
    return cv2.convertScaleAbs(pixels, alpha=gain, beta=lift) if rng.random() < 0.5 else pixels


def _small(pixels: NDArray[uint8]) -> NDArray[uint8]:
    height, width = pixels.shape[:2]
    return cv2.resize(pixels, (width // DOWN, height // DOWN), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


if __name__ == "__main__":
    for field, share in scores(train(), 400).items():
        say(f"probe {field} {share:.3f}")
