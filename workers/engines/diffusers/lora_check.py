"""Check of LoRA files by their headers: names, shapes and types. Needs no torch, so that `imgen doctor` can run it.

A file is used as meant or refused by name: diffusers drops whatever it does not know, and draws with the rest.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from imgen.domain.errors import ModelError
from imgen.weights.safetensors_file import SAFETENSORS, Header, TensorInfo, read_header
from workers.engines.diffusers.weight_kinds import LORA, adapter_kind, kind_of

FLOATS = frozenset({"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
"""Types of weights that another floating-point type can hold without a scale of their own."""
MATRIX = 2
"""Dimensions of a matrix; a convolution's weights have more."""
SHOWN = 3
"""Names in a message."""
_NONE: Mapping[str, Path] = {}
_COMPONENTS = ("unet", "transformer", "text_encoder")

_PART = re.compile(
    r"(?P<stem>.+?)\.(?P<side>lora_A|lora_B|lora_down|lora_up|\w*lora\w*\.down|\w*lora\w*\.up)"
    r"(?:\.(?P<adapter>[^.]+))?\.(?P<leaf>weight|bias)"
)
_UP = re.compile(r"(lora_B|lora_up|\.up)$")
_PEFT = "base_model.model."
"""Begin of all names in a file that peft itself has saved."""
_ALPHA = re.compile(r"(?P<stem>.+)\.alpha")
_OLD_NAMES = {"to_q_lora": "to_q", "to_k_lora": "to_k", "to_v_lora": "to_v", "to_out_lora": "to_out.0"}
_OLD_NAMES_OF_TEXT = {"to_q_lora": "q_proj", "to_k_lora": "k_proj", "to_v_lora": "v_proj", "to_out_lora": "out_proj"}
_PREFIXES = {
    "lora_unet_": "unet_",
    "lora_transformer_": "transformer_",
    "lora_te_": "text_encoder_",
    "lora_te1_": "text_encoder_",
    "lora_te2_": "text_encoder_2_",
}
"""Begins of kohya's names, with `_` for each dot, and the component that they mean."""
_OTHER_LAYOUT = re.compile(r"(?<![a-z])(input|middle|output|double|single|joint)_blocks?(?![a-z])")
"""Names of the first releases of models, which only diffusers can translate."""


@dataclass(frozen=True, kw_only=True)
class LoraLayer:
    """Low-rank layer of a file, by the file's names."""

    down: str
    up: str
    alpha: str = ""
    bias: str = ""
    sizes: tuple[int, int]
    """Sizes of its input and its output."""


@dataclass(frozen=True, kw_only=True)
class LoraFile:
    """Content of a LoRA file, complete and of one adapter."""

    header: Header
    layers: Mapping[str, LoraLayer]
    """Layer by the file's own name for it."""
    names: Mapping[str, str]
    """Name in the file → the same without an adapter's name, for each tensor."""


def check_lora(path: Path) -> LoraFile:
    """Reads the header of a LoRA file and accounts for each tensor.

    Raises:
        ModelError: it is no LoRA, is of a kind that diffusers would use by half, or lacks a half of a layer.
    """
    header = read_header(path)
    kind = adapter_kind(header.tensors)
    if kind != LORA:
        found = kind or kind_of(header.tensors)
        is_variant = kind.startswith(LORA) or kind == "a Control-LoRA"
        if is_variant:
            raise ModelError(f"{path.name} is {kind}, which is not supported: only part of it would be used")
        raise ModelError(f"{path.name} is no LoRA file{found and f', but {found}'}")
    parts = {name: match for name in header.tensors if (match := _PART.fullmatch(name))}
    alphas = {match["stem"]: name for name in header.tensors if (match := _ALPHA.fullmatch(name))}
    if foreign := [name for name in header.tensors if name not in parts and name not in alphas.values()]:
        raise ModelError(
            f"{path.name} changes more than low-rank layers ({_some(foreign)}): that would stay in the model"
        )
    if any(name.startswith(_PEFT) and not _OTHER_LAYOUT.search(name) for name in parts):
        told = (
            "its alpha is in adapter_config.json, and its layers lack their component; save it with save_lora_weights"
        )
        raise ModelError(f"{path.name} is as peft saves it: {told} of the pipeline")
    adapters = {match["adapter"] or "" for match in parts.values()}
    if len(adapters) > 1:
        raise ModelError(
            f"{path.name} holds several adapters ({_some(sorted(adapters))}); save each in a file of its own"
        )
    if types := {info.dtype for name, info in header.tensors.items() if name in parts} - FLOATS:
        raise ModelError(f"{path.name} has weights of the type {_some(sorted(types))}; save it as F16, BF16 or F32")
    layers = _layers(path, header.tensors, parts, alphas)
    names = {name: _without_adapter(name, parts.get(name)) for name in header.tensors}
    return LoraFile(header=header, layers=layers, names=names)


