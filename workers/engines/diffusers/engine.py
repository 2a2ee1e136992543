"""Diffusers engine: one path for every architecture that diffusers loads; their differences are data in models.toml."""

import gc
import inspect
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import structlog
import torch
from numpy import uint8
from numpy.typing import NDArray

from imgen.domain.catalog import SIZES, Model
from imgen.domain.engine_options import DiffusersOptions
from imgen.domain.errors import ModelError, OutOfMemory, PictureFlagged
from imgen.domain.recipe import Diffusion
from workers.engines import Drawn, EngineContext, OnStep, Requirements, Shot
from workers.engines.device import model_error
from workers.engines.diffusers.acting import EXCLUDED_BY_GUIDANCE, NO_WORDS, Acting, acting
from workers.engines.diffusers.adapters import Adapters
from workers.engines.diffusers.architectures import is_listed
from workers.engines.diffusers.calls import calls_of, generators_of, seeded_noise, stacked
from workers.engines.diffusers.compilation import compile_blocks, compiler_failure, uncompile
from workers.engines.diffusers.embedding_cache import EmbeddingCache
from workers.engines.diffusers.given_arguments import GIVEN
from workers.engines.diffusers.library_logging import configure_library_logging
from workers.engines.diffusers.lora_slot import SlotAdapters
from workers.engines.diffusers.memory import measure
from workers.engines.diffusers.modes import Modes, finished, mode_of, undrawn
from workers.engines.diffusers.pipelines import build, check_entry, check_lora_of, try_entry
from workers.engines.diffusers.prompting import conditioning
from workers.engines.diffusers.remembered_prompts import remembered
from workers.engines.diffusers.scheduler_steps import PICTURES, PRIOR, followed
from workers.engines.diffusers.steps import Steps

log = structlog.get_logger(__name__)

CALL_ERRORS = (ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError, AssertionError, MemoryError)
"""Errors of pipelines on arguments that they cannot use, and of the device; diffusers has no exception of its own."""

FLAGS = ("nsfw_content_detected", "nsfw_detected")
"""Fields of a pipeline's output for the verdict of its safety checker, one bool a picture; None or missing: it has none. A
flagged picture comes out black, or pixelated."""

BATCH_ON_CUDA = 4
"""Pictures of a call where models.toml says nothing: of about a megapixel each, beside SDXL they fit into 24 GB."""

_OURS = GIVEN | {"image", "mask_image", "strength", "num_images_per_prompt", "return_dict"}


def check(model: Model, options: DiffusersOptions, context: EngineContext) -> Requirements:
    """Checks files, device and dtype. See `workers.engines.Check`."""
    return check_entry(model, options, context)


def try_out(model: Model, options: DiffusersOptions, context: EngineContext) -> None:
    """Compares weights with configurations on the meta device. See `workers.engines.TryOut`."""
    configure_library_logging()
    try_entry(model, options, context)


def check_lora(model: Model, options: DiffusersOptions, context: EngineContext, lora: str) -> None:
    """Compares layers by the headers of both. See `workers.engines.CheckLora`."""
    check_lora_of(model, options, context, lora)


def load(model: Model, options: DiffusersOptions, context: EngineContext) -> "DiffusersEngine":
    """Builds the pipeline and checks the further arguments of its call. See `workers.engines.Load`."""
    configure_library_logging()
    pipe = build(model, options, context)
    accepted = set(inspect.signature(pipe.__call__).parameters) - _OURS
    if unknown := sorted(set(options.call) - accepted):
        raise ModelError(f"models.toml: {model.key}: call: {type(pipe).__name__} takes no {', '.join(unknown)}")
    if options.compile:
        compile_blocks(model.key, pipe)
    kind = SlotAdapters if options.compile else Adapters
    adapters = kind(pipe, context.folders_of, limit_bytes=options.lora_cache_mib * 2**20, make_room=context.make_room)
    engine = DiffusersEngine(pipe, adapters, dict(options.call))
    if options.compile:
        _warm_up(engine, pipe, model)
    return engine


