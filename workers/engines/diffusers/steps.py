"""Steps of a render: the callback of a pipeline, which reports the steps of all calls as one progress."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy import uint8
from numpy.typing import NDArray

from workers.engines import DrawPreview, OnStep
from workers.engines.diffusers.latent_blending import LatentBlending
from workers.engines.diffusers.latent_preview import latent_preview


@dataclass
class Steps:
    """Step callback of the pipelines: calls `on_step`, and keeps its error apart from those of the pipelines."""

    on_step: OnStep
    size: tuple[int, int]
    """Width and height of the pictures, px."""
    numbers: Sequence[int] = ()
    """Numbers of the present call's shots among those of the render."""
    call: int = 0
    calls: int = 1
    blending: LatentBlending | None = None
    stopped_by: BaseException | None = field(default=None, init=False)

    def begin(self, numbers: Sequence[int], call: int, calls: int) -> None:
        """Notes which shots the next call draws, and that it is number `call`, from 0, of so many."""
        self.numbers, self.call, self.calls = numbers, call, calls

    def done(self, pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        """Takes a step of the present call, from 0. See diffusers' `callback_on_step_end`."""
        if self.blending is not None:
            tensors["latents"] = self.blending.blend(pipe, timestep, tensors["latents"])

        def draw_preview(number: int = 0) -> NDArray[uint8] | None:
            if number not in self.numbers:
                return None
            return latent_preview(pipe, tensors["latents"], *self.size, self.numbers.index(number))

        self._tell(step + 1, getattr(pipe, "num_timesteps", len(pipe.scheduler.timesteps)), draw_preview)
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
