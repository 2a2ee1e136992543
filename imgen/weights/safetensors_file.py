"""Header of a safetensors file: names, types, shapes and places of its tensors. Reads no tensor.

A file that is none is named as what it is: most often a pointer or an error page that a download left behind.
Source: https://github.com/huggingface/safetensors#format.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec

from imgen.domain.errors import ModelError

SAFETENSORS = ".safetensors"
"""Suffix, as libraries compare it."""
HEADER_LIMIT_BYTES = 100_000_000
"""Bound of the format."""
SAMPLE_BYTES = 512
"""Bytes at a file's begin that tell its kind."""
POINTER_BYTES = 2048
"""Size over which no file is a Git LFS pointer; the specification has 1024."""

_PREFIX = struct.Struct("<Q")
"""Length of the JSON header, with which every file begins."""
_METADATA = "__metadata__"

_LFS = "a Git LFS pointer, not the file itself: run `git lfs pull` where it comes from, or download the file"
_STRANGERS: tuple[tuple[tuple[bytes, ...], str], ...] = (
    ((b"version https://git-lfs", b"version https://hawser"), _LFS),
    ((b"/annex/objects/", b"../.git/annex"), "a git-annex pointer, not the file itself: run `git annex get`"),
    ((b"<!doctype", b"<html", b"<head", b"<?xml", b"<error"), "a web page or a server's error: download it again"),
    ((b"{", b"["), "JSON text, such as a server's error: download it again"),
    ((b"pk\x03\x04", b"pk\x05\x06"), "a zip archive, as PyTorch writes pickles; no pickle is opened"),
    ((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"), "a pickle; no pickle is opened"),
    ((b"gguf",), "a GGUF file; it has to be safetensors"),
    ((b"\x1f\x8b", b"7z\xbc\xaf", b"rar!", b"\x28\xb5\x2f\xfd"), "an archive; unpack it"),
)
"""First bytes, in small letters → what such a file is."""


class TensorInfo(NamedTuple):
    """Tensor of a file."""

    dtype: str
    """Name in the format, such as `F16` or `F8_E4M3`."""
    shape: tuple[int, ...]
    begin: int
    end: int
    """Place in the file, in bytes."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """Header of one file."""

    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, str]


class _Entry(msgspec.Struct):
    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


def read_header(path: Path) -> Header:
    """Reads the header of a safetensors file, and compares the file's size with it.

    Raises:
        ModelError: the file is none, or is not whole; the message says what it is.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            sample = file.read(SAMPLE_BYTES)
            length = _PREFIX.unpack_from(sample)[0] if len(sample) >= _PREFIX.size else 0
            file.seek(_PREFIX.size)
            possible = length <= min(HEADER_LIMIT_BYTES, size - _PREFIX.size)
            text = file.read(length) if possible else b""
    except OSError as exc:
        raise ModelError(f"{path.name} cannot be read: {exc.strerror}") from exc
    if not text.startswith(b"{"):
        raise ModelError(f"{path.name} is not a safetensors file, whatever its name says{_stranger(sample, size)}")
    try:
        entries = json.loads(text)
        metadata = msgspec.convert(entries.pop(_METADATA, None) or {}, dict[str, str])
        begin = _PREFIX.size + length
        tensors = {
            name: TensorInfo(entry.dtype, entry.shape, *(begin + offset for offset in entry.data_offsets))
            for name, entry in msgspec.convert(entries, dict[str, _Entry]).items()
        }
    except (ValueError, RecursionError) as exc:
        raise ModelError(f"{path.name} is not a safetensors file: its header is broken") from exc
    end = max((tensor.end for tensor in tensors.values()), default=begin)
    if end > size:
        raise ModelError(f"{path.name} cannot be loaded: it ends after {size:,} of {end:,} bytes; download it again")
    return Header(tensors=tensors, metadata=metadata)


def pointer_kind(path: Path) -> str:
    """Returns the kind of pointer that a small file of any name is; empty: it is none."""
    try:
        if path.stat().st_size > POINTER_BYTES:
            return ""
        with path.open("rb") as file:
            sample = file.read(SAMPLE_BYTES).lower()
    except OSError:
        return ""
    return next((kind for begins, kind in _STRANGERS[:2] if sample.startswith(begins)), "")


def _stranger(sample: bytes, size: int) -> str:
    """Returns a clause about a file's kind; empty where it is unknown."""
    if not size:
        return ": it is empty; download it again"
    start = sample.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    kind = next((kind for begins, kind in _STRANGERS if start.startswith(begins)), "")
    if not kind and sample.isascii() and sample.decode("ascii").replace("\n", " ").replace("\r", " ").isprintable():
        kind = "a text, such as a server's error: download it again"
    return kind and f": it is {kind}"
