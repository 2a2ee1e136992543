"""Comparison of a shape's loops on one device: rates, idle time, cold start, memory, and switches between LoRA files."""

import gc
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch._dynamo.utils import counters
from torch._inductor.utils import fresh_cache

from bench.figure import Figure
from bench.gpu.idle import busy_s
from bench.gpu.loops import Loop, Shape, engine_loop, plain_loop
from bench.loras import write_lora
from imgen.domain.errors import OutOfMemory
from workers.engines.diffusers.placement import Placement

LIMIT_S = 540.0
"""Time of a shape: calls on lent machines end after ten minutes."""

LOOPS: dict[str, Callable[..., Loop]] = {"diffusers": plain_loop, "engine": engine_loop}
MOST_IDLE = 3.0
SWITCHES = 10
LORAS = ("a.safetensors", "b.safetensors")


@dataclass(frozen=True)
class Rate:
    """Pictures a second at a batch, and the most memory meanwhile."""

    per_s: float
    peak_gib: float | None


def compare(shape: Shape, placement: Placement, *, card: str, limit_s: float = LIMIT_S) -> Iterator[Figure]:
    """Yields the figures of a shape: each loop uncompiled and compiled, then the engine's against diffusers'."""
    began, singles = time.monotonic(), {}
    device = placement.device
    runs = [(name, is_compiled) for name in LOOPS for is_compiled in (False, True)]
    for number, (name, is_compiled) in enumerate(runs, 1):
        what = f"{shape.name}, {name}{', compiled' if is_compiled else ''}"
        _reset(device)
        with (
            tempfile.TemporaryDirectory() as folder,
            fresh_cache(),
        ):  # else the loop before would have compiled for this one
            started = time.perf_counter()
            loop = LOOPS[name](shape, placement, Path(folder), is_compiled=is_compiled)
            loop.draw(1, "", 1.0)
            _wait(device)
            cold = time.perf_counter() - started
            yield Figure(what=f"{what}: cold start", value=cold, unit="s", detail="weights made, first picture drawn")
            rates = _rates(loop, shape, device, until=began + limit_s * number / len(runs))
            singles[name, is_compiled] = rates[1].per_s
            yield from _told(what, rates, shape.least_on_h100 if name == "engine" and "H100" in card else None)
            idle = 1 - min(1.0, busy_s(lambda loop=loop: loop.draw(1, "", 1.0), device) * rates[1].per_s)
            most = MOST_IDLE if name == "engine" else None
            yield Figure(what=f"{what}: idle", value=idle * 100, unit="%", at_most=most, detail="at batch 1")
            if loop.adapters is not None:
                yield from _switches(what, loop, Path(folder), device, is_compiled=is_compiled)
        del loop
    for is_compiled in (False, True):
        both = "both compiled" if is_compiled else "neither compiled"
        value = singles["engine", is_compiled] / singles["diffusers", is_compiled]
        least = 1.0 if is_compiled else None
        yield Figure(what=f"{shape.name}, engine : diffusers", value=value, at_least=least, detail=f"batch 1, {both}")


def _rates(loop: Loop, shape: Shape, device: torch.device, *, until: float) -> dict[int, Rate]:
    """Measures each batch that memory and time allow, the first of them three times; a call before warms up and compiles."""
    rates: dict[int, Rate] = {}
    took = 0.0
    for batch in shape.batches:
        began = time.monotonic()
        if rates and began + 2 * took > until:
            break
        try:
            loop.draw(batch, "", 1.0)
            _wait(device)
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(device)
            seconds = [
                _seconds(lambda batch=batch: loop.draw(batch, "", 1.0), device) for _ in range(3 if not rates else 1)
            ]
        except (OutOfMemory, torch.OutOfMemoryError):
            break
        peak = torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else None
        rates[batch] = Rate(batch / statistics.median(seconds), peak)
        took = time.monotonic() - began
    return rates


def _told(what: str, rates: dict[int, Rate], least: float | None) -> Iterator[Figure]:
    best = max(rates, key=lambda batch: rates[batch].per_s)
    tried = ", ".join(f"{batch}: {rate.per_s:.2f}" for batch, rate in rates.items())
    yield Figure(what=f"{what}: batch 1", value=rates[1].per_s, unit="/s", detail="pictures a second")
    yield Figure(
        what=f"{what}: best batch",
        value=rates[best].per_s,
        unit="/s",
        at_least=least,
        detail=f"batch {best} of {tried}",
    )
    for batch in dict.fromkeys((1, best)):
        detail = "most memory allocated" if rates[batch].peak_gib is not None else "no CUDA device"
        yield Figure(what=f"{what}: memory at {batch}", value=rates[batch].peak_gib, unit="GiB", detail=detail)


def _switches(what: str, loop: Loop, folder: Path, device: torch.device, *, is_compiled: bool) -> Iterator[Figure]:
    """Yields the time to load a LoRA file, and to change between files that are held; compiled, the graphs that changes cost."""
    assert loop.adapters is not None
    for seed, name in enumerate(LORAS):
        write_lora(loop.pipe, folder / name, seed=seed)
    loads = [_seconds(lambda name=name: loop.adapters.use(name, 1.0), device) for name in LORAS]
    changes = [_seconds(lambda at=at: loop.adapters.use(LORAS[at % 2], 1.0), device) for at in range(SWITCHES)]
    yield Figure(what=f"{what}: LoRA load", value=loads[1] * 1e3, unit="ms", detail="the second file, rank 8")
    yield Figure(what=f"{what}: LoRA switch", value=statistics.median(changes) * 1e3, unit="ms", detail="files held")
    if not is_compiled:
        return
    loop.draw(1, LORAS[0], 1.0)
    before = counters["stats"]["unique_graphs"]
    for name, scale in zip((*LORAS, *LORAS), (1.0, 1.0, 0.5, 0.7), strict=True):
        loop.draw(1, name, scale)
    made = counters["stats"]["unique_graphs"] - before
    yield Figure(what=f"{what}: LoRA graphs", value=made, unit="", at_most=0, detail="compiled by four switches")


def _seconds(call: Callable[[], object], device: torch.device) -> float:
    started = time.perf_counter()
    call()
    _wait(device)
    return time.perf_counter() - started


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _reset(device: torch.device) -> None:
    torch.compiler.reset()
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
