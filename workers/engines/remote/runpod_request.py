"""Request for a picture as RunPod's handlers get it: worker-comfyui a workflow and its pictures, any other its fields by name."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy import uint8
from numpy.typing import NDArray

from imgen.domain.engine_options import EngineChoice
from imgen.domain.errors import ModelError
from imgen.domain.recipe import REDRAWN
from imgen.domain.remote_engine import RemoteEngine
from workers.engines.remote.comfyui_request import request_pictures, request_values
from workers.engines.remote.pictures import png
from workers.engines.remote.protocol import PictureRequest
from workers.engines.remote.workflow import LORA_SCALE, Node, Workflow, filled, read_workflow, targets

FIELDS: Mapping[str, str] = {
    "prompt": "prompt",
    "negative": "negative_prompt",
    "width": "width",
    "height": "height",
    "seed": "seed",
    "steps": "num_inference_steps",
    "guidance": "guidance_scale",
    "strength": "strength",
    "lora": "lora",
    LORA_SCALE: LORA_SCALE,
    "source": "image",
    "mask": "mask",
}
"""Value of a request → field of a handler's input, unless the entry's `nodes` has another."""
MAX_REQUEST_BYTES = 10_000_000
"""Bytes of a request to `/run` (docs.runpod.io, Operation reference)."""
LEAST_EXECUTION_MS, LEAST_TTL_MS = 5001, 10_000
"""Least values of a policy (docs.runpod.io, Send API requests)."""
KEPT_MS = 600_000
"""Time beyond the engine's longest one for which RunPod keeps work, so that the next worker finds that of a killed one."""


def run_body(request: PictureRequest, remote: RemoteEngine, folders: Sequence[Path]) -> bytes:
    """Encodes the body of `/run`; takes some 50 ms of CPU with a source.

    Raises:
        ModelError: there is no such workflow, or the body is longer than RunPod takes.
    """
    longest_ms = round(remote.timeout_s * 1000)
    body = msgspec.json.encode(
        {
            "input": _workflow_input(request, folders) if request.choice.workflow else _fields(request),
            "policy": {
                "executionTimeout": max(longest_ms, LEAST_EXECUTION_MS),
                "ttl": max(longest_ms + KEPT_MS, LEAST_TTL_MS),
            },
        }
    )
    if len(body) > MAX_REQUEST_BYTES:
        raise ModelError(
            f"engine {remote.key}: the request has {len(body)} bytes, and RunPod takes {MAX_REQUEST_BYTES}; "
            "a smaller source would do"
        )
    return body


def _workflow_input(request: PictureRequest, folders: Sequence[Path]) -> dict[str, Any]:
    """Returns the input of worker-comfyui, which stores the pictures under the names that the workflow has."""
    values, choice = request_values(request), request.choice
    images = []
    for name, pixels in request_pictures(request).items():
        values[name] = f"imgen-{request.call_id}-{name}.png"
        images.append({"name": values[name], "image": _base64(pixels)})
    workflow = _saving(filled(read_workflow(choice, folders), choice, values))
    return {"workflow": workflow, **({"images": images} if images else {})}


def _saving(workflow: Workflow) -> Workflow:
    """Turns previews into saved pictures where nothing else is saved: worker-comfyui leaves temporary files out."""
    if any(node.class_type == "SaveImage" for node in workflow.values()):
        return workflow
    return {node_id: _saved(node) if node.class_type == "PreviewImage" else node for node_id, node in workflow.items()}


def _saved(preview: Node) -> Node:
    return Node("SaveImage", preview.inputs | {"filename_prefix": "imgen"})


def _fields(request: PictureRequest) -> dict[str, Any]:
    """Returns the input of any other handler. An option has precedence: it is the operator's last word."""
    values = request_values(request) | {name: _base64(pixels) for name, pixels in _pictures(request).items()}
    if not values.get("lora"):
        values = {name: value for name, value in values.items() if name not in ("lora", LORA_SCALE)}
    fields = {field: value for name, value in values.items() for field in field_names(request.choice, name)}
    return fields | request.choice.options


def field_names(choice: EngineChoice, name: str) -> tuple[str, ...]:
    """Returns the fields of a handler's input that a value is sent as."""
    return targets(choice, name) or (FIELDS[name],)


def _pictures(request: PictureRequest) -> dict[str, NDArray[uint8]]:
    """Returns the pixels of source and mask, (height, width[, 3]); the mask is white where the source is redrawn."""
    shot = request.shot
    if shot.source is None:
        return {}
    if shot.mask is None:
        return {"source": shot.source}
    return {"source": shot.source, "mask": np.where(shot.mask >= REDRAWN, 255, 0).astype(uint8)}


def _base64(pixels: NDArray[uint8]) -> str:
    return base64.b64encode(png(pixels)).decode()
