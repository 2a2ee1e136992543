"""Diffusers engine: one path for every architecture that diffusers loads; their differences are data in models.toml."""

import gc
import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy import uint8
from numpy.typing import NDArray

from imgen.domain.catalog import DiffusersOptions, Model
from imgen.domain.errors import ModelError, OutOfMemory, PictureFlagged
from imgen.domain.recipe import Diffusion
from workers.engines import Drawn, EngineContext, OnStep, Requirements, Shot
from workers.engines.device import model_error
from workers.engines.diffusers.adapters import Adapters
from workers.engines.diffusers.architectures import architecture_of
from workers.engines.diffusers.latent_blending import LatentBlending
from workers.engines.diffusers.latent_preview import latent_preview
from workers.engines.diffusers.library_logging import configure_library_logging
from workers.engines.diffusers.memory import measure
from workers.engines.diffusers.modes import Modes, finished, mode_of, undrawn
from workers.engines.diffusers.pipelines import build, check_entry
from workers.engines.diffusers.prompting import conditioning

CALL_ERRORS = (ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError, AssertionError, MemoryError)
"""Errors of pipelines on arguments that they cannot use, and of the device; diffusers has no exception of its own."""

FLAGS = ("nsfw_content_detected", "nsfw_detected")
"""Fields of a pipeline's output for the verdict of its safety checker, one bool a picture; None or missing: it has none. A
flagged picture comes out black, or pixelated."""

_OURS = frozenset(
    {
        "prompt",
        "negative_prompt",
        "width",
        "height",
        "num_inference_steps",
        "guidance_scale",
        "generator",
        "output_type",
    }
    | {"image", "mask_image", "strength", "callback_on_step_end", "num_images_per_prompt", "return_dict"}
)


def check(model: Model, options: DiffusersOptions, context: EngineContext) -> Requirements:
    """Checks files, device and dtype. See `workers.engines.Check`."""
    return check_entry(model, options, context)


def load(model: Model, options: DiffusersOptions, context: EngineContext) -> "DiffusersEngine":
    """Builds the pipeline and checks the further arguments of its call. See `workers.engines.Load`."""
    configure_library_logging()
    pipe = build(model, options, context)
    accepted = set(inspect.signature(pipe.__call__).parameters) - _OURS
    if unknown := sorted(set(options.call) - accepted):
        raise ModelError(f"models.toml: {model.key}: call: {type(pipe).__name__} takes no {', '.join(unknown)}")
    adapters = Adapters(
        pipe, context.folders_of, limit_bytes=options.lora_cache_mib * 2**20, make_room=context.make_room
    )
    return DiffusersEngine(pipe, adapters, dict(options.call))


class DiffusersEngine:
    """Engine with one pipeline in memory, and its LoRA files."""

    def __init__(self, pipe: Any, adapters: Adapters, extra: dict[str, Any]) -> None:
        self._pipe = pipe
        self._modes = Modes(pipe)
        self._adapters = adapters
        self._extra = extra

    @property
    def architecture(self) -> str:
        """Name of the pipeline's class."""
        return type(self._pipe).__name__

    def render(self, shots: Sequence[Shot], on_step: OnStep) -> list[Drawn | PictureFlagged]:
        """See `workers.engines.Engine`. Errors of `on_step` are raised unchanged."""
        return [drawn for shot in shots for drawn in self._render([shot], on_step)]

    def _render(self, shots: Sequence[Shot], on_step: OnStep) -> list[Drawn | PictureFlagged]:
        """Renders shots of one mode and strength by one call of the mode's pipeline."""
        if (copy := undrawn(shots[0])) is not None:
            on_step(1, 1, lambda _number=0: None)
            return [copy]
        diffusion = shots[0].diffusion
        steps = _Steps(on_step, diffusion)
        pipe = self._modes.pipeline(mode_of(shots[0]))
        try:
            self._adapters.use(diffusion.lora, diffusion.lora_scale)
            with torch.inference_mode():
                # Where a scheduler adds noise and the pipeline hands no generator on, it is drawn on the device, from this.
                torch.manual_seed(diffusion.seed)
                drawn = pipe(**self._arguments(pipe, shots, steps))
                if any(any(getattr(drawn, name, None) or ()) for name in FLAGS):
                    return [PictureFlagged()]
                return [finished(shots[0], _pixels(drawn.images, diffusion))]
        except CALL_ERRORS as exc:
            if exc is steps.stopped_by:
                raise
            refusal = model_error(exc, f"{type(pipe).__name__} cannot do this: {exc}")
            if isinstance(refusal, OutOfMemory):
                _free()
            raise refusal from exc

    def _arguments(self, pipe: Any, shots: Sequence[Shot], steps: "_Steps") -> dict[str, Any]:
        """Makes the arguments of a call, without those that the pipeline does not take."""
        diffusion = shots[0].diffusion
        arguments = conditioning(pipe, diffusion.positive, diffusion.negative, self._extra)
        arguments |= self._extra | {
            "width": diffusion.width,
            "height": diffusion.height,
            "num_inference_steps": diffusion.num_inference_steps,
            architecture_of(type(pipe).__name__).guidance: diffusion.guidance_scale,
            # On the CPU for every device, so that a seed means the same noise everywhere.
            "generator": torch.Generator().manual_seed(diffusion.seed),
            "callback_on_step_end": steps.done,
            "output_type": "pt",
        }
        arguments |= self._modes.arguments(shots)
        steps.blending = self._modes.blending(shots, arguments)
        accepted = inspect.signature(pipe.__call__).parameters
        return {name: value for name, value in arguments.items() if name in accepted}

    @property
    def memory_bytes(self) -> int:
        """See `workers.engines.Engine`."""
        return measure(self._pipe)

    def unload(self) -> None:
        """See `workers.engines.Engine`."""
        del self._pipe, self._modes, self._adapters
        _free()


@dataclass
class _Steps:
    """Step callback of the pipeline: calls `on_step`, and keeps its error apart from those of the pipeline."""

    on_step: OnStep
    diffusion: Diffusion
    blending: LatentBlending | None = None
    stopped_by: BaseException | None = field(default=None, init=False)

    def done(self, pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        if self.blending is not None:
            tensors["latents"] = self.blending.blend(pipe, timestep, tensors["latents"])
        try:
            size = self.diffusion.width, self.diffusion.height
            self.on_step(
                step + 1, pipe.num_timesteps, lambda _number=0: latent_preview(pipe, tensors["latents"], *size)
            )
        except BaseException as exc:
            self.stopped_by = exc
            raise
        return tensors


def _pixels(images: torch.Tensor, diffusion: Diffusion) -> NDArray[uint8]:
    """Converts (1, 3, H, W) in 0…1 to (H, W, 3) uint8; rounds on the device, so that bytes travel instead of floats."""
    wanted = (1, 3, diffusion.height, diffusion.width)
    if tuple(images.shape) != wanted:
        raise ModelError(f"the model drew {tuple(images.shape)} where {wanted} was asked for")
    if not torch.isfinite(images).all():
        raise ModelError("the model drew numbers that are no colours; try bfloat16 or float32 as its dtype")
    rounded = images[0].float().mul(255).round().to(torch.uint8).permute(1, 2, 0)
    return np.ascontiguousarray(rounded.cpu().numpy())


def _free() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
