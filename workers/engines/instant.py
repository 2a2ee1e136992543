"""Instant engine, without a model, for tests and load drills: draws a smooth pattern by the seed.

It does so whatever the prompt, and mixes it with the source if there is one.

Knobs in the model's `call` table: `step_s` (seconds each step takes), `shot_step_s` (further
seconds for each picture of the call), `fail_on` (a word: prompts with it fail for good),
`retry_on` (a word: they fail as if a part were down), `flag_on` (a word: they are flagged as by a safety checker), `crash_on` (a
word: the process kills itself at the second step, as the kernel's memory killer would), `dead_on` (a word: the device is dead, as
after a GPU fault), `load_s` (seconds that loading takes), `load_fails`, `memory_mib` (memory that it claims to hold) and
`distilled` (negative and guidance change nothing).
"""

import hashlib
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy import float32, uint8
from numpy.typing import NDArray

from imgen.domain.capabilities import Capabilities
from imgen.domain.catalog import Model
from imgen.domain.engine_options import InstantOptions
from imgen.domain.errors import ModelError, PictureFlagged, Retryable
from imgen.domain.recipe import Diffusion, strength_of
from workers.engines import Drawn, EngineContext, OnStep, Requirements, Shot, batch_max
from workers.engines.paste_back import pasted_back

CRASH_STEP = 2
WAVES = 8
GRAIN_PERIOD = 128
"""Pixels after which the grain repeats along a row: to draw all of it would take most of the time."""


