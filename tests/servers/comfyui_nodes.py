"""Nodes of the ComfyUI server: validation as its execution.py does it, and drawing in plain colours.

A drawn pixel is red. Where a mask keeps a source, or no steps are denoised, the source's pixel is there instead.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

RED = (200, 40, 40)
CHECKPOINTS = ("sd_xl_base_1.0.safetensors", "other.safetensors")
LORAS = ("emma.safetensors", "character.safetensors")
SEEDS = 2**64


class Kind(NamedTuple):
    """Class of nodes: inputs with their types (a tuple: one of these), types of outputs, and whether it ends a workflow."""

    inputs: dict[str, Any]
    outputs: tuple[str, ...]
    is_output: bool = False


KINDS = {
    "CheckpointLoaderSimple": Kind({"ckpt_name": CHECKPOINTS}, ("MODEL", "CLIP", "VAE")),
    "LoraLoader": Kind(
        {"model": "MODEL", "clip": "CLIP", "lora_name": LORAS, "strength_model": "FLOAT", "strength_clip": "FLOAT"},
        ("MODEL", "CLIP"),
    ),
    "CLIPTextEncode": Kind({"text": "STRING", "clip": "CLIP"}, ("CONDITIONING",)),
    "EmptyLatentImage": Kind({"width": "INT", "height": "INT", "batch_size": "INT"}, ("LATENT",)),
    "LoadImage": Kind({"image": "FILE"}, ("IMAGE", "MASK")),
    "LoadImageMask": Kind({"image": "FILE", "channel": ("alpha", "red", "green", "blue")}, ("MASK",)),
    "VAEEncode": Kind({"pixels": "IMAGE", "vae": "VAE"}, ("LATENT",)),
    "SetLatentNoiseMask": Kind({"samples": "LATENT", "mask": "MASK"}, ("LATENT",)),
    "KSampler": Kind(
        {
            "model": "MODEL",
            "positive": "CONDITIONING",
            "negative": "CONDITIONING",
            "latent_image": "LATENT",
            "seed": "INT",
            "steps": "INT",
            "cfg": "FLOAT",
            "sampler_name": ("euler", "dpmpp_2m"),
            "scheduler": ("normal", "karras"),
            "denoise": "FLOAT",
        },
        ("LATENT",),
    ),
    "VAEDecode": Kind({"samples": "LATENT", "vae": "VAE"}, ("IMAGE",)),
    "SaveImage": Kind({"images": "IMAGE", "filename_prefix": "STRING"}, (), is_output=True),
    "PreviewImage": Kind({"images": "IMAGE"}, (), is_output=True),
    "SaveText": Kind({"text": "STRING"}, (), is_output=True),
    "Explode": Kind({"images": "IMAGE"}, (), is_output=True),
}
CONVERTED = {"INT": int, "FLOAT": float, "STRING": str}


def validate(graph: dict[str, Any], has_file: Callable[[str], bool]) -> dict[str, Any] | None:
    """The answer with which a workflow is refused; None: it can run. Converts values in place, as ComfyUI does."""
    for node_id, node in graph.items():
        class_type = node.get("class_type")
        if class_type not in KINDS:
            extra = {"node_id": node_id, "class_type": class_type, "node_title": class_type}
            message = f"Node '{class_type}' not found. The custom node may not be installed."
            return _refusal("missing_node_type", message, f"Node ID '#{node_id}'", extra)
    outputs = [node_id for node_id, node in graph.items() if KINDS[node["class_type"]].is_output]
    if not outputs:
        return _refusal("prompt_no_outputs", "Prompt has no outputs", "", {})
    errors = {node_id: found for node_id, node in graph.items() if (found := _errors(graph, node, has_file))}
    if not errors:
        return None
    node_errors = {
        node_id: {"errors": found, "dependent_outputs": outputs, "class_type": graph[node_id]["class_type"]}
        for node_id, found in errors.items()
    }
    details = "\n".join(f"{one['message']}: {one['details']}" for found in errors.values() for one in found)
    return _refusal("prompt_outputs_failed_validation", "Prompt outputs failed validation", details, {}, node_errors)


def _errors(graph: dict[str, Any], node: dict[str, Any], has_file: Callable[[str], bool]) -> list[dict[str, Any]]:
    found = []
    for name, wanted in KINDS[node["class_type"]].inputs.items():
        if name not in node["inputs"]:
            found.append(_error("required_input_missing", "Required input is missing", name, name))
            continue
        value = node["inputs"][name]
        if isinstance(value, list):
            linked = graph.get(value[0])
            if linked is None:
                found.append(
                    _error("exception_during_validation", "Exception when validating node", repr(value[0]), name)
                )
                continue
            received = KINDS[linked["class_type"]].outputs[value[1]]
            if received != wanted:
                details = f"{name}, received_type({received}) mismatch input_type({wanted})"
                found.append(_error("return_type_mismatch", "Return type mismatch between linked nodes", details, name))
        elif wanted in CONVERTED:
            try:
                node["inputs"][name] = CONVERTED[wanted](value)
            except (TypeError, ValueError) as exc:
                message = f"Failed to convert an input value to a {wanted} value"
                found.append(_error("invalid_input_type", message, f"{name}, {value}, {exc}", name))
        elif isinstance(wanted, tuple) and value not in wanted:
            found.append(
                _error("value_not_in_list", "Value not in list", f"{name}: {value!r} not in {list(wanted)}", name)
            )
        elif wanted == "FILE" and not has_file(value):
            details = f"{name} - Invalid image file: {value}"
            found.append(_error("custom_validation_failed", "Custom validation failed for node", details, name))
    return found


def _error(kind: str, message: str, details: str, name: str) -> dict[str, Any]:
    return {"type": kind, "message": message, "details": details, "extra_info": {"input_name": name}}


def _refusal(kind: str, message: str, details: str, extra: dict[str, Any], node_errors: Any = None) -> dict[str, Any]:
    error = {"type": kind, "message": message, "details": details, "extra_info": extra}
    return {"error": error, "node_errors": node_errors or {}}


class NodeFailed(Exception):
    """The error of a node, with its id and class."""


@dataclass
class Latent:
    size: tuple[int, int]
    source: Any = None
    mask: Any = None
    drawn: Any = None


@dataclass
class Run:
    """One execution of a workflow."""

    graph: dict[str, Any]
    open_file: Callable[[str], bytes]
    step: Callable[[str, int, int], None]
    """Called before each step of a sampler, which may stop it: id of the node, number, number of all."""
    parameters: dict[str, Any] = field(default_factory=dict)
    """Values that the samplers worked with."""

    def outputs(self) -> dict[str, tuple[str, bytes]]:
        """Runs to the end: id of each saving node → kind of folder, and file; an empty one: it saves no picture."""
        made = {}
        for node_id, node in self.graph.items():
            kind = node["class_type"]
            if kind == "Explode":
                raise NodeFailed(node_id, kind, "torch.OutOfMemoryError", "CUDA out of memory")
            if kind == "SaveText":
                made[node_id] = ("", b"")
            elif KINDS[kind].is_output:
                stream = io.BytesIO()
                Image.fromarray(self._value(node["inputs"]["images"])).save(stream, "PNG")
                made[node_id] = ("output" if kind == "SaveImage" else "temp", stream.getvalue())
        return made

    def _value(self, link: list[Any]) -> Any:
        node_id, output = link
        node = self.graph[node_id]
        given = {
            name: self._value(value) if isinstance(value, list) else value for name, value in node["inputs"].items()
        }
        return getattr(self, f"_{node['class_type']}")(node_id, **given)[output]

    def _CheckpointLoaderSimple(self, _, ckpt_name):  # noqa: N802 - named like its class
        return {"ckpt": ckpt_name, "loras": []}, {"loras": []}, None

    def _LoraLoader(self, _, model, clip, lora_name, strength_model, strength_clip):  # noqa: N802
        loras = [*model["loras"], (lora_name, strength_model, strength_clip)]
        return model | {"loras": loras}, clip | {"loras": loras}

    def _CLIPTextEncode(self, _, text, clip):  # noqa: N802
        return ({"text": text, "loras": clip["loras"]},)

    def _EmptyLatentImage(self, _, width, height, batch_size):  # noqa: N802
        return (Latent((width, height)),)

    def _LoadImage(self, _, image):  # noqa: N802
        picture = Image.open(io.BytesIO(self.open_file(image)))
        if "A" not in picture.getbands():
            return np.asarray(picture.convert("RGB")), np.zeros((64, 64))
        return np.asarray(picture.convert("RGB")), 1 - np.asarray(picture.getchannel("A")) / 255

    def _LoadImageMask(self, _, image, channel):  # noqa: N802
        picture = Image.open(io.BytesIO(self.open_file(image))).convert("RGBA")
        levels = np.asarray(picture.getchannel(channel[0].upper())) / 255
        return (1 - levels if channel == "alpha" else levels,)

    def _VAEEncode(self, _, pixels, vae):  # noqa: N802
        return (Latent((pixels.shape[1], pixels.shape[0]), source=pixels),)

    def _SetLatentNoiseMask(self, _, samples, mask):  # noqa: N802
        return (Latent(samples.size, samples.source, mask),)

    def _KSampler(self, node_id, model, positive, negative, latent_image, seed, steps, cfg, denoise, **_):  # noqa: N802
        assert model["loras"] == positive["loras"] == negative["loras"]
        texts = {"positive": positive["text"], "negative": negative["text"]}
        self.parameters.update(model, **texts, seed=seed, steps=steps, cfg=cfg, denoise=denoise)
        for number in range(1, steps + 1):
            self.step(node_id, number, steps)
        width, height = latent_image.size
        drawn = np.full((height, width, 3), RED, np.uint8)
        if latent_image.source is not None and latent_image.mask is not None:
            keeps = latent_image.mask < 0.5
            drawn[keeps] = latent_image.source[keeps]
        return (Latent((width, height), drawn=drawn),)

    def _VAEDecode(self, _, samples, vae):  # noqa: N802
        return (samples.drawn,)
