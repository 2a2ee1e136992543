"""LoRA files of a compiled pipeline: its layers have one adapter, whose tensors are overwritten: a switch compiles nothing.

Adapters under names of their own would be a new graph each. The slot has the layers and the rank of all files so far: only a file
that needs more of them costs a compilation.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from torch import Tensor

from workers.engines.diffusers.adapters import Adapters, several_adapters
from workers.engines.diffusers.lora_tensors import Half

SLOT = "slot"
LEAST_RANK = 32
"""Rank of a new slot: most files of characters have 4 to 32."""

Place = tuple[str, str]
"""Component and module."""


class SlotAdapters(Adapters):
    """LoRA files that are held beside one pipeline and copied into its layers, one at a time."""

    def __init__(
        self,
        pipe: Any,
        folders_of: Callable[[str], tuple[Path, ...]],
        *,
        limit_bytes: int,
        make_room: Callable[[int], bool] = lambda _size_bytes: True,
    ) -> None:
        super().__init__(pipe, folders_of, limit_bytes=limit_bytes, make_room=make_room)
        self._held: dict[str, Mapping[Half, Tensor]] = {}
        self._slots: dict[Place, Any] = {}
        """Layers of the slot."""
        self._rank = LEAST_RANK
        self._has_bias = False

    @property
    def separate_bytes(self) -> int:
        """Memory of the held files, which no layer has."""
        return sum(self.sizes.values())

    def _hold(self, name: str, tensors: Mapping[str, Tensor], halves: Mapping[Half, Tensor], path: Path) -> None:
        del tensors, path
        device = self._pipe.device
        self._held[name] = {half: tensor.to(device) for half, tensor in halves.items()}
        self._widen(self._held[name])

    @torch.no_grad()
    def _enable(self, name: str, scale: float) -> None:
        held = self._held[name]
        self._widen(held)
        for (component, module), layer in self._slots.items():
            down, up = layer.lora_A[SLOT], layer.lora_B[SLOT]
            _fill(down.weight, held.get(Half(component, module, "lora_A", "weight")), dim=0)
            _fill(up.weight, held.get(Half(component, module, "lora_B", "weight")), dim=1, scale=scale)
            if up.bias is not None:
                _fill(up.bias, held.get(Half(component, module, "lora_B", "bias")), dim=0, scale=scale)
            layer.enable_adapters(enabled=True)

    def _acting(self, name: str) -> list[str]:
        del name
        return [SLOT]

    def _disable(self) -> None:
        for layer in self._slots.values():
            layer.enable_adapters(enabled=False)

    def _remove(self, name: str) -> None:
        self._held.pop(name, None)
        self._of_encoders.discard(name)

    def _widen(self, halves: Mapping[Half, Tensor]) -> None:
        """Makes the slot anew if a file has a layer, a rank or a bias that it lacks."""
        places = {(half.component, half.module) for half in halves}
        ranks = [tensor.shape[0] for half, tensor in halves.items() if (half.half, half.leaf) == ("lora_A", "weight")]
        has_bias = any(half.leaf == "bias" for half in halves)
        if places <= self._slots.keys() and max(ranks) <= self._rank and self._has_bias >= has_bias:
            return
        wanted = sorted(places | self._slots.keys())
        self._rank = max(self._rank, 1 << (max(ranks) - 1).bit_length())
        self._has_bias |= has_bias
        self._slots = {}
        self._delete(SLOT)
        for component in {component for component, _ in wanted}:
            modules = [module for of, module in wanted if of == component]
            config = LoraConfig(
                r=self._rank,
                lora_alpha=self._rank,
                lora_bias=self._has_bias,
                target_modules="|".join(map(re.escape, modules)),  # a list would fit by the ends of names
            )
            with several_adapters():
                getattr(self._pipe, component).add_adapter(config, SLOT)
        self._slots = {place: getattr(self._pipe, place[0]).get_submodule(place[1]) for place in wanted}
        dtype = self._pipe.dtype
        for layer in self._slots.values():
            layer.lora_A[SLOT].to(dtype)
            layer.lora_B[SLOT].to(dtype)


def _fill(target: Tensor, source: Tensor | None, *, dim: int, scale: float = 1.0) -> None:
    """Copies a tensor, scaled, to the begin of a larger one's dimension, and zeros to the rest of it; None: zeros alone."""
    size = 0 if source is None else source.shape[dim]
    if source is not None:
        target.narrow(dim, 0, size).copy_(source).mul_(scale)
    target.narrow(dim, size, target.shape[dim] - size).zero_()
