"""Prompt weights: splits `(term:1.2)` into plain text and a weight for each character. Knows no model."""

import re
from dataclasses import dataclass

import numpy as np
from numpy import float32
from numpy.typing import NDArray

LOWEST, HIGHEST = 0.0, 3.0
"""Range of weights: beyond it every model draws garbage."""

_TAIL = re.compile(r":\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*$")
_TAIL_LENGTH = 24
"""Characters looked at for `:1.2`; keeps hostile prompts linear."""


@dataclass(frozen=True)
class Weighted:
    """Prompt without weight syntax, and its weights."""

    text: str
    weights: NDArray[float32]
    """(len(text),), 1 by default."""

    @property
    def plain(self) -> bool:
        """Returns whether every weight is 1."""
        return bool(np.all(self.weights == 1))

    def cut(self, start: int, end: int) -> "Weighted":
        """Returns the characters from `start` up to `end`."""
        return Weighted(self.text[start:end], self.weights[start:end])


def parse(prompt: str) -> Weighted:
    r"""Parses the weights of a prompt.

    `(red coat:1.2)` weighs its words 1.2; groups nest and multiply. `\(` and `\)` are parentheses as text, and so is
    any pair without a number before its end. An open parenthesis that is never closed stays as it is.
    """
    characters: list[str] = []
    opened: list[int] = []
    groups: list[tuple[int, int, float]] = []
    closed = 0  # where the latest group ended: its text cannot be another group's number
    escaped = False
    for character in prompt:
        if escaped:
            characters.append(character if character in "()" else f"\\{character}")
        elif character == "(":
            opened.append(len(characters))
            characters.append(character)
        elif character == ")" and opened:
            start = opened.pop()
            tail = "".join(characters[max(start + 1, closed, len(characters) - _TAIL_LENGTH) :])
            if found := _TAIL.search(tail):
                del characters[len(characters) - (len(tail) - found.start()) :]
                characters[start] = ""
                closed = len(characters)
                groups.append((start, closed, float(found[1])))
            else:
                characters.append(character)
        elif character != "\\":
            characters.append(character)
        escaped = character == "\\" and not escaped
    if escaped:
        characters.append("\\")
    weights = np.ones(len(characters), float32)
    for start, end, weight in groups:
        weights[start:end] = np.clip(weights[start:end] * weight, LOWEST, HIGHEST)
    lengths = np.array([len(character) for character in characters], int)
    return Weighted("".join(characters), np.repeat(weights, lengths))
