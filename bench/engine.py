"""Engine: Python's time between the denoising of two pictures, on SDXL's module tree, and what a batch saves.

The layers are narrow, so that the tree is walked as in production and the arithmetic takes no time; that of the VAE's decoder is
taken off.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.figure import Figure
from bench.fixtures import open_fixture
from bench.samples import queued_job
from imgen import settings
from imgen.domain.job import State
from imgen.domain.recipe import Diffusion
from imgen.live import waiting
from imgen.records import jobs

PICTURES = 12
STEPS = 2
EDGE = 128
MOST_MS = {"": 15.0, "a.safetensors": 20.0}
BATCH = 4
LEAST_GAIN = 2.0
MODEL = """
[eros]
source = "none"
backend = "instant"
dtype = "auto"
leave_out = []
batch = { max = 4 }
call = { step_s = 0.02, shot_step_s = 0.005 }
"""
"""A call costs four times what a picture adds to it."""


def measure(*, pictures: int = PICTURES, rounds: int = 3) -> list[Figure]:
    """Measures the gap without and with a LoRA, and batches of instant jobs against the same jobs one by one."""
    return [*_gaps(pictures), _batch_gain(rounds)]


def _gaps(pictures: int) -> list[Figure]:
    import torch

    from bench.loras import write_lora
    from bench.shapes import make, sdxl
    from workers.engines import Shot
    from workers.engines.diffusers.adapters import Adapters
    from workers.engines.diffusers.engine import DiffusersEngine
    from workers.engines.diffusers.pipelines import settle
    from workers.engines.diffusers.placement import Placement

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        pipe = make(sdxl, device="cpu", dtype=torch.float32, narrow=True)
        settle(pipe, Placement(torch.device("cpu"), torch.float32))
        write_lora(pipe, Path(folder) / "a.safetensors", seed=1)
        adapters = Adapters(pipe, lambda _name: (Path(folder),), limit_bytes=2**30)
        engine = DiffusersEngine(pipe, adapters, {})
        for lora, most in MOST_MS.items():
            watch = _Watch(pipe)
            for seed in range(pictures + 1):
                asked = Diffusion(
                    positive="a red coat on a beach",
                    negative="blurry",
                    width=EDGE,
                    height=EDGE,
                    seed=seed,
                    num_inference_steps=STEPS,
                    guidance_scale=5.0,
                    lora=lora,
                )
                engine.render([Shot(diffusion=asked)], lambda *_: None)
            gaps = watch.gaps(STEPS)[1:]  # the first follows the one that loads
            watch.remove()
            figures.append(
                Figure(
                    what=f"between pictures, {'a' if lora else 'no'} LoRA",
                    value=statistics.median(gaps) * 1e3,
                    unit="ms",
                    at_most=most,
                    detail=f"median of {len(gaps)}, the decoder's {statistics.median(watch.decoded) * 1e3:.0f} ms left out",
                )
            )
    torch.set_num_threads(threads)
    return figures


class _Watch:
    """Times of the denoiser's calls and of the decoder's."""

    def __init__(self, pipe: Any) -> None:
        self.began: list[float] = []
        self.ended: list[float] = []
        self.decoded: list[float] = []
        self._vae = pipe.vae
        self._hooks = [
            pipe.unet.register_forward_pre_hook(lambda *_: self.began.append(time.perf_counter())),
            pipe.unet.register_forward_hook(lambda *_: self.ended.append(time.perf_counter())),
        ]
        decode: Callable[..., Any] = pipe.vae.decode

        def timed(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return decode(*args, **kwargs)
            finally:
                self.decoded.append(time.perf_counter() - started)

        pipe.vae.decode = timed

    def gaps(self, steps: int) -> list[float]:
        """Returns the seconds from a picture's last step to the next one's first, without the decoder's."""
        last, first = self.ended[steps - 1 :: steps], self.began[steps::steps]
        return [after - before - decoded for before, after, decoded in zip(last, first, self.decoded, strict=False)]

    def remove(self) -> None:
        for hook in self._hooks:
            hook.remove()
        del self._vae.decode


def _batch_gain(rounds: int) -> Figure:
    from workers import tasks
    from workers.resources import open_resources

    seconds: dict[int, list[float]] = {1: [], BATCH: []}
    with open_fixture() as fixture:
        (fixture.data / "models.toml").write_text(MODEL)
        resources = open_resources(settings.load(fixture.data))
        try:
            for together in [1, BATCH] * rounds:
                submitted = [queued_job(fixture.principal, queue="render.eros", steps=8) for _ in range(BATCH)]
                for job in submitted:
                    with resources.database.write() as connection:
                        jobs.add(connection, job)
                    if together > 1:
                        resources.live.run(waiting.add(job))
                started = time.perf_counter()
                for job in submitted[::together]:
                    tasks.run_phase(resources, tasks.RENDER, job.id)
                seconds[together].append(time.perf_counter() - started)
                with resources.database.read() as connection:
                    assert {jobs.find(connection, job.id).state for job in submitted} == {State.RENDERED}
        finally:
            resources.close()
    single, batch = statistics.median(seconds[1]), statistics.median(seconds[BATCH])
    detail = f"{BATCH} jobs in {batch * 1e3:.0f} ms, one by one in {single * 1e3:.0f} ms"
    return Figure(what=f"batch of {BATCH} instant jobs", value=single / batch, at_least=LEAST_GAIN, detail=detail)
