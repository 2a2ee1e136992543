"""Tokenizer: a byte-pair vocabulary over the caption words, in the form CLIP's tokenizer reads. Trains no model."""

import functools

from transformers import CLIPTokenizer

from starter.vocabulary import byte_pairs
from starter.wording import every_word

WINDOW = 77
"""Tokens of a text encoder's window, markers included; the same for all of CLIP's kind."""
_ENOUGH = 4000
"""Merges: more than there are to learn, so that every caption word is one token. Other words are split."""


def tokenizer() -> CLIPTokenizer:
    """Makes the tokenizer, the same every time; about 1,550 tokens."""
    vocabulary, merges = _learned()
    return CLIPTokenizer(vocab=dict(vocabulary), merges=list(merges), model_max_length=WINDOW)


@functools.cache  # most of a second
def _learned() -> tuple[dict[str, int], list[tuple[str, str]]]:
    return byte_pairs(every_word(), merges=_ENOUGH)
