"""LoRA adapters of one loaded pipeline: loaded once, kept up to a size, switched without touching the base weights.

Nothing is ever merged: a render without LoRA is bit for bit what it was before the first one.
"""

import hashlib
import json
import re
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
import torch
from diffusers.loaders.lora_base import LoraBaseMixin
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors import SafetensorError, safe_open

from imgen.domain.errors import ModelError, Retryable
from workers.engines.device import model_error
from workers.engines.diffusers.model_files import find_lora

log = structlog.get_logger(__name__)

MISFITS = (ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError, AssertionError, SafetensorError)
"""Errors of diffusers and peft on a file that they cannot use; neither has an exception of its own."""

_LAYER_WORDS = ("lora", "lokr", "dora", ".alpha")
_METADATA_KEY = "lora_adapter_metadata"
"""Key of alpha in the file's header, as diffusers writes it; see `diffusers.loaders.lora_base.LORA_ADAPTER_METADATA_KEY`."""


class Adapters:
    """LoRA files in one pipeline; the least recently used is removed first."""

    def __init__(self, pipe: Any, folders: tuple[Path, ...], *, limit_bytes: int) -> None:
        self.sizes: OrderedDict[str, int] = OrderedDict()
        """Adapter name → bytes, the longest unused first."""
        self._pipe = pipe
        self._folders = folders
        self._limit_bytes = limit_bytes

    def use(self, lora: str, scale: float) -> None:
        """Activates this file alone, at this scale; an empty name: none.

        Loads the file if it is not held or has changed on disk. A file over the limit is still loaded, alone.

        Raises:
            ModelError: it is missing, unsafe or does not fit this pipeline, which is left as it was.
            Retryable: the pipeline is not in the state asked for.
        """
        if not lora:
            self._disable()
            self._check([])
            return
        path = find_lora(lora, self._folders)
        name = _adapter_name(path)
        self._disable()
        if name not in self.sizes:
            self._load(name, path)
        self.sizes.move_to_end(name)
        self._pipe.set_adapters([name], [scale])
        self._pipe.enable_lora()
        self._check([name])

    def _load(self, name: str, path: Path) -> None:
        if not _takes_lora(self._pipe):
            raise ModelError(f"{type(self._pipe).__name__} takes no LoRA, so {path.name} cannot be used")
        try:
            tensors = _read(path, self._pipe.dtype)
            self._refuse_other_sizes(tensors, path)
        except MISFITS as exc:
            raise model_error(exc, f"{path.name} is no LoRA file that diffusers knows: {exc}") from exc
        size = sum(tensor.nbytes for tensor in tensors.values())
        while self.sizes and sum(self.sizes.values()) + size > self._limit_bytes:
            oldest, _ = self.sizes.popitem(last=False)
            self._remove(oldest)
        try:
            with _several_adapters():
                # Tensors, not the path: handed a path, diffusers picks a loader by the file's name, pickles included.
                self._pipe.load_lora_weights(tensors, adapter_name=name)
            fits = any(name in names for names in self._pipe.get_list_adapters().values())
        except MISFITS as exc:
            self._remove(name)
            raise model_error(exc, f"{path.name} does not fit this model: {exc}") from exc
        finally:
            self._disable()
        if not fits:
            self._remove(name)
            raise ModelError(f"{path.name} has no layer that this model has")
        self.sizes[name] = size
        log.info("lora_loaded", file=path.name, size_bytes=size, held=len(self.sizes))

    def _remove(self, name: str) -> None:
        with _several_adapters():
            self._pipe.delete_adapters(name)
        for model in self._models():
            getattr(model, "peft_config", {}).pop(name, None)

    def _disable(self) -> None:
        if _takes_lora(self._pipe):
            self._pipe.disable_lora()

    def _check(self, names: list[str]) -> None:
        """Checks for every adapted layer that exactly these adapters are active; each layer keeps a state of its own."""
        for layer in self._layers():
            acting = [] if layer.disable_adapters else layer.active_adapters
            if acting != names or layer.merged:
                raise Retryable(f"LoRA state is {acting} where {names} was asked for")

    def _models(self) -> Iterator[torch.nn.Module]:
        return (part for part in self._pipe.components.values() if isinstance(part, torch.nn.Module))

    def _layers(self) -> Iterator[Any]:
        return (layer for model in self._models() for layer in model.modules() if isinstance(layer, BaseTunerLayer))

    def _refuse_other_sizes(self, tensors: dict[str, torch.Tensor], path: Path) -> None:
        """Compares sizes before anything is touched: FLUX's loader would widen the base's own layers to a larger file."""
        converted = type(self._pipe).lora_state_dict(dict(tensors))
        state = converted[0] if isinstance(converted, tuple) else converted
        for key, down in state.items():
            if not key.endswith(".lora_A.weight"):
                continue
            component, _, module = key.removesuffix(".lora_A.weight").partition(".")
            try:
                layer = getattr(self._pipe, component, torch.nn.Module()).get_submodule(module)
            except AttributeError:
                continue
            sizes = down.shape[1], state[key.replace(".lora_A.", ".lora_B.")].shape[0]
            own = getattr(layer, "in_features", sizes[0]), getattr(layer, "out_features", sizes[1])
            if sizes != own:
                raise ModelError(f"{path.name} does not fit this model: {module} is {own} here and {sizes} there")


