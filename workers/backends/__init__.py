"""Engines that turn a recipe's diffusion part into pixels. A new engine is one file and one line in BACKENDS."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from numpy import uint8
from numpy.typing import NDArray

from imgen.domain.catalog import Model
from imgen.domain.errors import ConfigurationError
from imgen.domain.recipe import Diffusion

Sketch = Callable[[], NDArray[uint8] | None]
"""Draws what the picture looks like so far, (height, width, 3), small; it takes time. None: there is nothing to see."""
OnStep = Callable[[int, int, Sketch], None]
"""Called after each denoising step with (steps done, steps in all, how to see it). May raise `Cancelled` and the like to stop."""


class Backend(Protocol):
    """One loaded model."""

    @property
    def architecture(self) -> str:
        """What kind of model it is, in the engine's own terms: diffusers' pipeline class, say."""

    def render(self, diffusion: Diffusion, on_step: OnStep) -> NDArray[uint8]:
        """One picture, (height, width, 3) uint8 sRGB, the same for the same arguments.

        Raises:
            ModelError: the model or the LoRA cannot do this; trying again will not help.
            Retryable: out of memory and the like.
        """

    def unload(self) -> None:
        """Gives memory back; the value is unusable afterwards."""


class Load(Protocol):
    """What each engine's module offers as `load`."""

    def __call__(self, model: Model, *, folders: tuple[Path, ...], allow_downloads: bool) -> Backend:
        """Loads a model.

        Args:
            model: the catalog's entry.
            folders: where relative sources and LoRA files are looked up, in this order; nothing outside them is opened
                unless the operator's entry names an absolute path.
            allow_downloads: whether a hub id may be fetched.

        Raises:
            ModelError: it is missing, is not safetensors, or cannot be loaded.
        """


BACKENDS: dict[str, str] = {
    "diffusers": "workers.backends.diffusers",
    "instant": "workers.backends.instant",
}
"""Engine name in models.toml → module with a `load` function (see `Load`). Imported on first use: torch is heavy."""


def load(model: Model, *, folders: tuple[Path, ...], allow_downloads: bool) -> Backend:
    """Loads a model with the engine its entry names."""
    if model.backend not in BACKENDS:
        raise ConfigurationError(
            f"models.toml: {model.key}: no backend {model.backend!r}; there are {', '.join(BACKENDS)}"
        )
    loader = cast("Load", import_module(BACKENDS[model.backend]).load)
    return loader(model, folders=folders, allow_downloads=allow_downloads)
