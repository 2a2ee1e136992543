"""Cache of prompt embeddings: the answers of a pipeline's `encode_prompt`, the least used of which go first.

A prompt that comes again, as for the siblings of a request, is not encoded again: T5 takes longer than a step of FLUX.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import torch


class EmbeddingCache:
    """Answers of one pipeline by their arguments."""

    def __init__(self, limit_bytes: int = 64 * 2**20) -> None:
        """Keeps up to so many bytes, on the device of the answers: 16 prompts of T5-XXL, 250 of SDXL's encoders."""
        self._limit_bytes = limit_bytes
        self._answers: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._size_bytes = 0

    def answer(self, key: Hashable, encode: Callable[[], Any]) -> Any:
        """Returns the kept answer of a key, or encodes and keeps it."""
        if key in self._answers:
            self._answers.move_to_end(key)
            return self._answers[key][0]
        made = encode()
        size = _size(made)
        self._answers[key] = made, size
        self._size_bytes += size
        while self._size_bytes > self._limit_bytes:
            self._size_bytes -= self._answers.popitem(last=False)[1][1]
        return made


def _size(answer: Any) -> int:
    """Returns the bytes of an answer's tensors; Z-Image's are in a list of their own."""
    if isinstance(answer, torch.Tensor):
        return answer.nbytes
    return sum(map(_size, answer)) if isinstance(answer, tuple | list) else 0