@contextmanager
def _several_adapters() -> Iterator[None]:
    """Silences peft's warnings of several adapters and of a change of the active one: `use` decides that."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Already found a `peft_config`", UserWarning)
        warnings.filterwarnings("ignore", "Adapter .* was active which is now deleted", UserWarning)
        yield


def _takes_lora(pipe: object) -> bool:
    return isinstance(pipe, LoraBaseMixin)


def _adapter_name(path: Path) -> str:
    """Makes a name unique to the file in its present state, and safe as a module's name."""
    stat = path.stat()
    identity = f"{path.resolve()}|{stat.st_mtime_ns}|{stat.st_size}"
    return f"lora_{hashlib.sha256(identity.encode()).hexdigest()[:16]}"


def _read(path: Path, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Reads the file's tensors, on the CPU, in the pipeline's dtype, scaled by the alpha that its header may hold.

    Raises:
        ModelError: it changes more than low-rank layers.
        SafetensorError, ValueError: its content is broken.
    """
    with safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # no mapping, only has keys()
        metadata = file.metadata() or {}
    foreign = [key for key in tensors if not any(word in key for word in _LAYER_WORDS)]
    if foreign:
        raise ModelError(f"{path.name} changes more than low-rank layers ({foreign[0]}): that would stay in the model")
    config = json.loads(metadata.get(_METADATA_KEY, "{}"))
    if not isinstance(config, dict):
        raise TypeError(f"{_METADATA_KEY} is no object")
    return {
        key: (tensor * _gain(key, tensor, config)).to(dtype) if tensor.is_floating_point() else tensor
        for key, tensor in tensors.items()
    }


def _gain(key: str, tensor: torch.Tensor, config: dict[str, Any]) -> float:
    """Computes the factor of alpha for a tensor: diffusers takes alpha from a file's header, but not from tensors.

    Without alpha a layer's scale is 1, so alpha / rank (or / √rank, https://arxiv.org/abs/2312.03732) goes into `B`.
    """
    component, _, module = key.partition(".")
    if ".lora_B." not in module or f"{component}.lora_alpha" not in config:
        return 1.0
    module = module.partition(".lora_B.")[0]
    patterns: dict[str, float] = config.get(f"{component}.alpha_pattern") or {}
    own = (value for pattern, value in patterns.items() if re.fullmatch(rf"(.*\.)?(?:{pattern})", module))
    alpha = float(next(own, config[f"{component}.lora_alpha"]))
    rank = tensor.shape[1]
    return alpha / (rank**0.5 if config.get(f"{component}.use_rslora") else rank)
