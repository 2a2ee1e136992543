"""Results that outlast a run: lines of JSON, each under the key of what it measured, so that the next run goes on."""

import ast
import hashlib
import inspect
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from imgen.provenance import bch_code, watermark
from imgen.provenance.watermark_reading import acceptance, crops, planes, reading, restore, scales, steps, torus, votes

FOLDER = Path("out/bench-durable")
_PLAIN = (bch_code, votes, planes, torus, crops, restore, steps)
"""Modules that read without the deep search."""


class Results:
    """File of results."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self.rows: dict[str, dict[str, Any]] = {}
        if path.exists():
            for line in path.read_text().splitlines():
                row = json.loads(line)
                self.rows[row["key"]] = row

    def add(self, key: str, **row: Any) -> None:
        """Keeps a row at once: one write, so that a killed run leaves whole lines."""
        row = {"key": key, **row}
        self.rows[key] = row
        line = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(line, json.dumps(row).encode() + b"\n")
        finally:
            os.close(line)


def digest_of_reader(*, is_deep: bool) -> str:
    """Computes a digest of the code that reads, and of the sizes that it knows; comments and docstrings do not count."""
    modules = (*_PLAIN, scales) if is_deep else _PLAIN
    parts = (watermark.decode, watermark.is_too_small, watermark._bands, watermark._singular)  # noqa: SLF001
    code = _code(inspect.getsource(one) for one in (*modules, *parts, acceptance.accept, acceptance.log2_chance))
    return hashlib.sha256(f"{code}{reading.Reading().sizes}".encode()).hexdigest()[:12]


def _code(sources: Iterable[str]) -> str:
    trees = [ast.parse(source) for source in sources]
    for node in (node for tree in trees for node in ast.walk(tree)):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [one for one in body if not _is_text(one)] or [ast.Pass()]  # type: ignore[attr-defined]
    return "".join(ast.dump(tree) for tree in trees)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
