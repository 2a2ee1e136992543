"""Render task: its cost besides the pipeline call (claim, review, conditioning, LoRA, master, commit).

The starter model at the default size and steps, in a worker's own resources; the first render, which loads the model, is not
counted. The call's time is taken by wrapping the pipeline class's `__call__`, from outside.
"""

import functools
import statistics
import time
from collections.abc import Callable
from typing import Any

from bench.figure import Figure
from bench.fixtures import open_fixture
from bench.samples import queued_job
from imgen import settings
from imgen.domain.job import State
from imgen.records import jobs

RENDERS = 7
MOST_PERCENT = 5.0


def measure(*, renders: int = RENDERS) -> list[Figure]:
    """Measures the median share of a render task that is not the pipeline call."""
    from workers import tasks
    from workers.resources import open_resources

    with open_fixture() as fixture:
        loaded = settings.load(fixture.data)
        resources = open_resources(loaded)
        try:
            model = next(iter(resources.catalog.models.values()))
            inside = _time_calls(type(resources.models.engine(model)._pipe))  # noqa: SLF001 - it is what is measured
            outside: list[tuple[float, float]] = []
            for number in range(renders + 1):
                job = queued_job(fixture.principal, queue=f"render.{model.key}", steps=model.steps.default)
                with resources.database.write() as connection:
                    jobs.add(connection, job)
                before, started = sum(inside), time.perf_counter()
                tasks.run_phase(resources, tasks.RENDER, job.id)
                whole = time.perf_counter() - started
                with resources.database.read() as connection:
                    assert jobs.find(connection, job.id).state is State.RENDERED
                if number:
                    outside.append((whole, sum(inside) - before))
        finally:
            resources.close()
    shares = [100 * (1 - call / whole) for whole, call in outside]
    whole, call = (statistics.median(times) for times in zip(*outside, strict=True))
    detail = f"task {whole * 1e3:.0f} ms, call {call * 1e3:.0f} ms, {model.steps.default} steps at 1344×768"
    return [
        Figure(
            what="render outside the call",
            value=statistics.median(shares),
            unit="%",
            at_most=MOST_PERCENT,
            detail=detail,
        )
    ]


def _time_calls(kind: Any) -> list[float]:
    """Returns a list to which every later call of a pipeline class appends its seconds."""
    seconds: list[float] = []
    call: Callable[..., Any] = kind.__call__

    @functools.wraps(call)
    def timed(*args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        try:
            return call(*args, **kwargs)
        finally:
            seconds.append(time.perf_counter() - started)

    kind.__call__ = timed
    return seconds
