"""Error-correcting code of the watermark: 127 bits for a 48-bit id, decodable with many of them wrong. Knows no pictures.

The code is BCH(127, 50), which corrects 13 errors, with two zero bits before the id, whitened. Decoding looks for the
codeword that correlates best with the votes, by ordered statistics (Fossorier and Lin, IEEE Trans. IT 41(5), 1995).
"""

import hashlib
import itertools
from functools import cache

import numpy as np
from numpy.typing import NDArray

BITS = 127
"""Length of a codeword. Prime, so that no picture width puts all blocks of a bit into one column."""

_ID_BITS = 48
_MESSAGE_BITS = 50
_GENERATOR = 0x2C9352AA6CC054468311
"""Polynomial over GF(2), highest power first; Lin and Costello, Error Control Coding, table of primitive BCH codes."""

_ACCEPT = 0.82
"""Least correlation of votes and codeword. If all votes are ±1, the worst case, that is 11 wrong bits of 127, and some
codeword lies that near to an unmarked picture once in 250 million pictures (Hamming balls around 2⁴⁸ codewords)."""


def encode(watermark_id: str) -> NDArray[np.uint8]:
    """Encodes 12 hex digits as bits (127,), each 0 or 1."""
    message = [int(bit) for bit in f"{int(watermark_id, 16):0{_MESSAGE_BITS}b}"]
    word = np.array(message) @ _generator() % 2
    return word.astype(np.uint8) ^ (_whitening() < 0)


def decode(votes: NDArray[np.float64]) -> tuple[str | None, float]:
    """Returns the id and its correlation with the votes, 0.82–1; None and 0 if no codeword fits.

    Args:
        votes: (127,), positive for a one, the larger the surer; their scale does not matter.
    """
    message, correlation = _nearest(votes * _whitening())
    number = int("".join(map(str, message)), 2)
    if correlation < _ACCEPT or number >> _ID_BITS:
        return None, 0.0
    return f"{number:012x}", round(correlation, 4)


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


def _nearest(votes: NDArray[np.float64]) -> tuple[list[int], float]:
    """Finds the message whose codeword correlates best with the votes (127,), positive for a one; and that correlation, 0–1."""
    matrix = _generator()[:, np.argsort(-np.abs(votes))]
    ordered = votes[np.argsort(-np.abs(votes))]
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
    # The 50 most reliable independent votes as they are, then with one or two of them flipped
    chosen = (ordered[pivots] > 0) ^ _flips()
    words = (chosen.astype(np.float32) @ matrix % 2) * 2 - 1
    scores = words @ ordered
    best = words[np.argmax(scores)]
    word = np.empty(BITS, np.int8)
    word[np.argsort(-np.abs(votes))] = best > 0
    norm = float(np.linalg.norm(votes)) * BITS**0.5
    return word[:_MESSAGE_BITS].tolist(), float(scores.max()) / norm if norm else 0.0


@cache
def _flips() -> NDArray[np.bool_]:
    """Returns every choice of none, one or two of 50 bits, (1276, 50)."""
    single = np.eye(_MESSAGE_BITS, dtype=bool)
    pairs = [single[i] ^ single[j] for i, j in itertools.combinations(range(_MESSAGE_BITS), 2)]
    return np.vstack([np.zeros((1, _MESSAGE_BITS), bool), single, pairs])
