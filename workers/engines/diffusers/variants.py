"""Variants of a model's weights: full precision, or half under names of its own (`.fp16.`); in whole files or in shards."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from imgen.weights.safetensors_file import SAFETENSORS

HALF = "fp16"
"""Name of the variant, as diffusers and transformers have it."""
_SHARD = r"(-\d{5}-of-\d{5})?"
_HALF_FILE = re.compile(rf"[^.]+\.{HALF}{_SHARD}\{SAFETENSORS}")
_FULL_FILE = re.compile(rf"[^.]+?{_SHARD}\{SAFETENSORS}")


def variant_of(names: Iterable[str], *, is_half: bool) -> str | None:
    """Returns the variant to load of a folder or repository; None: the one of full precision.

    Where a part has no half variant, diffusers takes the other one.

    Args:
        names: paths of all its files, with `/`.
        is_half: whether the weights are wanted in half precision.
    """
    paths = [PurePosixPath(name) for name in names]
    halves = {path.parent for path in paths if _HALF_FILE.fullmatch(path.name)}
    fulls = {path.parent for path in paths if _FULL_FILE.fullmatch(path.name)}
    wanted = halves if is_half else halves - fulls
    return HALF if any(len(part.parts) == 1 for part in wanted) else None
