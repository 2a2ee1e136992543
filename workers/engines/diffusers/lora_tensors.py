"""Tensors of a LoRA file, in one form: one adapter, no alpha, the pipeline's dtype; and the layers that they are for.

diffusers drops what it does not know and derives scales by majority, so nothing of either is left to it.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from diffusers.utils import state_dict_utils as untyped_state_dict_utils
from safetensors import safe_open

from imgen.domain.errors import ModelError
from workers.engines.diffusers.lora_check import LoraFile, check_lora, misfit, refuse_lacking

state_dict_utils: Any = untyped_state_dict_utils  # its functions have no types

_METADATA_KEY = "lora_adapter_metadata"
"""Key of alpha in the file's header, as diffusers writes it; see `diffusers.loaders.lora_base.LORA_ADAPTER_METADATA_KEY`."""

_HALF = re.compile(r"(?P<module>.+)\.(?P<half>lora_A|lora_B)\.(?P<leaf>weight|bias)")


class Half(NamedTuple):
    """Place of a tensor in an adapted pipeline."""

    component: str
    module: str
    half: str
    """`lora_A` or `lora_B`."""
    leaf: str
    """`weight` or `bias`."""


def read_lora(path: Path, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Reads the file's tensors, on the CPU, with alpha multiplied into the upper half of each layer.

    Without alpha a layer's scale is 1, so alpha / rank (or / √rank, https://arxiv.org/abs/2312.03732) goes into it.

    Raises:
        ModelError: see `check_lora`.
        SafetensorError, ValueError, TypeError: its content is broken.
    """
    lora = check_lora(path)
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in lora.names}
    gains = _gains(lora, tensors)
    return {
        name: (tensors[own].to(torch.float32) * gains.get(own, 1.0)).to(dtype)
        for own, name in lora.names.items()
        if own not in {layer.alpha for layer in lora.layers.values()}
    }


def halves_of(pipe: Any, tensors: Mapping[str, torch.Tensor], file: str) -> dict[Half, torch.Tensor]:
    """Returns each tensor's place in the pipeline, after diffusers' own translation of names.

    Sizes are compared before anything is touched: FLUX's loader would widen the base's own layers to a larger file.

    Raises:
        ModelError: a layer is lost in translation, or the pipeline lacks it or has it in another size.
        ValueError, KeyError and the like: diffusers does not know the file's names.
    """
    config = getattr(getattr(pipe, "unet", None), "config", None)
    translated = type(pipe).lora_state_dict(dict(tensors), unet_config=config)
    state = translated[0] if isinstance(translated, tuple) else translated
    halves = {}
    for component in dict.fromkeys(key.partition(".")[0] for key in state):
        prefix = f"{component}."
        part = {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}
        for key, tensor in _peft_names(pipe, component, part).items():
            if (match := _HALF.fullmatch(key)) is None:
                raise ModelError(f"{file} has a layer of unknown form: {component}.{key}")
            halves[Half(component, *match.group("module", "half", "leaf"))] = tensor
    # A trainer's one layer for query, key and value becomes three, but has as many rows as they have together.
    rows, before = (
        sum(tensor.shape[0] for name, tensor in found if tensor.ndim > 1 and is_upper(name))
        for found, is_upper in (
            (halves.items(), lambda half: half.half == "lora_B"),
            (tensors.items(), lambda name: re.search(r"(lora_B|lora_up|\.up)\.weight$", name) is not None),
        )
    )
    if rows != before:
        raise ModelError(f"{file} does not fit this model: some of its layers have names that diffusers does not know")
    _refuse_misfits(pipe, halves, file)
    return halves


def _peft_names(pipe: Any, component: str, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Translates the names within a component, as diffusers' loaders of it do."""
    converted: dict[str, torch.Tensor]
    if not component.startswith("text_encoder"):
        converted = state_dict_utils.convert_unet_state_dict_to_peft(state)
        return converted
    converted = state_dict_utils.convert_state_dict_to_peft(state_dict_utils.convert_state_dict_to_diffusers(state))
    if hasattr(getattr(pipe, component, None), "text_model"):
        return converted
    return {name.removeprefix("text_model."): tensor for name, tensor in converted.items()}


def _refuse_misfits(pipe: Any, halves: Mapping[Half, torch.Tensor], file: str) -> None:
    lacking, layers = [], {(half.component, half.module) for half in halves}
    for component, module in sorted(layers):
        try:
            layer = getattr(pipe, component, torch.nn.Module()).get_submodule(module)
        except AttributeError:
            lacking.append(f"{component}.{module}")
            continue
        down, up = (halves[Half(component, module, half, "weight")] for half in ("lora_A", "lora_B"))
        there = down.shape[1], up.shape[0]
        here = (
            getattr(layer, "in_features", getattr(layer, "in_channels", there[0])),
            getattr(layer, "out_features", getattr(layer, "out_channels", there[1])),
        )
        if there != here:
            raise misfit(file, f"{component}.{module}", here=here, there=there)
    refuse_lacking(file, lacking, of=len(layers))


def _gains(lora: LoraFile, tensors: Mapping[str, torch.Tensor]) -> dict[str, float]:
    """Returns the factor of each upper half's tensors: alpha as a tensor, else alpha in the file's header."""
    config = json.loads(lora.header.metadata.get(_METADATA_KEY, "{}"))
    if not isinstance(config, dict):
        raise TypeError(f"{_METADATA_KEY} is no object")
    gains: dict[str, float] = {}
    for name, layer in lora.layers.items():
        rank = tensors[layer.down].shape[0]
        gain = tensors[layer.alpha].item() / rank if layer.alpha else _header_gain(name, rank, config)
        gains |= dict.fromkeys((layer.up, layer.bias), gain)
    return gains


def _header_gain(name: str, rank: int, config: Mapping[str, Any]) -> float:
    component, _, module = name.partition(".")
    if f"{component}.lora_alpha" not in config:
        return 1.0
    patterns: dict[str, float] = config.get(f"{component}.alpha_pattern") or {}
    own = (value for pattern, value in patterns.items() if re.fullmatch(rf"(.*\.)?(?:{pattern})", module))
    alpha = float(next(own, config[f"{component}.lora_alpha"]))
    return alpha / (rank**0.5 if config.get(f"{component}.use_rslora") else rank)
