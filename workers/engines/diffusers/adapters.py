"""LoRA adapters of one loaded pipeline: loaded once, kept up to a size, switched without touching the base weights.

Nothing is ever merged: a render without LoRA is bit for bit what it was before the first one.
"""

import hashlib
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
import torch
from diffusers.loaders.lora_base import LoraBaseMixin
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors import SafetensorError

from imgen.domain.errors import ModelError, Retryable
from workers.engines.device import model_error
from workers.engines.diffusers.lora_tensors import Half, halves_of, read_lora
from workers.engines.diffusers.model_files import check_file, locate_lora

log = structlog.get_logger(__name__)

MISFITS = (ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError, AssertionError, SafetensorError)
"""Errors of diffusers and peft on a file that they cannot use; neither has an exception of its own."""


class Adapters:
    """LoRA files in one pipeline; the least recently used is removed first."""

    def __init__(
        self,
        pipe: Any,
        folders_of: Callable[[str], tuple[Path, ...]],
        *,
        limit_bytes: int,
        make_room: Callable[[int], bool] = lambda _size_bytes: True,
    ) -> None:
        self.sizes: OrderedDict[str, int] = OrderedDict()
        """Adapter name → bytes, the longest unused first."""
        self._pipe = pipe
        self._folders_of = folders_of
        self._limit_bytes = limit_bytes
        self._make_room = make_room
        self._active: tuple[str, float] | None = None
        """Name and scale of the adapter that acts, an empty name for none; None: unknown."""
        self._of_encoders: set[str] = set()
        """Names of the adapters that change a text encoder."""
        self._adapted: list[Any] | None = None
        """Layers with adapters, which take long to find in a large model; None: unknown since a file came or went."""

    def use(self, lora: str, scale: float) -> None:
        """Activates this file alone, at this scale; an empty name: none.

        Loads the file if it is not held or has changed on disk. A file over the limit is still loaded, alone.

        Raises:
            ModelError: it is missing, unsafe or does not fit this pipeline, which is left as it was.
            Retryable: the pipeline is not in the state asked for.
        """
        wanted: tuple[str, float] = ("", 1.0)
        if lora:
            path = locate_lora(lora, self._folders_of(lora))
            wanted = _adapter_name(path), scale
        name = wanted[0]
        if wanted != self._active:
            self._active = None
            self._disable()
            if name and name not in self.sizes:
                self._load(name, path)
            if name:
                self._enable(name, scale)
            self._active = wanted
        if name:
            self.sizes.move_to_end(name)
        self._check(self._acting(name) if name else [])

    @property
    def encoder_state(self) -> tuple[str, float] | None:
        """Active file and scale if the file changes a text encoder; None: prompts are encoded as without LoRA."""
        active = self._active
        return active if active is not None and active[0] in self._of_encoders else None

    @property
    def separate_bytes(self) -> int:
        """Memory of files that are held beside the pipeline's own modules."""
        return 0

    def _load(self, name: str, path: Path) -> None:
        if not _takes_lora(self._pipe):
            raise ModelError(f"{type(self._pipe).__name__} takes no LoRA, so {path.name} cannot be used")
        check_file(path)
        try:
            tensors = read_lora(path, self._pipe.dtype)
            halves = halves_of(self._pipe, tensors, path.name)
        except MISFITS as exc:
            raise model_error(exc, f"{path.name} is no LoRA file that diffusers knows: {exc}") from exc
        size = sum(tensor.nbytes for tensor in tensors.values())
        while self.sizes and sum(self.sizes.values()) + size > self._limit_bytes:
            self._remove_oldest()
        while not self._make_room(size) and self.sizes:
            self._remove_oldest()
        try:
            with several_adapters():
                self._hold(name, tensors, halves, path)
        except ModelError:
            self._remove(name)
            raise
        except MISFITS as exc:
            self._remove(name)
            raise model_error(exc, f"{path.name} does not fit this model: {exc}") from exc
        finally:
            self._adapted = None
            self._disable()
        self.sizes[name] = size
        if any(half.component.startswith("text_encoder") for half in halves):
            self._of_encoders.add(name)
        log.info("lora_loaded", file=path.name, size_bytes=size, held=len(self.sizes))

    def _hold(
        self, name: str, tensors: Mapping[str, torch.Tensor], halves: Mapping[Half, torch.Tensor], path: Path
    ) -> None:
        # Tensors, not the path: handed a path, diffusers picks a loader by the file's name, pickles included.
        self._pipe.load_lora_weights(tensors, adapter_name=name)
        self._take_as_is(name, halves, path)

    def _enable(self, name: str, scale: float) -> None:
        self._pipe.set_adapters([name], [scale])
        self._pipe.enable_lora()

    def _acting(self, name: str) -> list[str]:
        """Returns the adapters of a layer that are active while this file is."""
        return [name]

    def _remove_oldest(self) -> None:
        oldest, _ = self.sizes.popitem(last=False)
        self._remove(oldest)

    def _remove(self, name: str) -> None:
        self._delete(name)
        self._of_encoders.discard(name)

    def _delete(self, adapter: str) -> None:
        """Deletes an adapter from all layers."""
        with several_adapters():
            self._pipe.delete_adapters(adapter)
        for model in self._models():
            getattr(model, "peft_config", {}).pop(adapter, None)
        self._adapted = None

    def _disable(self) -> None:
        if _takes_lora(self._pipe):
            self._pipe.disable_lora()

    def _check(self, names: list[str]) -> None:
        """Checks for every adapted layer that exactly these adapters are active; each layer keeps a state of its own."""
        if self._adapted is None:
            self._adapted = list(self._layers())
        for layer in self._adapted:
            acting = [] if layer.disable_adapters else layer.active_adapters
            if acting != names or layer.merged:
                self._active = None
                raise Retryable(f"LoRA state is {acting} where {names} was asked for")

    def _models(self) -> Iterator[torch.nn.Module]:
        return (part for part in self._pipe.components.values() if isinstance(part, torch.nn.Module))

    def _layers(self) -> Iterator[Any]:
        return (layer for model in self._models() for layer in model.modules() if isinstance(layer, BaseTunerLayer))

    def _take_as_is(self, name: str, halves: Mapping[Half, torch.Tensor], path: Path) -> None:
        """Gives each layer the scale 1 of its own tensors, and makes sure that all of them have arrived.

        Raises:
            ModelError: the library left something out.
        """
        for half, tensor in halves.items():
            layer = getattr(self._pipe, half.component).get_submodule(half.module)
            adapters = getattr(layer, half.half, {})
            held = getattr(adapters[name], half.leaf, None) if name in adapters else None
            if held is None or not torch.equal(held.detach().cpu(), tensor.to(held.dtype)):
                raise ModelError(f"{path.name} does not fit this model: {half.component}.{half.module} was not used")
            layer.lora_alpha[name] = layer.r[name]


@contextmanager
def several_adapters() -> Iterator[None]:
    """Silences peft's warnings of several adapters and of a change of the active one: `use` decides that."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Already found a `peft_config`", UserWarning)
        warnings.filterwarnings("ignore", "`lora_bias=True` was passed but", UserWarning)  # matters to merging alone
        warnings.filterwarnings("ignore", "Adapter .* was active which is now deleted", UserWarning)
        yield


def _takes_lora(pipe: object) -> bool:
    return isinstance(pipe, LoraBaseMixin)


def _adapter_name(path: Path) -> str:
    """Makes a name unique to the file in its present state, and safe as a module's name."""
    stat = path.stat()
    identity = f"{path.resolve()}|{stat.st_mtime_ns}|{stat.st_size}"
    return f"lora_{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
