"""Survival table: how often the right id is read from marked pictures that were changed, by class of pictures and change.

Three readers stand side by side: invisible-watermark's own decoder, on every tenth picture because it takes long; the plain read
of a picture as it is; and the searches, with the deep one where a change both cuts and resizes.
"""

import hashlib
import importlib.util
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from bench.durable.changes import CHANGES, Change
from bench.durable.pictures import Maker, Picture, Pixels, makers
from bench.durable.results import Results, digest_of_reader
from imgen.provenance import bch_code, watermark
from imgen.provenance.watermark_reading.acceptance import EXACT, accept
from imgen.provenance.watermark_reading.reading import Reading, read

PICTURES = {"drawings": 120, "colour": 120, "synthetics": 36, "copies": 72, "grey": 54}
"""Pictures by class; those of the starter model come on top."""
_PACKAGE_EACH = 10
_ENDLESS_S = 1e6


def run(
    *,
    pictures: dict[str, int],
    changes: Sequence[Change] = CHANGES,
    until: float,
    results: Results,
    with_starter: bool = True,
) -> None:
    """Marks pictures, changes and reads them until a time; what was read before is kept.

    Results are kept by the marked pixels: a change of the embedder that leaves colour pictures alone leaves theirs valid.

    Args:
        pictures: number of each class, as `makers` takes them.
        changes: rows of the table.
        until: `time.monotonic` after which no picture is begun.
        results: read before, and added to.
        with_starter: whether the starter model's pictures are taken as well.
    """
    for of_block in (
        [change for change in changes if change.is_promised and not change.is_deep],
        [change for change in changes if change.is_deep],
        [change for change in changes if not (change.is_promised or change.is_deep)],
    ):
        _run_block(makers(**pictures, with_starter=with_starter), of_block, until, results)


def _run_block(chosen: list[tuple[Maker, int]], changes: Sequence[Change], until: float, results: Results) -> None:
    reader = {is_deep: digest_of_reader(is_deep=is_deep) for is_deep in (False, True)}
    decoder = _Package() if importlib.util.find_spec("imwatermark") else None
    for place, (maker, number) in enumerate(chosen):
        if time.monotonic() >= until:
            return
        picture = maker(number)
        watermark_id = hashlib.sha256(picture.name.encode()).hexdigest()[:12]
        marked = watermark.embed(picture.pixels, watermark_id)
        pixels = hashlib.sha256(marked.tobytes()).hexdigest()[:16]
        for change in changes:
            key = f"{reader[change.is_deep]}/{pixels}/{change.name}"
            if key in results.rows:
                continue
            package = decoder if place % _PACKAGE_EACH == 0 else None
            results.add(key, **_result(picture, watermark_id, marked, change, package))


def rows(results: Results) -> Iterator[dict[str, Any]]:
    """Yields the results of the reader as it is now, the last one of each picture and change."""
    reader = {digest_of_reader(is_deep=is_deep) for is_deep in (False, True)}
    names = {change.name: change.is_deep for change in CHANGES}
    last = {}
    for key, row in results.rows.items():
        if key.split("/", 1)[0] in reader and row["change"] in names:
            last[row["picture"], row["change"]] = row
    yield from last.values()


def table(found: Sequence[dict[str, Any]], changes: Sequence[Change] = CHANGES) -> str:
    """Formats the results as a table in Markdown: a row for each change; plain / searches / of pictures, for each class."""
    kinds = sorted({row["kind"] for row in found}, key=_ORDER.index)
    lines = ["| change | " + " | ".join(kinds) + " | package, all classes |", "|---" * (len(kinds) + 2) + "|"]
    for change in changes:
        cells = [change.name + (" (deep)" if change.is_deep else "")]
        of_change = [row for row in found if row["change"] == change.name]
        for kind in kinds:
            of_kind = [row for row in of_change if row["kind"] == kind]
            plain, searched = (sum(row[name] for row in of_kind) for name in ("plain", "searched"))
            cells.append(f"{plain} / {searched} / {len(of_kind)}")
        asked = [row["package"] for row in of_change if row["package"] is not None]
        lines.append("| " + " | ".join([*cells, f"{sum(asked)} / {len(asked)}"]) + " |")
    return "\n".join(lines)


def sources(found: Sequence[dict[str, Any]]) -> Counter[str]:
    """Counts the pictures that show each photograph."""
    shown = {row["picture"]: row["sources"] for row in found}
    return Counter(name for names in shown.values() for name in names)


_ORDER = ("starter", "drawing", "photograph", "synthetic", "grey copy", "grey photograph")


def _result(
    picture: Picture, watermark_id: str, marked: Pixels, change: Change, package: "_Package | None"
) -> dict[str, Any]:
    rng = np.random.default_rng((5, *f"{picture.name} {change.name}".encode()))
    changed = change.apply(marked, rng)
    plain = watermark.decode(changed).id
    searched = read(changed, Reading(is_deep=change.is_deep, budget_s=_ENDLESS_S))
    said = package.read(changed) if package else None
    return {
        "picture": picture.name,
        "kind": picture.kind,
        "sources": picture.sources,
        "change": change.name,
        "plain": plain == watermark_id,
        "searched": searched.id == watermark_id,
        "package": None if package is None else said == watermark_id,
        "wrong": [one for one in (plain, searched.id, said) if one not in {None, watermark_id}],
        "search": searched.search,
    }


class _Package:
    """The package's own decoder: its bits, corrected as ours are, because it corrects none."""

    def __init__(self) -> None:
        from imwatermark import WatermarkDecoder

        self._decoder = WatermarkDecoder("bits", bch_code.BITS)

    def read(self, pixels: Pixels) -> str | None:
        """Returns the id that its bits are near enough to; None where there is none, or for too small a picture."""
        try:
            bits = self._decoder.decode(np.ascontiguousarray(pixels[..., ::-1]), "dwtDctSvd")
        except RuntimeError:  # smaller than it takes
            return None
        found = accept(np.where(np.asarray(bits, bool), 1.0, -1.0), EXACT)
        return found.id if found else None
