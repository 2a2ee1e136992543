"""Byte-pair vocabulary out of a word list, in the form CLIP's tokenizer reads. Knows nothing of models."""

from collections import Counter
from itertools import pairwise

Symbols = tuple[str, ...]


def byte_pairs(words: str, *, merges: int) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Learns a vocabulary by joining the most frequent neighbours, ties in alphabetical order.

    Args:
        words: separated by white space; each counts once per mention.
        merges: how many joins to learn, fewer if every word is whole before.

    Returns:
        Token → id (bytes, bytes at a word's end, joins, then the two markers) and the joins in order. Method:
        Sennrich et al. 2016, https://arxiv.org/abs/1508.07909.
    """
    pieces: dict[Symbols, int] = Counter((*word[:-1], f"{word[-1]}</w>") for word in words.split())
    learned: list[tuple[str, str]] = []
    while len(learned) < merges:
        pairs: Counter[tuple[str, str]] = Counter()
        for symbols, count in pieces.items():
            for pair in pairwise(symbols):
                pairs[pair] += count
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        learned.append(best)
        pieces = {_joined(symbols, best): count for symbols, count in pieces.items()}
    alphabet = sorted(_byte_symbols())
    tokens = [*alphabet, *(f"{symbol}</w>" for symbol in alphabet), *("".join(pair) for pair in learned)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    return {token: number for number, token in enumerate(dict.fromkeys(tokens))}, learned


def _joined(symbols: Symbols, pair: tuple[str, str]) -> Symbols:
    joined: list[str] = []
    for symbol in symbols:
        if joined and (joined[-1], symbol) == pair:
            joined[-1] += symbol
        else:
            joined.append(symbol)
    return tuple(joined)


def _byte_symbols() -> list[str]:
    """Returns the printable characters that represent the 256 bytes: printable ones stay, others move up from 256."""
    printable = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    moved = iter(range(256, 512))
    return [chr(byte if byte in printable else next(moved)) for byte in range(256)]
