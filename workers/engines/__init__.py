"""Engines: each turns the diffusion parts of recipes into pixels.

A new engine is one file or folder, its options in imgen/domain/catalog.py, and one line in ENGINES.
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy import uint8
from numpy.typing import NDArray
from pydantic import SecretStr

from imgen.domain.capabilities import Capabilities
from imgen.domain.catalog import Model
from imgen.domain.errors import PictureFlagged
from imgen.domain.outcome import DrawnElsewhere
from imgen.domain.recipe import Diffusion
from imgen.domain.remote_engine import RemoteEngine
from imgen.settings import named_key
from imgen.weights.lookup import in_order

NO_PIXELS: NDArray[uint8] = np.zeros((0, 0, 3), uint8)


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One picture to draw: its parameters, and the pixels of its inputs."""

    diffusion: Diffusion
    source: NDArray[uint8] | None = None
    """(height, width, 3) sRGB, of the size asked for; None: text to image."""
    mask: NDArray[uint8] | None = None
    """(height, width), of the size asked for: 255 is redrawn, 0 kept; None: all is redrawn."""
    is_final: bool = False
    """Whether nothing is done to the pixels before they are stored: a PNG of them may take their place."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Picture that an engine drew."""

    pixels: NDArray[uint8]
    """(height, width, 3), sRGB; none where `png` takes their place."""
    notes: tuple[str, ...] = ()
    """Things that were done otherwise than asked, for the operator's log."""
    idle: tuple[str, ...] = ()
    """Those of `negative`, `guidance`, `seed` and `steps` that changed nothing in it."""
    elsewhere: DrawnElsewhere | None = None
    """Facts that a remote engine told; None: it was drawn here."""
    file: bytes = b""
    """The file that a remote engine answered with, which may have credentials; empty: it was drawn here."""
    png: bytes = b""
    """PNG in the place of pixels, a remote engine's own without metadata; empty: there are pixels."""


class DrawPreview(Protocol):
    """Function that decodes an unfinished picture of the batch, (height, width, 3) uint8, small; takes time."""

    def __call__(self, number: int = 0) -> NDArray[uint8] | None:
        """Returns the preview of the shot with that number; None: the engine has none."""


def draw_no_preview(number: int = 0) -> None:
    """Returns nothing: there is no preview to draw, and nobody needs to be asked whether one is wanted."""


OnStep = Callable[[int, int, DrawPreview], None]
"""Step callback: (steps done, steps in all, preview). An error that it raises, such as `Cancelled`, stops the whole render."""


class Engine(Protocol):
    """Engine with one model loaded."""

    @property
    def architecture(self) -> str:
        """Kind of the model in the engine's own terms, such as diffusers' pipeline class."""

    def render(self, shots: Sequence[Shot], on_step: OnStep) -> list[Drawn | PictureFlagged]:
        """Renders shots that differ in prompt, seed, guidance and inputs alone; each is the same for the same arguments.

        Returns:
            For each shot its picture, or the verdict of the model's own safety checker that keeps it back.

        Raises:
            ModelError: the model or the LoRA cannot do this; trying again will not help.
            Retryable: out of memory and the like.
        """

    @property
    def memory_bytes(self) -> int:
        """Memory that its weights hold now, those of LoRA files included; 0: it holds none, so unloading it frees nothing."""

    def unload(self) -> None:
        """Frees the model's memory; the value is unusable afterwards."""


@dataclass(frozen=True, kw_only=True)
class Requirements:
    """Needs of a model, known before it is loaded."""

    path: Path | None = None
    """Path of its weights; None: it has none."""
    components: Mapping[str, Path] = field(default_factory=dict)
    """Paths of its own components, by their names in the entry, such as `sdxl-vae-fp16-fix`."""
    device: str = "cpu"
    """Device whose memory it takes, such as `cuda:0`; `cpu`: main memory."""
    memory_bytes: int = 0
    """Memory that its weights will take there, by their files."""


MAIN_MEMORY = "cpu"
"""Device of models without a GPU."""


def _has_room(_size_bytes: int) -> bool:
    return True


def _take_room() -> None:
    """Does nothing: there are no other models."""


@dataclass(frozen=True, kw_only=True)
class EngineContext:
    """Settings of the worker that every engine gets."""

    folders: tuple[Path, ...] = ()
    """Folders of model files, the first has precedence; nothing outside them is opened unless the operator's entry names an
    absolute path."""
    shipped: frozenset[str] = frozenset()
    """Names of weights that are looked up in the last folder first; see imgen/weights/shipped.py."""
    allow_downloads: bool = False
    """Whether a hub id may be fetched."""
    make_room: Callable[[int], bool] = _has_room
    """Asked by a loaded model for as many bytes more, such as a LoRA's; unloads others, and returns whether there is room."""
    take_room: Callable[[], None] = _take_room
    """Called once all files are read and before the weights move to a GPU; unloads others to make room for them there."""

    remote_engines: Mapping[str, RemoteEngine] = field(default_factory=dict)
    """Engines elsewhere, by their keys in engines.toml."""
    workflow_folders: tuple[Path, ...] = ()
    """Folders of ComfyUI workflows, the first has precedence."""
    key_in: Callable[[str], SecretStr] = named_key
    """Returns the key in an environment variable; empty: it is not set."""

    def folders_of(self, name: str) -> tuple[Path, ...]:
        """Returns the folders in the order in which a name is looked up."""
        return in_order(name, self.folders, self.shipped)


