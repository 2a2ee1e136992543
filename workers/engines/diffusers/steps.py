"""Steps of a render: the callbacks of a pipeline, which report the steps of all its loops and calls as one progress."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy import uint8
from numpy.typing import NDArray

from workers.engines import DrawPreview, OnStep
from workers.engines.diffusers.latent_blending import LatentBlending
from workers.engines.diffusers.latent_preview import latent_preview
from workers.engines.diffusers.scheduler_steps import PRIOR


@dataclass
class Steps:
    """Step callbacks of the pipelines: call `on_step`, and keep its error apart from those of the pipelines."""

    on_step: OnStep
    size: tuple[int, int]
    """Width and height of the pictures, px."""
    asked: int
    """Steps that the pictures' own loop is asked for."""
    numbers: Sequence[int] = ()
    """Numbers of the present call's shots among those of the render."""
    call: int = 0
    calls: int = 1
    blending: LatentBlending | None = None
    prior: int = field(default=0, init=False)
    """Steps of the loop before the pictures' own in each call; 0: there is none, as far as is known."""
    stopped_by: BaseException | None = field(default=None, init=False)

    def begin(self, numbers: Sequence[int], call: int, calls: int) -> None:
        """Notes which shots the next call draws, and that it is number `call`, from 0, of so many."""
        self.numbers, self.call, self.calls = numbers, call, calls

    def prior_done(self, pipe: Any, step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        """Takes a step of the loop before the pictures' own, from 0; it has no preview."""
        self.prior = _steps_of(pipe, getattr(pipe, PRIOR.scheduler, pipe.scheduler))
        self._tell(step + 1, self.prior + self.asked, lambda _number=0: None)
        return tensors

    def done(self, pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        """Takes a step of the present call, from 0. See diffusers' `callback_on_step_end`."""
        if self.blending is not None:
            tensors["latents"] = self.blending.blend(pipe, timestep, tensors["latents"])

        def draw_preview(number: int = 0) -> NDArray[uint8] | None:
            if number not in self.numbers:
                return None
            return latent_preview(pipe, tensors["latents"], *self.size, self.numbers.index(number))

        steps = _steps_of(pipe, pipe.scheduler)
        if self.prior:  # what it was told to be a part of had the steps asked for, of which some schedulers make others
            self._tell(self.prior + self.asked * (step + 1) // steps, self.prior + self.asked, draw_preview)
        else:
            self._tell(step + 1, steps, draw_preview)
        return tensors

    def skip(self) -> None:
        """Tells a call that draws nothing as one step."""
        self._tell(1, 1, lambda _number=0: None)

    def _tell(self, done: int, steps: int, draw_preview: DrawPreview) -> None:
        try:
            self.on_step(self.call * steps + done, self.calls * steps, draw_preview)
        except BaseException as exc:
            self.stopped_by = exc
            raise


def _steps_of(pipe: Any, scheduler: Any) -> int:
    return int(getattr(pipe, "num_timesteps", len(scheduler.timesteps)))