def check_fit(
    path: Path, model: Path, *, leave_out: tuple[str, ...] = (), components: Mapping[str, Path] = _NONE
) -> bool:
    """Compares the layers of a LoRA file with the headers of a model's folder. Returns whether they could be compared.

    False: the file has the names of another layout, or the model or one of its own components, by their names, is no folder;
    the worker compares them when it loads both.

    Raises:
        ModelError: the file is wrong, or has layers that the model lacks or that are of another size there.
    """
    lora = check_lora(path)
    are_folders = all(part.is_dir() for part in (model, *components.values()))
    if not are_folders or any(_OTHER_LAYOUT.search(layer) for layer in lora.layers):
        return False
    own = _model_layers(model, leave_out, components)
    known = {own_name: own_name for own_name in own} | {own_name.replace(".", "_"): own_name for own_name in own}
    asked = {layer: _model_name(layer) for layer in lora.layers}
    lacking = [name for name in asked.values() if name not in known]
    if not any(name.startswith(_COMPONENTS) for name in asked.values()):
        return False  # names of a trainer that diffusers may know
    refuse_lacking(path.name, lacking, of=len(asked))
    for layer, name in asked.items():
        sizes, here = lora.layers[layer].sizes, own[known[name]]
        if sizes != here:
            raise misfit(path.name, known[name], here=here, there=sizes)
    return True


def refuse_lacking(file: str, lacking: Iterable[str], *, of: int) -> None:
    """Raises ModelError if a file has layers that the model lacks."""
    if names := list(lacking):
        count = f"{len(names)} of its {of} layers"
        raise ModelError(f"{file} does not fit this model, which lacks {count}: {_some(names)}")


def misfit(file: str, layer: str, *, here: tuple[int, int], there: tuple[int, int]) -> ModelError:
    """Returns the error of a layer of another size."""
    return ModelError(f"{file} does not fit this model: {layer} is {here} here and {there} there")


def _layers(
    path: Path, tensors: Mapping[str, TensorInfo], parts: Mapping[str, re.Match[str]], alphas: Mapping[str, str]
) -> dict[str, LoraLayer]:
    """Pairs the halves of each layer.

    Raises:
        ModelError: a half is missing, or the two are of different ranks.
    """
    halves: dict[str, dict[str, str]] = {}
    for name, match in parts.items():
        half = "bias" if match["leaf"] == "bias" else "up" if _UP.search(match["side"]) else "down"
        halves.setdefault(_layer_name(match), {})[half] = name
    layers = {}
    for layer, found in halves.items():
        stem = next(match["stem"] for name, match in parts.items() if name in found.values())
        if not {"down", "up"} <= found.keys():
            raise ModelError(f"{path.name} has only one half of the layer {layer}")
        down, up = tensors[found["down"]].shape, tensors[found["up"]].shape
        if min(len(down), len(up)) < MATRIX or down[0] != up[1]:
            raise ModelError(f"{path.name}: the halves of the layer {layer} do not fit each other: {down} and {up}")
        alpha = alphas.get(layer) or alphas.get(stem, "")
        layers[layer] = LoraLayer(**found, alpha=alpha, sizes=(down[1], up[0]))
    used = {layer.alpha for layer in layers.values()}
    if stray := [name for name in alphas.values() if name not in used]:
        raise ModelError(f"{path.name} has an alpha without a layer: {_some(stray)}")
    return layers


def _layer_name(match: re.Match[str]) -> str:
    """Returns the file's own name for a layer, the same for both halves."""
    owner = match["side"].rpartition(".")[0]
    return f"{match['stem']}.{owner}" if owner not in ("", "lora", "lora_linear_layer") else match["stem"]


def _without_adapter(name: str, match: re.Match[str] | None) -> str:
    return name if match is None else f"{match['stem']}.{match['side']}.{match['leaf']}"


def _model_name(layer: str) -> str:
    """Returns the name of a file's layer as diffusers' folders have it; kohya's names keep their underscores."""
    for prefix, component in _PREFIXES.items():
        if layer.startswith(prefix):
            return component + layer.removeprefix(prefix).removeprefix("text_model_")
    path, _, last = layer.replace(".processor.", ".").replace(".text_model.", ".").rpartition(".")
    old_names = _OLD_NAMES_OF_TEXT if layer.startswith("text_encoder") else _OLD_NAMES
    return f"{path}.{old_names.get(last, last)}"


def _model_layers(
    folder: Path, leave_out: tuple[str, ...], components: Mapping[str, Path]
) -> dict[str, tuple[int, int]]:
    """Returns the layers of a model's folder, by component and name, with the sizes of input and output."""
    layers = {}
    for name, part in ({part.name: part for part in folder.iterdir()} | dict(components)).items():
        if not part.is_dir() or not name.startswith(_COMPONENTS) or name in leave_out:
            continue
        for file in part.glob(f"*{SAFETENSORS}"):
            for tensor, info in read_header(file).tensors.items():
                if tensor.endswith(".weight") and len(info.shape) >= MATRIX:
                    module = tensor.removesuffix(".weight").removeprefix("text_model.")
                    layers[f"{name}.{module}"] = info.shape[1], info.shape[0]
    return layers


def _some(names: Iterable[str]) -> str:
    """Lists the first names."""
    listed = list(names)
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(name or "unnamed" for name in listed[:SHOWN]) + more