class Check(Protocol):
    """Function `check` of each engine's module."""

    def __call__(self, model: Model, options: Any, context: EngineContext) -> Requirements:
        """Checks a model's entry, files and device without loading its weights. Returns what they need.

        Raises:
            ModelError: it cannot be loaded, as far as can be known before.
        """


class TryOut(Protocol):
    """Function `try_out` of each engine's module."""

    def __call__(self, model: Model, options: Any, context: EngineContext) -> None:
        """Tries what can be tried of a checked model's load without memory, in a second or so.

        Raises:
            ModelError: the load would fail.
        """


class CheckLora(Protocol):
    """Function `check_lora` of each engine's module."""

    def __call__(self, model: Model, options: Any, context: EngineContext, lora: str) -> None:
        """Compares a LoRA file with a checked model, as far as the headers of both tell.

        Raises:
            ModelError: the file is missing or wrong, or does not fit the model.
        """


class Load(Protocol):
    """Function `load` of each engine's module."""

    def __call__(self, model: Model, options: Any, context: EngineContext) -> Engine:
        """Loads a model; `options` are its own, of the Struct that catalog.py has for the engine.

        Raises:
            ModelError: it is missing, is not safetensors, or cannot be loaded.
            Retryable: out of memory and the like.
        """


class DefaultBatch(Protocol):
    """Function `default_batch` of each engine's module."""

    def __call__(self, options: Any) -> int:
        """Returns how many pictures of a model its device is to draw in one call, where the entry says nothing."""


class TellCapabilities(Protocol):
    """Function `capabilities` of a module of each engine that needs no torch."""

    def __call__(self, model: Model, options: Any, context: EngineContext) -> Capabilities | None:
        """Returns what a model can do; None: that is not known before it is loaded."""


@dataclass(frozen=True)
class EngineModule:
    """Entry of ENGINES; the modules are imported at first use, because torch is heavy."""

    name: str
    light_name: str
    """Module with the function `capabilities`."""

    def check(self, model: Model, context: EngineContext) -> Requirements:
        """Checks a model of this engine. Raises: see `Check`."""
        return cast("Check", import_module(self.name).check)(model, model.engine, context)

    def try_out(self, model: Model, context: EngineContext) -> None:
        """Tries a model of this engine. Raises: see `TryOut`."""
        cast("TryOut", import_module(self.name).try_out)(model, model.engine, context)

    def check_lora(self, model: Model, context: EngineContext, lora: str) -> None:
        """Compares a LoRA file with a model of this engine. Raises: see `CheckLora`."""
        cast("CheckLora", import_module(self.name).check_lora)(model, model.engine, context, lora)

    def capabilities(self, model: Model, context: EngineContext) -> Capabilities | None:
        """Returns the capabilities of a model of this engine."""
        tell = cast("TellCapabilities", import_module(self.light_name).capabilities)
        return tell(model, model.engine, context)

    def load(self, model: Model, context: EngineContext) -> Engine:
        """Loads a model with this engine. Raises: see `Load`."""
        return cast("Load", import_module(self.name).load)(model, model.engine, context)

    def default_batch(self, model: Model) -> int:
        """Returns the engine's default; 1 until the engine is loaded: the first picture does not wait for torch twice."""
        # A module that another thread is importing is there without its functions
        default_batch: DefaultBatch | None = getattr(sys.modules.get(self.name), "default_batch", None)
        return 1 if default_batch is None else default_batch(model.engine)


ENGINES: dict[str, EngineModule] = {
    "diffusers": EngineModule("workers.engines.diffusers.engine", "workers.engines.diffusers.capabilities"),
    "instant": EngineModule("workers.engines.instant", "workers.engines.instant"),
    "remote": EngineModule("workers.engines.remote.engine", "workers.engines.remote.engine"),
}
"""Engine by the name in models.toml (`backend`)."""


def check(model: Model, context: EngineContext) -> Requirements:
    """Checks a model before another one is unloaded for it; returns its needs. Raises: see `Check`."""
    return ENGINES[model.engine.name].check(model, context)


def try_out(model: Model, context: EngineContext) -> None:
    """Tries a checked model's load as far as that costs no memory. Raises: see `TryOut`."""
    ENGINES[model.engine.name].try_out(model, context)


def check_lora(model: Model, context: EngineContext, lora: str) -> None:
    """Compares a LoRA file with a checked model by their headers. Raises: see `CheckLora`."""
    ENGINES[model.engine.name].check_lora(model, context, lora)


def batch_max(model: Model) -> int:
    """Returns how many pictures of a model are rendered in one call at most."""
    return model.batch.max or ENGINES[model.engine.name].default_batch(model)


def capabilities(models: Iterable[Model], context: EngineContext) -> dict[str, Capabilities]:
    """Returns the capabilities of models by their keys, without loading them; those of which nothing is known are left out."""
    known = {model.key: ENGINES[model.engine.name].capabilities(model, context) for model in models}
    return {key: able for key, able in known.items() if able is not None}


def load(model: Model, context: EngineContext) -> Engine:
    """Loads a model with the engine that its entry names. Raises: see `Load`."""
    return ENGINES[model.engine.name].load(model, context)
