"""Error-correcting code of the watermark: 127 bits for a 48-bit id, decodable with many of them wrong. Knows no pictures.

The code is BCH(127, 50), which corrects 13 errors, with two zero bits before the id, whitened. Decoding looks for the
codeword that correlates best with the votes, by ordered statistics (Fossorier and Lin, IEEE Trans. IT 41(5), 1995).
"""

import hashlib
from functools import cache

import numpy as np
from numpy.typing import NDArray

BITS = 127
"""Length of a codeword. Prime, so that no picture width puts all blocks of a bit into one column."""

_ID_BITS = 48
_MESSAGE_BITS = 50
_GENERATOR = 0x2C9352AA6CC054468311
"""Polynomial over GF(2), highest power first; Lin and Costello, Error Control Coding, table of primitive BCH codes."""


def encode(watermark_id: str) -> NDArray[np.uint8]:
    """Encodes 12 hex digits as bits (127,), each 0 or 1."""
    message = [int(bit) for bit in f"{int(watermark_id, 16):0{_MESSAGE_BITS}b}"]
    word = np.array(message) @ _generator() % 2
    return word.astype(np.uint8) ^ (_whitening() < 0)


def decode(votes: NDArray[np.float64]) -> tuple[str | None, float]:
    """Returns the id of the nearest codeword and its correlation with the votes, 0–1; None: that word stands for no id.

    Some word is always nearest: whether it is near enough, watermark_reading/acceptance.py says.

    Args:
        votes: (127,), positive for a one, the larger the surer; their scale does not matter.
    """
    _, word, correlation = _nearest(votes, _whitening()[None])
    return _id(word), correlation


def decode_shifts(votes: NDArray[np.float64]) -> tuple[str | None, float]:
    """Decodes votes (127,) whose first bit is unknown: the nearest codeword at any of the 127 shifts, as `decode` does.

    The code is cyclic: a shifted codeword is a codeword, and only the whitening tells the shifts apart.
    """
    shift, word, correlation = _nearest(votes, _shifted_whitening())
    return _id(np.roll(word, -shift)), correlation


def _id(word: NDArray[np.bool_]) -> str | None:
    number = int("".join("1" if bit else "0" for bit in word[:_MESSAGE_BITS]), 2)
    return None if number >> _ID_BITS else f"{number:012x}"


@cache
def _generator() -> NDArray[np.uint8]:
    """Builds the generator matrix (50, 127) over GF(2), systematic: the first 50 bits of a codeword are its message."""
    parity_bits = BITS - _MESSAGE_BITS
    rows = []
    for place in reversed(range(_MESSAGE_BITS)):
        rest = word = 1 << (parity_bits + place)
        while rest.bit_length() > parity_bits:
            rest ^= _GENERATOR << (rest.bit_length() - _GENERATOR.bit_length())
        rows.append([int(bit) for bit in f"{word | rest:0{BITS}b}"])
    return np.array(rows, np.uint8)


@cache
def _whitening() -> NDArray[np.int8]:
    """Returns fixed signs (127,): a flat picture's votes all agree, and all ones or all zeros would be a codeword."""
    digest = hashlib.sha256(b"imgen watermark").digest()
    return 1 - 2 * np.unpackbits(np.frombuffer(digest, np.uint8))[:BITS].astype(np.int8)


@cache
def _shifted_whitening() -> NDArray[np.int8]:
    """Returns the whitening as it lies over votes at each shift, (127, 127)."""
    return np.stack([np.roll(_whitening(), shift) for shift in range(BITS)])


def _nearest(votes: NDArray[np.float64], whitenings: NDArray[np.int8]) -> tuple[int, NDArray[np.bool_], float]:
    """Finds the whitening (of K, 127) under which a codeword correlates best with the votes (127,).

    Signs do not change which votes are the most reliable: one elimination serves all whitenings.

    Returns:
        The whitening's number, the codeword (127,) before it, and the correlation, 0–1.
    """
    order = np.argsort(-np.abs(votes), kind="stable")
    matrix, pivots = _eliminate(_generator()[:, order])
    signed = (votes * whitenings)[:, order].astype(np.float32)  # (K, 127)
    # The 50 most reliable independent votes as they are; then with one or two of them flipped
    words = ((signed[:, pivots] > 0).astype(np.float32) @ matrix.astype(np.float32)) % 2 > 0
    agreement = np.where(words, signed, -signed)
    single = 1 - 2 * matrix.astype(np.float32)  # a flipped bit turns the signs of its row
    first, second = np.triu_indices(_MESSAGE_BITS, 1)
    turns = np.vstack([np.ones((1, BITS), np.float32), single, single[first] * single[second]])  # (1276, 127)
    scores = agreement @ turns.T
    number, turn = np.unravel_index(scores.argmax(), scores.shape)
    word = np.empty(BITS, np.bool_)
    word[order] = words[number] ^ (turns[turn] < 0)
    norm = float(np.linalg.norm(votes)) * BITS**0.5
    return int(number), word, float(scores[number, turn]) / norm if norm else 0.0


def _eliminate(matrix: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], list[int]]:
    """Brings a matrix (50, 127) over GF(2) into reduced row echelon form; returns it and its pivot columns."""
    matrix = matrix.copy()
    pivots: list[int] = []
    for column in range(BITS):
        row = len(pivots)
        if row == _MESSAGE_BITS:
            break
        candidates = np.flatnonzero(matrix[row:, column])
        if candidates.size:
            matrix[[row, row + candidates[0]]] = matrix[[row + candidates[0], row]]
            others = matrix[:, column].astype(bool)
            others[row] = False
            matrix[others] ^= matrix[row]
            pivots.append(column)
    return matrix, pivots
