"""The `openai` package of Python, unmodified, against the real server: edits and variations."""

import base64
import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openai
import pytest
from clients.openai.conftest import MASK, PROMPT, SOURCES, opened


def test_the_same_seed_gives_the_same_picture(client: openai.OpenAI) -> None:
    """`seed` and `strength` go along in `extra_body`, for edits as well."""

    def edited(**extra: object) -> bytes:
        made = client.images.edit(image=SOURCES[0], prompt=PROMPT, extra_body=extra)
        return opened(base64.b64decode(made.data[0].b64_json)).tobytes()

    # Each file has a mark of its own; the small ones show what it lies on
    near = [edited(seed=7, strength=0.05), edited(seed=7, strength=0.05), edited(seed=7, strength=0.9)]
    assert _distance(near[0], near[1]) < 4 < _distance(near[0], near[2])


def _distance(one: bytes, other: bytes) -> float:
    """Mean difference of two pictures of equal size, in levels."""
    return float(np.abs(np.subtract(*(np.frombuffer(data, np.uint8).astype(int) for data in (one, other)))).mean())


@pytest.mark.parametrize("number", [1, 3])
def test_pictures_are_edited(client: openai.OpenAI, files: list[str], key: str, charged: Callable, number: int) -> None:
    """Opened files, with a mask: one source comes as `image`, several as `image[]`; an edit costs one picture."""
    before = charged(key)
    with contextlib.ExitStack() as opening:
        *images, mask = [opening.enter_context(Path(path).open("rb")) for path in (*files[:number], files[3])]
        answer = client.images.edit(image=images[0] if number == 1 else images, mask=mask, prompt=PROMPT)

    [made] = answer.data
    assert opened(base64.b64decode(made.b64_json)).format == "PNG"
    assert answer.usage.input_tokens_details.image_tokens > 0
    assert charged(key) == before + 1


def test_a_mask_keeps_what_is_opaque(client: openai.OpenAI) -> None:
    """Transparent pixels of the mask are redrawn; all others stay those of the source."""
    made = client.images.edit(image=SOURCES[0], mask=MASK, prompt=PROMPT, extra_body={"strength": 1.0}).data[0]
    picture = opened(base64.b64decode(made.b64_json)).convert("RGB")
    corner = picture.getpixel((picture.width // 20, picture.height // 20))
    assert max(abs(a - b) for a, b in zip(corner, (200, 30, 30), strict=True)) < 12


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # the package's own word on this call
def test_variations_need_no_words(client: openai.OpenAI) -> None:
    """`create_variation` starts from the picture alone."""
    answer = client.images.create_variation(image=SOURCES[0], n=2)
    assert len({made.b64_json for made in answer.data}) == 2
