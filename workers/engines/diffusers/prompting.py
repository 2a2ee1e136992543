"""Prompt embeddings, also of long prompts and of prompts with weights, made by the pipeline's own `encode_prompt`.

Each text is encoded by itself, so that its embeddings do not depend on its neighbours in a batch. Pipelines that FAMILIES does
not name get plain text, weights dropped; those that no architecture lists get short plain prompts as text.
"""

import inspect
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import CLIPTokenizer

from workers.engines.diffusers.architectures import is_listed
from workers.engines.diffusers.prompt_weights import Weighted, parse

LONGEST_PROMPT = 12_000
"""Characters of a prompt, more than eight windows hold; bounds the work that a hostile prompt can cause."""
MOST_WINDOWS = 8

Embeds = tuple[torch.Tensor, torch.Tensor | None]
"""Embeddings: (1, tokens, width) for the denoiser's attention, and (1, width) pooled if the pipeline has them."""


Remember = Callable[[Hashable, Callable[[], Any]], Any]


def _encode_anew(_key: Hashable, encode: Callable[[], Any]) -> Any:
    return encode()


@dataclass(frozen=True)
class Family:
    """Token sequence of a kind of pipeline: first windows of the text, then a part that gets the whole text."""

    windowed: tuple[str, ...] = ()
    """Arguments of `encode_prompt` that get one window of text; its tokens can be joined window after window."""
    whole: tuple[str, ...] = ()
    """Arguments that get the whole text."""
    whole_tokenizer: str = ""
    pooled: int | None = None
    """Index of the pooled embedding in the result of `encode_prompt`."""


FAMILIES: dict[tuple[str, int], Family] = {
    ("unet", 1): Family(windowed=("prompt",)),
    ("unet", 2): Family(windowed=("prompt", "prompt_2"), pooled=2),
    ("transformer", 3): Family(
        windowed=("prompt", "prompt_2"), whole=("prompt_3",), whole_tokenizer="tokenizer_3", pooled=2
    ),
    ("transformer", 2): Family(whole=("prompt", "prompt_2"), whole_tokenizer="tokenizer_2", pooled=1),
}
"""Family by the denoiser's slot and the number of slots for tokenizers: Stable Diffusion 1 and 2, XL, 3, and FLUX, whatever the
pipeline does with them. The windows' tokenizer is always `tokenizer`."""


def conditioning(
    pipe: Any, positive: str, negative: str, extra: Mapping[str, Any], remember: Remember = _encode_anew
) -> dict[str, Any]:
    """Makes the prompt arguments of a pipeline call for one picture: embeddings (1, …), or texts.

    Args:
        pipe: a text-to-image pipeline, LoRA already active (it may change the encoders).
        positive: prompt, weights as `(term:1.2)`.
        negative: the same; empty: the pipeline's own default.
        extra: further arguments of the call; those that `encode_prompt` knows are passed to it as well.
        remember: returns the answer of `encode_prompt` to such arguments, by the function given or from an earlier time.
    """
    prompts = [parse(text[:LONGEST_PROMPT]) for text in (positive, negative)]
    family = family_of(pipe)
    if family is None or not (is_listed(type(pipe).__name__) or _needed(pipe, family, prompts)):
        return {"prompt": prompts[0].text, **({"negative_prompt": prompts[1].text} if prompts[1].text else {})}
    encoder = _Encoder(pipe, family, extra, remember)
    windows = [encoder.windows(prompt) for prompt in prompts]
    count = max(map(len, windows))
    arguments = _named("", encoder.encode(prompts[0], windows[0], count))
    if not prompts[1].text:
        unguided = encoder.nothing(count)
    elif encoder.is_guided:
        unguided = encoder.encode(prompts[1], windows[1], count, negative=True)
    else:
        unguided = None
    return arguments | (_named("negative_", unguided) if unguided else {})


def family_of(pipe: Any) -> Family | None:
    """Returns the family by a pipeline's components; None: it is another one, such as one without CLIP's tokenizer."""
    if not hasattr(pipe, "encode_prompt") or not isinstance(getattr(pipe, "tokenizer", None), CLIPTokenizer):
        return None
    components = pipe.components
    denoiser = "unet" if "unet" in components else "transformer"
    return FAMILIES.get((denoiser, sum(name.startswith("tokenizer") for name in components)))


def _needed(pipe: Any, family: Family, prompts: list[Weighted]) -> bool:
    if not all(prompt.plain for prompt in prompts):
        return True
    return bool(family.windowed) and any(_token_count(pipe.tokenizer, prompt.text) > _room(pipe) for prompt in prompts)


def _named(prefix: str, embeds: Embeds) -> dict[str, torch.Tensor]:
    names = (f"{prefix}prompt_embeds", f"{prefix}pooled_prompt_embeds")
    return {name: tensor for name, tensor in zip(names, embeds, strict=True) if tensor is not None}