class Knobs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Knobs in the table `call`. Empty words match nothing."""

    step_s: float = 0.0
    shot_step_s: float = 0.0
    fail_on: str = ""
    retry_on: str = ""
    flag_on: str = ""
    crash_on: str = ""
    dead_on: str = ""
    load_s: float = 0.0
    load_fails: bool = False
    memory_mib: float = 0.0
    distilled: bool = False

    @property
    def memory_bytes(self) -> int:
        """Memory that the engine claims to hold."""
        return int(self.memory_mib * 2**20)


def check(model: Model, options: InstantOptions, _context: EngineContext) -> Requirements:
    """Checks the knobs; there are no weights. See `workers.engines.Check`."""
    return Requirements(memory_bytes=_knobs(model, options).memory_bytes)


def try_out(_model: Model, _options: InstantOptions, _context: EngineContext) -> None:
    """Does nothing: there are no files. See `workers.engines.TryOut`."""


def check_lora(_model: Model, _options: InstantOptions, _context: EngineContext, _lora: str) -> None:
    """Does nothing: no LoRA is read. See `workers.engines.CheckLora`."""


def capabilities(model: Model, options: InstantOptions, _context: EngineContext) -> Capabilities | None:
    """Returns what the engine can do; None: its knobs are wrong. See `workers.engines.TellCapabilities`."""
    try:
        is_distilled = _knobs(model, options).distilled
    except ModelError:
        return None
    return Capabilities(
        negative=model.negative_prompt and not is_distilled,
        negative_above=None,
        guidance=not is_distilled,
        batch=batch_max(model),
    )


def load(model: Model, options: InstantOptions, _context: EngineContext) -> "InstantEngine":
    """Loads no file: `source` is ignored. See `workers.engines.Load`."""
    knobs = _knobs(model, options)
    time.sleep(knobs.load_s)
    if knobs.load_fails:
        raise ModelError(f"models.toml: {model.key}: asked to fail when it is loaded")
    return InstantEngine(knobs)


def default_batch(_options: InstantOptions) -> int:
    """Returns 1. See `workers.engines.DefaultBatch`."""
    return 1


@dataclass(frozen=True)
class InstantEngine:
    """Engine that draws by its knobs."""

    knobs: Knobs

    @property
    def architecture(self) -> str:
        """Name of the engine."""
        return "instant"

    def render(self, shots: Sequence[Shot], on_step: OnStep) -> list[Drawn | PictureFlagged]:
        """See `workers.engines.Engine`."""
        if self._is_said(shots, self.knobs.fail_on):
            raise ModelError(f"asked to fail on {self.knobs.fail_on!r}")
        if self._is_said(shots, self.knobs.retry_on):
            raise Retryable(f"asked to be tried again on {self.knobs.retry_on!r}")
        if self._is_said(shots, self.knobs.dead_on):
            kill_device()
        steps = shots[0].diffusion.num_inference_steps
        for step in range(1, steps + 1):
            time.sleep(self.knobs.step_s + self.knobs.shot_step_s * len(shots))
            if step == CRASH_STEP and self._is_said(shots, self.knobs.crash_on):
                os.kill(os.getpid(), signal.SIGKILL)
            on_step(step, steps, lambda number=0: draw(self._acting(shots[number].diffusion)))
        return [PictureFlagged() if self._is_said([shot], self.knobs.flag_on) else self._drawn(shot) for shot in shots]

    @property
    def memory_bytes(self) -> int:
        """Memory that it claims to hold."""
        return self.knobs.memory_bytes

    def unload(self) -> None:
        """See `workers.engines.Engine`."""

    def _acting(self, diffusion: Diffusion) -> Diffusion:
        """Returns the parameters without those that change nothing."""
        if not self.knobs.distilled:
            return diffusion
        return msgspec.structs.replace(diffusion, negative="", guidance_scale=0.0)

    def _drawn(self, shot: Shot) -> Drawn:
        """Draws a shot: its strength is the share of the pattern in a mixture with the source, kept where the mask is black."""
        pixels, idle = draw(self._acting(shot.diffusion)), ("negative", "guidance") if self.knobs.distilled else ()
        if shot.source is None:
            return Drawn(pixels=pixels, idle=idle)
        strength = strength_of(shot.diffusion)
        mixed = np.rint(shot.source * (1 - strength) + pixels * strength).astype(uint8)
        if shot.mask is not None:
            mixed = pasted_back(shot.diffusion, mixed, shot.source, shot.mask)
        return Drawn(pixels=mixed, idle=idle)

    @staticmethod
    def _is_said(shots: Sequence[Shot], word: str) -> bool:
        return bool(word) and any(word in shot.diffusion.positive for shot in shots)


def draw(diffusion: Diffusion) -> NDArray[uint8]:
    """Draws soft waves of colour with a fine grain, (height, width, 3), determined by all of the recipe's diffusion part.

    Structured enough for perceptual hashes and watermarks, rough enough to be no flat test card.
    """
    asked = hashlib.sha256(msgspec.json.encode(diffusion)).digest()
    random = np.random.default_rng(int.from_bytes(asked[:8], "little"))
    height, width = diffusion.height, diffusion.width
    rows, columns = (_waves(random, size) for size in (height, width))
    # Sums of outer products, all channels side by side: one matrix product draws the picture.
    mixing = random.uniform(-1, 1, (WAVES, 3, WAVES)).astype(float32) * (200 / WAVES)
    colours = (mixing @ columns).transpose(0, 2, 1).reshape(WAVES, width * 3)
    picture = (rows.T @ colours).reshape(height, width, 3)
    grain = random.integers(-4, 5, (height, GRAIN_PERIOD, 1), dtype=np.int8).astype(float32) + 128
    picture += np.tile(grain, (1, width // GRAIN_PERIOD + 1, 1))[:, :width]
    return np.clip(picture, 0, 255, out=picture).astype(uint8)


def kill_device() -> None:
    """Raises the error that every call of a dead CUDA context raises."""
    import torch  # takes seconds, and no other knob needs it

    raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")


def _knobs(model: Model, options: InstantOptions) -> Knobs:
    try:
        return msgspec.convert(options.call, Knobs)
    except msgspec.ValidationError as exc:
        raise ModelError(f"models.toml: {model.key}: call: {exc}") from exc


def _waves(random: np.random.Generator, size: int) -> NDArray[float32]:
    """Computes (WAVES, size) sines of a half to four periods, each of its own phase."""
    along = np.linspace(0, 2 * np.pi, size, dtype=float32)
    periods, phases = random.uniform(0.5, 4, (WAVES, 1)), random.uniform(0, 2 * np.pi, (WAVES, 1))
    return np.sin(along * periods.astype(float32) + phases.astype(float32))
