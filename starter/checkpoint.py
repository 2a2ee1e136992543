"""Checkpoints: training state on disk, replaced as a whole, so that every program can be stopped and resumed at any time."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

FOLDER = Path("var/train")
"""Folder of the checkpoints; never in version control."""
SEED = 20240607


def load(name: str) -> dict[str, Any]:
    """Loads the state of this name; empty if there is none."""
    path = FOLDER / f"{name}.pt"
    return torch.load(path, map_location="cpu") if path.is_file() else {}


def save(name: str, state: Mapping[str, Any]) -> None:
    """Saves a state of tensors and plain values."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    part = FOLDER / f".{name}.part"
    torch.save(dict(state), part)
    part.replace(FOLDER / f"{name}.pt")


def say(text: str) -> None:
    """Prints one line of a training log, unbuffered."""
    print(text, flush=True)
