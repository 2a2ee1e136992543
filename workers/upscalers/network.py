"""Upscaling network, such as an ESRGAN: loaded from safetensors by spandrel, which tells its architecture by its tensors."""

import contextlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import structlog
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from imgen.domain.errors import ModelError, OutOfMemory
from workers.engines import MAIN_MEMORY
from workers.engines.device import model_error
from workers.meta_weights import is_only_of_meta, on_meta
from workers.upscalers import tiles

log = structlog.get_logger(__name__)

LEAST_TILE = 96
"""Pixels under which tiles are not made smaller when memory runs out; the overlap would be most of them."""
_CHANNELS = 3


class UpscalingNetwork:
    """Network with its weights loaded; an entry of the memory pool."""

    def __init__(self, descriptor: Any, *, device: str, dtype: torch.dtype) -> None:
        self.scale: int = descriptor.scale
        self._network = descriptor.to(device=torch.device(device), dtype=dtype)
        self._device, self._dtype = torch.device(device), dtype
        self._largest_tile = sys.maxsize
        """Side of a tile that found memory, once one did not."""
        self.memory_bytes: int = sum(each.numel() * each.element_size() for each in self._network.model.parameters())

    def enlarge(
        self, pixels: NDArray[np.uint8], *, tile: int, on_tile: Callable[[int, int], None]
    ) -> NDArray[np.uint8]:
        """Enlarges (H, W, 3) uint8, sRGB, by tiles of `tile` pixels a side, or smaller ones where memory does not suffice.

        Args:
            pixels: the render.
            tile: pixels of a tile's side, before it is enlarged.
            on_tile: called after each tile with the number of those done and of all; its error ends the work.

        Raises:
            OutOfMemory: not even a small tile finds memory.
            ModelError: the network cannot enlarge this.
        """
        size = max(LEAST_TILE, min(tile, self._largest_tile))
        while True:
            try:
                return self._enlarge(pixels, size, on_tile)
            except OutOfMemory:
                if size == LEAST_TILE:
                    raise
            size = self._largest_tile = max(LEAST_TILE, size // 2)
            _free_cache()
            log.warning("out of memory while upscaling, tiles are made smaller", tile=size)

    def unload(self) -> None:
        """Frees the memory; the value is unusable afterwards."""
        self._network = None
        self.memory_bytes = 0
        _free_cache()

    def _enlarge(self, pixels: NDArray[np.uint8], tile: int, on_tile: Callable[[int, int], None]) -> NDArray[np.uint8]:
        number, done = tiles.count(pixels.shape[0], pixels.shape[1], tile), 0

        def told() -> None:
            nonlocal done
            done += 1
            on_tile(done, number)

        return tiles.enlarge(pixels, self.scale, self._enlarge_tile, tile=tile, on_tile=told)

    def _enlarge_tile(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        try:
            with torch.inference_mode():
                given = torch.from_numpy(pixels).to(self._device).permute(2, 0, 1)[None]
                drawn = self._network((given.to(self._dtype) / 255).contiguous(memory_format=torch.channels_last))
                levels = drawn[0].float().clamp(0, 1).mul(255).round().to(torch.uint8)
                enlarged: NDArray[np.uint8] = levels.permute(1, 2, 0).cpu().numpy()
                return enlarged
        except (RuntimeError, ValueError, MemoryError) as exc:
            raise model_error(exc, f"the upscaler failed: {exc}") from exc


def try_out(path: Path, *, scale: int) -> None:
    """Tries a network's load without memory, as far as its architecture allows that. Arguments and errors: see `load`."""
    with torch.device("meta"):
        try:
            _described(path, on_meta([path]), scale)
        except ModelError as exc:
            if not is_only_of_meta(exc.__cause__ or exc):
                raise


def load(path: Path, *, scale: int, take_room: Callable[[], None] = lambda: None) -> UpscalingNetwork:
    """Loads a network whose header was checked, on the GPU if there is one.

    Args:
        path: its safetensors file.
        scale: the factor that it is configured for.
        take_room: called before it takes the device's memory.

    Raises:
        ModelError: spandrel does not know it, or it enlarges by another factor, or other channels.
        OutOfMemory, DeviceLost: the device's own.
    """
    device = device_name()
    if device == MAIN_MEMORY:
        take_room()
    try:
        weights = load_file(path)
    except (SafetensorError, OSError, MemoryError) as exc:
        raise model_error(exc, f"{path} cannot be loaded as an upscaler: {exc}") from exc
    descriptor = _described(path, weights, scale)
    if device != MAIN_MEMORY:
        take_room()
    is_half = device != MAIN_MEMORY and descriptor.supports_half
    try:
        return UpscalingNetwork(descriptor, device=device, dtype=torch.float16 if is_half else torch.float32)
    except (RuntimeError, MemoryError) as exc:
        raise model_error(exc, f"{path} cannot be loaded as an upscaler: {exc}") from exc


def _described(path: Path, weights: dict[str, torch.Tensor], scale: int) -> Any:
    """Makes a network of its weights, by spandrel. Raises: see `load`."""
    with _without_torchvision():
        import spandrel
    try:
        descriptor = spandrel.MAIN_REGISTRY.load(spandrel.canonicalize_state_dict(weights))
        if not isinstance(descriptor, spandrel.ImageModelDescriptor):
            raise ModelError(f"{path} is no upscaler: it is a network of the kind {descriptor.architecture.name}")
        if (descriptor.input_channels, descriptor.output_channels) != (_CHANNELS, _CHANNELS):
            raise ModelError(f"{path} does not enlarge colour pictures")
        if descriptor.scale != scale:
            raise ModelError(f"{path} enlarges by {descriptor.scale}, not by {scale}: mend [workers] upscalers")
    except spandrel.UnsupportedModelError as exc:
        raise ModelError(f"{path} is of no architecture that spandrel knows") from exc
    except (KeyError, ValueError, RuntimeError, MemoryError) as exc:
        lines = (str(exc) or type(exc).__name__).splitlines()[:2]  # a heading, and the first of hundreds of tensors
        raise model_error(exc, f"{path} cannot be loaded as an upscaler: {' '.join(map(str.strip, lines))}") from exc
    return descriptor


def device_name() -> str:
    """Returns the device that networks run on, and whose memory they take."""
    return "cuda:0" if torch.cuda.is_available() else MAIN_MEMORY


@contextlib.contextmanager
def _without_torchvision() -> Iterator[None]:
    """Lets spandrel be imported without torchvision, which it names for two networks that are no upscalers.

    torchvision's wheels go with one build of torch, and beside another one not even importing it works.
    """
    if "spandrel" in sys.modules or importlib.util.find_spec("torchvision") is not None:
        yield
        return
    functional = ModuleType("torchvision.transforms.functional")
    functional.InterpolationMode = functional.rotate = functional.normalize = None  # type: ignore[attr-defined]
    names = ("torchvision", "torchvision.transforms")
    stand_ins = {name: ModuleType(name) for name in names} | {functional.__name__: functional}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]


def _free_cache() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
