"""Variants of a LoRA file: those that are used as they are meant, and those that diffusers would use by half."""

import torch


def named(tensors, adapter="default"):
    """The names that peft gives layers in memory."""
    return {
        name.replace(".lora_A.", f".lora_A.{adapter}.").replace(".lora_B.", f".lora_B.{adapter}."): tensor
        for name, tensor in tensors.items()
    }


def several(tensors):
    """Two adapters in one file."""
    return named(tensors, "first") | named(tensors, "second")


def fp8(tensors, dtype=torch.float8_e4m3fn):
    """Weights of eight bits, without a scale."""
    return {name: tensor.to(dtype) for name, tensor in tensors.items()}


def int8(tensors):
    """Weights that mean nothing without a scale."""
    return {name: tensor.to(torch.int8) for name, tensor in tensors.items()}


def scaled(tensors):
    """Weights of eight bits with scales beside them."""
    scales = {name.replace(".weight", ".weight_scale"): torch.ones(1) for name in tensors}
    return fp8(tensors) | scales


def with_suffix(tensors, suffix, shape=(1,)):
    """A further tensor for each layer."""
    return tensors | {name.split(".lora_A")[0] + suffix: torch.ones(shape) for name in tensors if ".lora_A" in name}


def elsewhere(tensors):
    """One layer beyond the model's last one, all others as they are."""
    first = next(iter(tensors)).split(".lora_")[0]
    number = next(part for part in first.split(".") if part.isdigit())
    moved = first.replace(f".{number}.", ".77.", 1)
    return {name.replace(f"{first}.", f"{moved}."): tensor for name, tensor in tensors.items()}


def halved(tensors):
    """One upper half is missing."""
    last = [name for name in tensors if ".lora_B." in name][-1]
    return {name: tensor for name, tensor in tensors.items() if name != last}


REFUSED = {
    "dora": (lambda tensors: with_suffix(tensors, ".dora_scale"), "DoRA"),
    "dora of peft": (lambda tensors: with_suffix(tensors, ".lora_magnitude_vector"), "DoRA"),
    "dora of one layer": (lambda tensors: tensors | {"unet.x.dora_scale": torch.ones(1)}, "DoRA"),
    "loha": (lambda tensors: tensors | {"lora_unet_x.hada_w1_a": torch.ones(2, 2)}, "LoHa"),
    "lokr": (lambda tensors: tensors | {"lora_unet_x.lokr_w1": torch.ones(2, 2)}, "LoKr"),
    "oft": (lambda tensors: tensors | {"lora_unet_x.oft_blocks": torch.ones(2, 2)}, "OFT"),
    "tucker": (lambda tensors: tensors | {"lora_unet_x.lora_mid.weight": torch.ones(2, 2)}, "Tucker"),
    "difference": (lambda tensors: with_suffix(tensors, ".diff"), "differences of weights"),
    "of peft": (
        lambda tensors: {f"base_model.model.{name}": tensor for name, tensor in tensors.items()},
        "as peft saves",
    ),
    "several": (several, "several adapters"),
    "int8": (int8, "I8"),
    "scaled": (scaled, "more than low-rank layers"),
    "alpha alone": (lambda tensors: tensors | {"unet.nowhere.alpha": torch.ones(1)}, "alpha without a layer"),
    "half": (halved, "only one half"),
}
"""Variant → how it is made, and the word that names it."""