class _Encoder:
    """Encoder: `encode_prompt` of one pipeline, with the arguments that stay the same through one call."""

    def __init__(self, pipe: Any, family: Family, extra: Mapping[str, Any], remember: Remember) -> None:
        self.pipe = pipe
        self.family = family
        self.remember = remember
        self.parameters = inspect.signature(pipe.encode_prompt).parameters
        self.extra = {name: value for name, value in extra.items() if name in self.parameters}
        self.true_cfg_scale = float(extra.get("true_cfg_scale", 1))
        self.window = pipe.tokenizer.model_max_length if family.windowed else 0
        self.whole_tokenizer = getattr(pipe, family.whole_tokenizer, None) if family.whole_tokenizer else None

    @property
    def is_guided(self) -> bool:
        """Whether a negative prompt acts: a distilled model such as FLUX needs `true_cfg_scale` for it."""
        return "negative_prompt" in self.parameters or self.true_cfg_scale > 1

    def windows(self, prompt: Weighted) -> list[Weighted]:
        return _windows(self.pipe, prompt) if self.family.windowed else [prompt]

    def encode(self, prompt: Weighted, windows: list[Weighted], count: int, *, negative: bool = False) -> Embeds:
        """Encodes a prompt as `count` windows (the last ones may be empty) and the part that gets the whole text."""
        empty = parse("")
        padded = [*windows, *[empty] * (count - len(windows))]
        answers = [self._answer(window.text, prompt.text, negative=negative) for window in padded]
        rest = None if all(text.plain for text in (prompt, *windows)) else self._answer("", "", negative=negative)
        heads = [answer[0][:, : self.window] for answer in answers]
        tail = answers[0][0][:, self.window :]
        if rest is not None and self.family.windowed:
            heads = [
                _weigh(head, rest[0][:, : self.window], self.pipe.tokenizer, window)
                for head, window in zip(heads, padded, strict=True)
            ]
        if rest is not None and self.whole_tokenizer is not None:
            tail = _weigh(tail, rest[0][:, self.window :], self.whole_tokenizer, prompt)
        return torch.cat([*heads, tail], dim=1), self._pooled(answers[0])

    def nothing(self, count: int) -> Embeds | None:
        """Encodes an absent negative prompt as the pipeline does; None if it guides without one."""
        if "negative_prompt" not in self.parameters:
            return None
        answer = self._answer("", "", guided=True)
        embeds = answer[1]
        pooled = None if self.family.pooled is None else answer[self.family.pooled + 1]
        return torch.cat([embeds[:, : self.window]] * count + [embeds[:, self.window :]], dim=1), pooled

    def _answer(self, window: str, whole: str, *, guided: bool = False, negative: bool = False) -> Any:
        key = (window, whole, guided, negative)
        return self.remember(key, lambda: self._encode(window, whole, guided=guided, negative=negative))

    def _encode(self, window: str, whole: str, *, guided: bool, negative: bool) -> Any:
        # Pipelines skip layers of CLIP (`clip_skip`) for the positive prompt only.
        extra = {name: value for name, value in self.extra.items() if not (negative and name == "clip_skip")}
        fixed = {"device": self.pipe.device, "num_images_per_prompt": 1, "do_classifier_free_guidance": guided, **extra}
        texts = dict.fromkeys(self.family.windowed, window) | dict.fromkeys(self.family.whole, whole)
        known = {name: value for name, value in fixed.items() if name in self.parameters}
        return self.pipe.encode_prompt(**texts, **known)

    def _pooled(self, answer: Any) -> torch.Tensor | None:
        return None if self.family.pooled is None else answer[self.family.pooled]


def _windows(pipe: Any, prompt: Weighted) -> list[Weighted]:
    """Splits a prompt to fit the window, after a comma if one is in the later half, else between words."""
    room = _room(pipe)
    offsets = _tokens(pipe.tokenizer, prompt.text, add_special_tokens=False)
    pieces: list[Weighted] = []
    first = 0
    while first < len(offsets) and len(pieces) < MOST_WINDOWS:
        last = min(first + room, len(offsets))
        if last < len(offsets):
            within = range(last, first + room // 2, -1)
            commas = (cut for cut in within if "," in prompt.text[slice(*offsets[cut - 1])])
            words = (cut for cut in within if offsets[cut][0] > offsets[cut - 1][1])
            last = next(commas, None) or next(words, last)
        pieces.append(prompt.cut(offsets[first][0], offsets[last - 1][1]))
        first = last
    return pieces or [prompt]


def _weigh(embeds: torch.Tensor, empty: torch.Tensor, tokenizer: Any, prompt: Weighted) -> torch.Tensor:
    """Moves each token's embedding away from the empty prompt's by its weight: below 1 nearer, above 1 farther.

    Args:
        embeds: (1, tokens, width).
        empty: the same for the empty prompt.
        tokenizer: tokenizer of these tokens.
        prompt: the text.
    """
    if prompt.plain:
        return embeds
    length = embeds.shape[1]
    offsets = _tokens(tokenizer, prompt.text, padding="max_length", max_length=length, truncation=True)
    per_token = torch.from_numpy(_token_weights(prompt, offsets)).to(embeds)[None, :, None]
    return torch.where(per_token == 1, embeds, empty + (embeds - empty) * per_token)


def _token_weights(prompt: Weighted, offsets: list[tuple[int, int]]) -> NDArray[np.float32]:
    # Markers and padding have empty spans. Some tokenizers count the space before a word in: its last letter decides.
    weights = [prompt.weights[end - 1] if end > start else 1.0 for start, end in offsets]
    return np.array(weights, np.float32)


def _room(pipe: Any) -> int:
    return int(pipe.tokenizer.model_max_length) - int(pipe.tokenizer.num_special_tokens_to_add())


def _token_count(tokenizer: Any, text: str) -> int:
    return len(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])


def _tokens(tokenizer: Any, text: str, **options: object) -> list[tuple[int, int]]:
    """Returns the span of each token in the text."""
    return list(tokenizer(text, return_offsets_mapping=True, verbose=False, **options)["offset_mapping"])
