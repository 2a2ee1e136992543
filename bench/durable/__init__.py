"""Durability of the watermark: the survival table, the reading of unmarked pictures, and the times. Needs no stack.

A run among the other benchmarks takes a few pictures. `python -m bench durable` measures all of them for hours, keeps each result
under out/bench-durable, and goes on where it was stopped. Photographs and the starter model's pictures are taken from folders
there; without them their classes stay empty. See docs/performance.md.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.durable import survival, times, unmarked
from bench.durable.changes import CHANGES
from bench.durable.results import FOLDER, Results
from bench.figure import Figure

PARTS = ("table", "unmarked", "deep", "times")
FEW = {"drawings": 2, "colour": 1, "synthetics": 0, "copies": 0, "grey": 1}
_FEW_CHANGES = [one for one in CHANGES if one.name in {"none", "× 0.75, JPEG 75", "cut by 10%, JPEG 75"}]
PICTURES, ROUNDS = 2000, 5
"""Unmarked pictures, each taken so many times for ten crops: 100,000 crops."""
DEEP_PICTURES = 100
LEAST_COLOUR, LEAST_GREY = 0.99, 0.97


def measure(*, parts: Sequence[str] = PARTS, rounds: int = 3) -> Iterator[Figure]:
    """Measures a few pictures of each part."""
    with tempfile.TemporaryDirectory() as folder:
        if "table" in parts:
            results = Results(Path(folder) / "table")
            survival.run(pictures=FEW, changes=_FEW_CHANGES, until=_never(), results=results, with_starter=False)
            yield from _survived(list(survival.rows(results)))
        for part in ("unmarked", "deep"):
            if part in parts:
                results, is_deep = Results(Path(folder) / part), part == "deep"
                unmarked.run(
                    pictures=2, rounds=1, crops=1, is_deep=is_deep, until=_never(), results=results, with_starter=False
                )
                yield _unmarked(unmarked.rows(results, is_deep=is_deep), part)
    if "times" in parts:
        yield from times.measure(rounds=rounds)


def measure_all(*, parts: Sequence[str] = PARTS, limit_minutes: float | None = None) -> Iterator[Figure]:
    """Measures what no run before measured, each part at most for a time, and prints the table; yields the figures of all runs.

    Args:
        parts: of PARTS.
        limit_minutes: time of each part after which no picture is begun.
    """
    for part in parts:
        until = _never() if limit_minutes is None else time.monotonic() + limit_minutes * 60
        if part == "table":
            results = Results(FOLDER / "table.jsonl")
            survival.run(pictures=survival.PICTURES, until=until, results=results)
            found = list(survival.rows(results))
            print(survival.table(found))
            print("pictures by photograph:", dict(survival.sources(found)))
            yield from _survived(found)
        elif part == "times":
            yield from times.measure()
        else:
            is_deep = part == "deep"
            results = unmarked.opened(is_deep=is_deep)
            pictures, rounds = (DEEP_PICTURES, 1) if is_deep else (PICTURES, ROUNDS)
            unmarked.run(pictures=pictures, rounds=rounds, is_deep=is_deep, until=until, results=results)
            yield _unmarked(unmarked.rows(results, is_deep=is_deep), part)


def _never() -> float:
    return float("inf")


def _survived(found: list[dict[str, Any]]) -> Iterator[Figure]:
    promised = {change.name for change in CHANGES if change.is_promised}
    for name, is_grey, least in (("colour", False, LEAST_COLOUR), ("grey", True, LEAST_GREY)):
        rows = [row for row in found if row["change"] in promised and row["kind"].startswith("grey") == is_grey]
        right, pictures = sum(row["searched"] for row in rows), len({row["picture"] for row in rows})
        yield Figure(
            what=f"durable, {name}, 90 % of area",
            value=right / len(rows) if rows else None,
            unit="",
            at_least=least,
            detail=f"{right} of {len(rows)} reads, {pictures} pictures" if rows else "no pictures",
        )
    right = sum(not row["wrong"] for row in found)
    yield Figure(
        what="durable, no wrong id",
        value=right / len(found) if found else None,
        unit="",
        at_least=1,
        detail=f"{right} of {len(found)} reads" if found else "no pictures",
    )


def _unmarked(rows: list[dict[str, Any]], part: str) -> Figure:
    crops, wrong = sum(row["crops"] for row in rows), sum(len(row["found"]) for row in rows)
    smallest: dict[str, float] = {}
    for row in rows:
        for name, chance in row["smallest"].items():
            smallest[name] = min(chance, smallest.get(name, 0.0))
    nearest = ", ".join(f"{name} 2^{chance:.1f}" for name, chance in smallest.items())
    return Figure(
        what=f"durable, {part}, no id",
        value=1 - wrong / crops if crops else None,
        unit="",
        at_least=1,
        detail=f"{crops - wrong:,} of {crops:,} crops of {len({row['picture'] for row in rows}):,} pictures; {nearest}"
        if crops
        else "no pictures",
    )
