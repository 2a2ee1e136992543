"""Digests of weights by their content, so that other weights under the same name are known as others.

A digest is made once and kept while size and times of the files stay as they are. A file of gigabytes is not read as a whole: its
header and parts of each tensor tell it from any other training.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from imgen.domain.errors import ModelError
from imgen.weights.lookup import find
from imgen.weights.safetensors_file import SAFETENSORS, read_header

WHOLE_BYTES = 64 * 2**20
"""Size up to which a file is read as a whole: a tenth of a second."""
PART_BYTES = 1024
"""Bytes read at begin, middle and end of each tensor of a larger file: 5,000 tensors make 15 MB."""
SETTLED_NS = 2_000_000_000
"""Age at which a file's times tell it from a later one: file systems count time in steps of up to two seconds."""
_SUFFIXES = frozenset({SAFETENSORS, ".json", ".txt", ".model"})

_Signature = tuple[tuple[str, int, int, int], ...]
"""Name, size and times of each file."""


class WeightDigests:
    """Digests of one process. Thread-safe."""

    def __init__(self, *, whole_bytes: int = WHOLE_BYTES) -> None:
        self._whole_bytes = whole_bytes
        self._kept: dict[Path, tuple[_Signature, str]] = {}

    def named(self, name: str, folders: tuple[Path, ...]) -> str:
        """Returns the digest of weights by name; empty: they are not in these folders, or cannot be read."""
        try:
            path = find(name, folders)
        except (ModelError, OSError):
            return ""
        return "" if path is None else self.of(path)

    def of(self, path: Path) -> str:
        """Returns the digest of a folder or single file of a model or component, or of a LoRA file; empty: it cannot be read."""
        try:
            files = dict(_files(path))
            signature = tuple((name, *_state(file)) for name, file in files.items())
            kept = self._kept.get(path)
            if kept is not None and kept[0] == signature:
                return kept[1]
            digest = (
                _joined(f"{name}\n{_digest(file, self._whole_bytes)}" for name, file in files.items()) if files else ""
            )
        except (OSError, ValueError, ModelError):
            return ""
        newest_ns = max((max(times) for _, _, *times in signature), default=0)
        if abs(time.time_ns() - newest_ns) > SETTLED_NS:
            self._kept[path] = signature, digest
        return digest


def joined(*digests: str) -> str:
    """Returns one digest of those of a model, of its own components and of its LoRA file, if any; of one digest, itself."""
    return digests[0] if len(digests) == 1 else _joined(digests)


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    """Yields the files that decide how a model or a component draws, by names that do not depend on where it lies."""
    folder = path if path.is_dir() else path.with_suffix("")
    if path.is_file():
        yield "", path
    index = folder / "model_index.json"
    if not index.is_file():
        if any(folder.glob("*config.json")):
            yield from ((file.name, file) for file in sorted(folder.iterdir()) if _is_counted(file))
        return
    yield index.name, index
    parts = json.loads(index.read_bytes())
    for part in sorted(name for name in parts if (folder / name).is_dir()):
        for file in sorted((folder / part).iterdir()):
            if _is_counted(file):
                yield f"{part}/{file.name}", file


def _is_counted(file: Path) -> bool:
    return file.suffix in _SUFFIXES and file.is_file()


def _state(file: Path) -> tuple[int, int, int]:
    stat = file.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _digest(file: Path, whole_bytes: int) -> str:
    """Returns the SHA-256 of a file, or of the parts that tell a large one."""
    with file.open("rb") as opened:
        size = os.fstat(opened.fileno()).st_size
        if size <= whole_bytes:
            return hashlib.file_digest(opened, "sha256").hexdigest()
        digest = hashlib.sha256(str(size).encode())
        tensors = read_header(file).tensors.values() if file.suffix == SAFETENSORS else ()
        digest.update(opened.read(min((tensor.begin for tensor in tensors), default=whole_bytes)))
        for tensor in sorted(tensors, key=lambda one: one.begin):
            last = max(tensor.begin, tensor.end - PART_BYTES)
            for place in (tensor.begin, (tensor.begin + last) // 2, last):
                opened.seek(place)
                digest.update(opened.read(min(PART_BYTES, tensor.end - place)))
    return digest.hexdigest()


def _joined(digests: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