def _warm_up(engine: "DiffusersEngine", pipe: Any, model: Model) -> None:
    """Draws a picture in two steps, so that compiling is part of loading; without a compiler the model goes on uncompiled."""
    width, height = SIZES[0]
    diffusion = Diffusion(
        positive="",
        negative="",
        width=width,
        height=height,
        seed=0,
        num_inference_steps=2,
        guidance_scale=model.guidance.default,
    )
    try:
        engine.render([Shot(diffusion=diffusion)], lambda *_: None)
    except ModelError as exc:
        if not (reason := compiler_failure(exc)):
            raise
        uncompile(pipe)
        log.warning("model_not_compiled", model=model.key, reason=reason)


def default_batch(options: DiffusersOptions) -> int:
    """Returns a batch that keeps a GPU busy; one picture keeps a CPU busy. See `workers.engines.DefaultBatch`."""
    is_cuda = torch.cuda.is_available() if options.device == "auto" else options.device.startswith("cuda")
    return BATCH_ON_CUDA if is_cuda else 1


class DiffusersEngine:
    """Engine with one pipeline in memory, and its LoRA files."""

    def __init__(self, pipe: Any, adapters: Adapters, extra: dict[str, Any]) -> None:
        self._pipe = pipe
        self._modes = Modes(pipe)
        self._adapters = adapters
        self._extra = extra
        self._embeddings = EmbeddingCache()
        vae: Any = getattr(pipe, "vae", None)
        if hasattr(vae, "enable_slicing"):
            vae.enable_slicing()  # one picture after the other: a batch's would take the most memory of all

    @property
    def architecture(self) -> str:
        """Name of the pipeline's class."""
        return type(self._pipe).__name__

    def render(self, shots: Sequence[Shot], on_step: OnStep) -> list[Drawn | PictureFlagged]:
        """See `workers.engines.Engine`. Errors of `on_step` are raised unchanged."""
        diffusion = shots[0].diffusion
        steps = Steps(on_step, (diffusion.width, diffusion.height), diffusion.num_inference_steps)
        try:
            self._adapters.use(diffusion.lora, diffusion.lora_scale)
            with torch.inference_mode():
                prompts = [self._conditioning(shot) for shot in shots]
                calls = calls_of(self._pipe, shots, prompts)
                pictures: dict[int, Drawn | PictureFlagged] = {}
                for done, numbers in enumerate(calls):
                    steps.begin(numbers, done, len(calls))
                    drawn = self._call([shots[one] for one in numbers], [prompts[one] for one in numbers], steps)
                    pictures |= zip(numbers, drawn, strict=True)
            return [pictures[number] for number in range(len(shots))]
        except CALL_ERRORS as exc:
            if exc is steps.stopped_by:
                raise
            refusal = model_error(exc, f"{self.architecture} cannot do this: {exc}")
            if isinstance(refusal, OutOfMemory):
                _free()
            raise refusal from exc

    def _conditioning(self, shot: Shot) -> dict[str, Any]:
        pipe = self._modes.pipeline(mode_of(shot))
        negative = shot.diffusion.negative or (NO_WORDS if self._acting(pipe).needs_negative else "")
        return conditioning(pipe, shot.diffusion.positive, negative, self._extra, self._remember)

    def _remember(self, key: Hashable, encode: Callable[[], Any]) -> Any:
        """Returns the kept answer of the text encoders as they are with the active LoRA, or encodes and keeps it."""
        return self._embeddings.answer((self._adapters.encoder_state, key), encode)

    def _acting(self, pipe: Any) -> Acting:
        """Returns the parameters that act on a pipeline."""

        def configured(component: str) -> Mapping[str, Any]:
            return getattr(getattr(pipe, component, None) if component else pipe, "config", {})

        parameters = inspect.signature(pipe.__call__).parameters
        signature = {name: parameter.default for name, parameter in parameters.items()}
        return acting(type(pipe).__name__, signature, configured, self._extra)

    def _call(
        self, shots: Sequence[Shot], prompts: Sequence[Mapping[str, Any]], steps: Steps
    ) -> list[Drawn | PictureFlagged]:
        """Renders shots that share a call of their mode's pipeline."""
        if all(copies := [undrawn(shot) for shot in shots]):
            steps.skip()
            return [copy for copy in copies if copy is not None]
        diffusion = shots[0].diffusion
        pipe = self._modes.pipeline(mode_of(shots[0]))
        # Where a scheduler takes no generator, its noise is drawn on the device, from this.
        torch.manual_seed(diffusion.seed)
        with (
            remembered(pipe, self._remember),
            seeded_noise(pipe.scheduler, shots),
            followed(pipe, PRIOR, steps.prior_done),
            followed(pipe, PICTURES, steps.done),
        ):
            drawn = pipe(**self._arguments(pipe, shots, prompts, steps))
        verdicts = [list(getattr(drawn, name, None) or [False] * len(shots)) for name in FLAGS]
        flagged = [any(flags) for flags in zip(*verdicts, strict=True)]
        pictures = _pixels(drawn.images, (len(shots), 3, diffusion.height, diffusion.width))
        acts = self._acting(pipe)
        return [
            PictureFlagged() if is_flagged else finished(shot, pixels, idle=acts.idle(shot.diffusion))
            for shot, is_flagged, pixels in zip(shots, flagged, pictures, strict=True)
        ]

    def _arguments(
        self, pipe: Any, shots: Sequence[Shot], prompts: Sequence[Mapping[str, Any]], steps: Steps
    ) -> dict[str, Any]:
        """Makes the arguments of a call, without those that the pipeline does not take."""
        diffusion = shots[0].diffusion
        arguments = (
            stacked(prompts)
            | {EXCLUDED_BY_GUIDANCE: None}
            | self._extra
            | {
                "width": diffusion.width,
                "height": diffusion.height,
                "num_inference_steps": diffusion.num_inference_steps,
                self._acting(pipe).guidance: diffusion.guidance_scale,
                "generator": generators_of(shots),
                PICTURES.callback: steps.done,
                PRIOR.callback: steps.prior_done,
                # Others may hand out tensors in another range (Kandinsky), or without a look by their safety checker (IF).
                "output_type": "pt" if is_listed(type(pipe).__name__) else "np",
            }
        )
        arguments |= self._modes.arguments(shots)
        steps.blending = self._modes.blending(shots, arguments)
        accepted = inspect.signature(pipe.__call__).parameters
        return {name: value for name, value in arguments.items() if name in accepted}

    @property
    def memory_bytes(self) -> int:
        """See `workers.engines.Engine`."""
        return measure(self._pipe) + self._adapters.separate_bytes

    def unload(self) -> None:
        """See `workers.engines.Engine`."""
        del self._pipe, self._modes, self._adapters, self._embeddings
        _free()


def _pixels(images: torch.Tensor | NDArray[np.float32], wanted: tuple[int, int, int, int]) -> list[NDArray[uint8]]:
    """Converts (n, 3, H, W), or an array (n, H, W, 3), in 0…1 to n × (H, W, 3) uint8.

    Rounds on the device, so that bytes travel instead of floats.
    """
    if isinstance(images, np.ndarray):
        images = torch.from_numpy(images).movedim(-1, 1)
    if tuple(images.shape) != wanted:
        raise ModelError(f"the model drew {tuple(images.shape)} where {wanted} was asked for")
    if not torch.isfinite(images).all():
        raise ModelError("the model drew numbers that are no colours; try bfloat16 or float32 as its dtype")
    rounded = images.float().mul(255).round().to(torch.uint8).permute(0, 2, 3, 1)
    return [np.ascontiguousarray(picture) for picture in rounded.cpu().numpy()]


def _free() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
