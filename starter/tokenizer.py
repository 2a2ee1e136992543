"""The tokenizer: a byte-pair vocabulary over the caption words, in the form CLIP's tokenizer reads. Trains no model."""

from transformers import CLIPTokenizer

from starter.vocabulary import byte_pairs
from starter.wording import every_word

WINDOW = 77
"""Tokens a text encoder reads at once, markers included: what all of CLIP's kind read."""
_ENOUGH = 4000
"""Joins: more than there are to learn, so that every caption word is one token. Others are spelled in pieces."""


def tokenizer() -> CLIPTokenizer:
    """The same vocabulary every time; about 1,550 tokens."""
    vocabulary, merges = byte_pairs(every_word(), merges=_ENOUGH)
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=WINDOW)
