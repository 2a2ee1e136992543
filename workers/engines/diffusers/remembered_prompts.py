"""Prompts that pipelines encode in their own calls (Qwen-Image, Z-Image, PixArt): their embeddings are kept as all others are."""

import inspect
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import torch

Remember = Callable[[Hashable, Callable[[], Any]], Any]


@contextmanager
def remembered(pipe: Any, remember: Remember) -> Iterator[None]:
    """Lets a pipeline's call take the answers of its `encode_prompt` from earlier calls with the same texts and options.

    A call that brings embeddings along, or pictures, has nothing to remember.

    Args:
        pipe: any pipeline.
        remember: returns the answer kept under a key, or makes it by the function given and keeps it.
    """
    encode = getattr(pipe, "encode_prompt", None)
    if encode is None:
        yield
        return
    signature = inspect.signature(encode)

    @wraps(encode)
    def answer(*args: Any, **options: Any) -> Any:
        given = signature.bind(*args, **options).arguments
        try:
            key = tuple((name, _hashable(value)) for name, value in given.items())
        except TypeError:
            return encode(*args, **options)
        return _copied(remember((type(pipe).__name__, key), lambda: encode(*args, **options)))

    pipe.encode_prompt = answer
    try:
        yield
    finally:
        del pipe.encode_prompt  # the class has its own


def _hashable(value: object) -> Hashable:
    """Returns an argument as a part of a key. Raises TypeError if it is more than texts, numbers and the like."""
    if isinstance(value, list | tuple):
        return tuple(_hashable(part) for part in value)
    if isinstance(value, dict):
        return tuple((name, _hashable(part)) for name, part in value.items())
    if value is None or isinstance(value, str | bool | int | float | torch.device | torch.dtype):
        return value
    raise TypeError


def _copied(answer: Any) -> Any:
    """Copies the tensors of an answer, so that no call changes the kept ones."""
    if isinstance(answer, torch.Tensor):
        return answer.clone()
    return type(answer)(map(_copied, answer)) if type(answer) in (list, tuple) else answer
