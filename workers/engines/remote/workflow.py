"""Workflow of ComfyUI in the API's format: read from a file, checked against a model's entry, filled with a request's values."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from imgen.domain.engine_options import EngineChoice
from imgen.domain.errors import ModelError
from imgen.weights.lookup import find

ALWAYS = ("prompt", "width", "height")
"""Values that every request has."""
TAKEN = ("negative", "seed", "steps", "guidance", "strength", "lora")
"""Values that an entry has to name in `takes`, and in `nodes`."""
PICTURES = ("source", "mask")
LORA_SCALE = "lora_scale"
VALUES = (*ALWAYS, *TAKEN, LORA_SCALE, *PICTURES)
"""Names that `nodes` may have."""
MAX_BYTES = 2**22


class Node(Struct):
    """Node of a workflow. An input is a value, or the link to an output: a list of a node's id and the output's number."""

    class_type: str
    inputs: dict[str, Any]


Workflow = dict[str, Node]
"""Nodes by their ids."""


def read_workflow(choice: EngineChoice, folders: Sequence[Path]) -> Workflow:
    """Reads the workflow that a model's entry names.

    Raises:
        ModelError: there is none, or it is none in the API's format.
    """
    where = f"engine {choice.engine}"
    if not choice.workflow:
        raise ModelError(f"{where}: the entry names no workflow")
    path = find(choice.workflow, tuple(folders))
    if path is None:
        looked_up = " and ".join(str(folder) for folder in folders)
        raise ModelError(f"{where}: there is no workflow {choice.workflow} in {looked_up or 'any folder'}")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ModelError(f"{where}: workflow {choice.workflow} has more than {MAX_BYTES} bytes")
        return msgspec.json.decode(path.read_bytes(), type=Workflow)
    except OSError as exc:
        raise ModelError(f"{where}: workflow {choice.workflow} cannot be read: {exc.strerror}") from exc
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as exc:
        raise ModelError(
            f"{where}: {choice.workflow} is no workflow in the API's format (ComfyUI: Workflow, Export (API)): {exc}"
        ) from exc


def check_workflow(choice: EngineChoice, folders: Sequence[Path]) -> None:
    """Compares a model's entry with its workflow, so that no request fails for what the entry says.

    Raises:
        ModelError: the workflow is none, or the entry names inputs that it lacks, or contradicts itself.
    """
    workflow = read_workflow(choice, folders)
    for problem in (*contradictions(choice), *_left_out(choice), *_missing(choice, workflow)):
        raise ModelError(f"engine {choice.engine}: workflow {choice.workflow}: {problem}")


def filled(workflow: Workflow, choice: EngineChoice, values: Mapping[str, Any]) -> Workflow:
    """Returns a workflow with an entry's options and a request's values in their inputs.

    Args:
        workflow: stays as it is.
        choice: the entry, which `check_workflow` has passed.
        values: by their names in `nodes`; those without an input are left out. An empty `lora` takes its nodes out.
    """
    made = copy.deepcopy(workflow)
    for target, value in choice.options.items():
        _write(made, target, value)
    for name, value in values.items():
        for target in targets(choice, name):
            _write(made, target, value)
    if values.get("lora") == "":
        for node_id, _ in map(_split, targets(choice, "lora")):
            _take_out(made, node_id)
    return made


def targets(choice: EngineChoice, name: str) -> tuple[str, ...]:
    """Returns the inputs that a value is written into, such as `6.text`."""
    found = choice.nodes.get(name, ())
    return (found,) if isinstance(found, str) else found


def samplers(workflow: Workflow) -> frozenset[str]:
    """Returns the ids of the nodes that count steps: their progress is the picture's."""
    return frozenset(node_id for node_id, node in workflow.items() if "steps" in node.inputs)


def contradictions(choice: EngineChoice) -> Iterable[str]:
    """Yields contradictions within an entry: values in `nodes` that it has not, or does not take."""
    for name in choice.nodes:
        if name not in VALUES:
            yield f"nodes has {name}, which is none of {', '.join(VALUES)}"
    for name in TAKEN:
        if name in choice.nodes and name not in choice.takes:
            yield f"nodes has {name}, but takes does not"
    if LORA_SCALE in choice.nodes and "lora" not in choice.takes:
        yield f"nodes has {LORA_SCALE}, but takes has no lora"
    if "source" in choice.nodes and not choice.edits:
        yield "nodes has source, but edits is not set"
    if "mask" in choice.nodes and choice.edits != "mask":
        yield "nodes has mask, but edits is not mask"


def _left_out(choice: EngineChoice) -> Iterable[str]:
    """Yields values that an entry takes without an input for them."""
    if not targets(choice, "prompt"):
        yield "nodes has no prompt"
    for name in TAKEN:
        if name in choice.takes and not targets(choice, name):
            yield f"takes has {name}, but nodes does not say where it goes"
    if choice.edits and not targets(choice, "source"):
        yield f"edits is {choice.edits}, but nodes has no source"


def _missing(choice: EngineChoice, workflow: Workflow) -> Iterable[str]:
    """Yields inputs that an entry names and its workflow lacks."""
    named = [(f"nodes.{name}", target) for name in choice.nodes for target in targets(choice, name)]
    for name, target in (*named, *((f"options.{target}", target) for target in choice.options)):
        node_id, key = _split(target)
        if not key:
            yield f"{name} is {target}; write a node's id, a dot and the input's name, such as 6.text"
        elif node_id not in workflow:
            yield f"{name}: there is no node {node_id}"
        elif key not in workflow[node_id].inputs:
            of_it = ", ".join(workflow[node_id].inputs)
            yield f"{name}: node {node_id} ({workflow[node_id].class_type}) has no input {key}, but {of_it or 'none'}"
    for node_id, _ in map(_split, targets(choice, "lora")):
        if node_id in workflow and not _passed_on(workflow[node_id]):
            yield f"nodes.lora: node {node_id} ({workflow[node_id].class_type}) has no link as its input model"


def _split(target: str) -> tuple[str, str]:
    node_id, _, key = target.partition(".")
    return node_id, key


def _write(workflow: Workflow, target: str, value: Any) -> None:
    node_id, key = _split(target)
    workflow[node_id].inputs[key] = value


def _take_out(workflow: Workflow, node_id: str) -> None:
    """Takes a LoRA loader out; nodes that it fed are fed by what it was fed with.

    A loader with strength 0 would not do: ComfyUI refuses a workflow that names a file it does not have.
    """
    links = _passed_on(workflow.pop(node_id))
    for node in workflow.values():
        for key, value in node.inputs.items():
            if _is_link(value) and value[0] == node_id and value[1] < len(links):
                node.inputs[key] = links[value[1]]


def _passed_on(loader: Node) -> list[Any]:
    """Returns the links that a LoRA loader changes, in the order of its outputs (ComfyUI, nodes.py, LoraLoader)."""
    links = [loader.inputs[key] for key in ("model", "clip") if _is_link(loader.inputs.get(key))]
    return links if _is_link(loader.inputs.get("model")) else []


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int)  # noqa: PLR2004 - of a pair
